//! The schema and its versions: `user_version` in the file's header says which one it has.

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

/// Marks a file as ours (`PRAGMA application_id`): "LNKR".
pub(super) const APPLICATION_ID: i32 = 0x4c4e_4b52;

/// Version 1, 2, …: forward only, and never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/sqlite/0001_inbox.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/sqlite/0002_owner.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/sqlite/0003_home.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/sqlite/0004_hops.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/sqlite/0005_record.sql"
    )),
];

/// The schema this code works with.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// What a file says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) application_id: i32,
    pub(super) version: i64,
    /// It has no table, no index, nothing.
    pub(super) empty: bool,
}

pub(super) async fn inspect(connection: &mut SqliteConnection) -> sqlx::Result<Found> {
    let (application_id, version, objects): (i32, i64, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id), \
                (SELECT user_version FROM pragma_user_version), \
                (SELECT count(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await?;
    Ok(Found {
        application_id,
        version,
        empty: objects == 0,
    })
}

/// Brings the schema to [`VERSION`], one transaction a step. On an error the connection is to be dropped, which undoes the step.
pub(super) async fn run(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    loop {
        connection.execute("BEGIN IMMEDIATE").await?;
        let found = inspect(connection).await?;
        let done = usize::try_from(found.version).unwrap_or(usize::MAX);
        let Some(script) = MIGRATIONS.get(done) else {
            connection.execute("ROLLBACK").await?;
            return Ok(());
        };
        connection.execute(*script).await?;
        let mark = format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
            done + 1
        );
        connection.execute(AssertSqlSafe(mark)).await?;
        connection.execute("COMMIT").await?;
    }
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_script_of_the_folder_is_run() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
        let scripts = std::fs::read_dir(folder).expect("the folder is there").count();
        assert_eq!(MIGRATIONS.len(), scripts);
    }
}
