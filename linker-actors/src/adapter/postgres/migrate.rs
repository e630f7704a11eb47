//! The schema and its versions.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::connect::{self, Connector};
use super::open::{PostgresOpenError, PostgresOptions};

/// Version 1, 2, …: forward only, and never edited once released.
const MIGRATIONS: &[&str] = &[
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres/0001_message.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres/0002_home.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres/0003_hops.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres/0004_no_arrival_index.sql"
    )),
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../migrations/postgres/0005_record.sql"
    )),
];

/// The schema this code works with.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Who holds it migrates; the others wait until it is done. "LNKRMIGR".
const LOCK: &str = "SELECT pg_advisory_xact_lock(5498138894461355858)";

/// A migration of a large table may take long, and so may waiting for another node's.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Brings the database at `url` to the schema this version needs; answers whether anything was to be done. Any number may do it at once.
///
/// # Errors
/// As [`PostgresStore::open`](super::PostgresStore::open).
pub async fn migrate(url: &str) -> Result<bool, PostgresOpenError> {
    let connector = Connector::new(url, &PostgresOptions::default())?;
    let failed = |error: &sqlx::Error| PostgresOpenError::of(error, &connector);
    let mut connection = connector.connect().await.map_err(|error| failed(&error))?;
    let found = inspect(&mut connection).await.map_err(|error| failed(&error))?;
    if found > VERSION {
        return Err(PostgresOpenError::newer(found, &connector));
    }
    let outdated = found < VERSION;
    let changed = outdated && run(&mut connection).await.map_err(|error| failed(&error))?;
    connect::close(connection).await;
    Ok(changed)
}

/// The version of the schema, 0 for none.
pub(super) async fn inspect(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let (there,): (bool,) = sqlx::query_as("SELECT to_regclass('linker_schema') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(0);
    }
    version(connection).await
}

async fn version(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let (version,) = sqlx::query_as("SELECT coalesce(max(version), 0)::int8 FROM linker_schema")
        .fetch_one(connection)
        .await?;
    Ok(version)
}

/// Brings the schema to [`VERSION`], all steps or none. On an error the connection is to be dropped, which undoes them.
pub(super) async fn run(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let patience_ms = PATIENCE.as_millis();
    let begin = format!("BEGIN; SET LOCAL statement_timeout = {patience_ms}; {LOCK}");
    connection
        .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(begin)))
        .await?;
    // Looked at before creating anything, a table that another node has made meanwhile may still be unknown to this session.
    connection
        .execute(
            "CREATE TABLE IF NOT EXISTS linker_schema \
             (version bigint PRIMARY KEY, migrated_at timestamptz NOT NULL DEFAULT now())",
        )
        .await?;
    let done = version(connection).await?;
    let missing = MIGRATIONS.get(usize::try_from(done).unwrap_or(usize::MAX)..);
    let missing = missing.unwrap_or_default();
    for (version, script) in (done + 1..).zip(missing) {
        connection.execute(sqlx::raw_sql(*script)).await?;
        sqlx::query("INSERT INTO linker_schema (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *connection)
            .await?;
    }
    connection.execute("COMMIT").await?;
    Ok(!missing.is_empty())
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_script_of_the_folder_is_run() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
        let scripts = std::fs::read_dir(folder).expect("the folder is there").count();
        assert_eq!(MIGRATIONS.len(), scripts);
    }
}
