//! The statements for records, which are the same for both databases.

use linker_core::port::{Expected, RecordWrite};

/// Behind every key that has a prefix: keys are visible ASCII.
const LAST: char = '\u{7f}';

const PUT: &str = "INSERT INTO linker_record (key, version, expires_ms, body) VALUES ($1, 1, $2, $3) \
    ON CONFLICT (key) DO UPDATE SET version = linker_record.version + 1, expires_ms = excluded.expires_ms, body = excluded.body";
const ADD: &str = "INSERT INTO linker_record (key, version, expires_ms, body) VALUES ($1, 1, $2, $3) ON CONFLICT (key) DO NOTHING";
const CHANGE: &str = "UPDATE linker_record SET version = version + 1, expires_ms = $2, body = $3 WHERE key = $1 AND version = $4";
const REMOVE: &str = "DELETE FROM linker_record WHERE key = $1";
const REMOVE_VERSION: &str = "DELETE FROM linker_record WHERE key = $1 AND version = $2";
/// Changes a row only where it must not be there.
const TOUCH: &str = "UPDATE linker_record SET version = version WHERE key = $1";

pub(in crate::adapter) const LIST: &str = "SELECT key, version, expires_ms, body FROM linker_record \
    WHERE key > $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4";

/// What a statement is given besides the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapter) enum Given {
    /// Expiry and body.
    New,
    /// Expiry, body and the version before.
    Changed(u64),
    /// The version.
    Version(u64),
    Nothing,
}

/// How a write is done: the statement, what it is given, and how many rows it has to change; `None` where any number will do.
pub(in crate::adapter) fn statement(write: &RecordWrite) -> (&'static str, Given, Option<u64>) {
    match (write.body.is_some(), write.expected) {
        (true, Expected::Anything) => (PUT, Given::New, Some(1)),
        (true, Expected::Nothing) => (ADD, Given::New, Some(1)),
        (true, Expected::Version(version)) => (CHANGE, Given::Changed(version), Some(1)),
        (false, Expected::Anything) => (REMOVE, Given::Nothing, None),
        (false, Expected::Nothing) => (TOUCH, Given::Nothing, Some(0)),
        (false, Expected::Version(version)) => (REMOVE_VERSION, Given::Version(version), Some(1)),
    }
}

/// Everybody changes rows in the same order, so that they wait for each other instead of for ever.
pub(in crate::adapter) fn in_order(mut writes: Vec<RecordWrite>) -> Vec<RecordWrite> {
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    writes
}

/// What keys that begin with `prefix` are before.
pub(in crate::adapter) fn end_of(prefix: &str) -> String {
    format!("{prefix}{LAST}")
}

/// Makes what both drivers do alike with a connection and a row of theirs: `apply`, `list` and `record`.
macro_rules! record_functions {
    ($connection:ty, $row:ty) => {
        /// All of them, sorted by key. False where one finds another thing than it expected: then the caller undoes them.
        async fn apply(
            connection: &mut $connection,
            writes: &[linker_core::port::RecordWrite],
        ) -> sqlx::Result<bool> {
            use $crate::adapter::sql::code::int;
            use $crate::adapter::sql::records::{Given, statement};
            for write in writes {
                let (sql, given, wanted) = statement(write);
                let query = sqlx::query(sql).bind(&write.key);
                let expires_ms = int(write.expires_ms);
                let body = write.body.as_deref().unwrap_or_default();
                let query = match given {
                    Given::New => query.bind(expires_ms).bind(body),
                    Given::Changed(version) => query.bind(expires_ms).bind(body).bind(int(version)),
                    Given::Version(version) => query.bind(int(version)),
                    Given::Nothing => query,
                };
                let changed = query.execute(&mut *connection).await?.rows_affected();
                if wanted.is_some_and(|wanted| wanted != changed) {
                    return Ok(false);
                }
            }
            Ok(true)
        }

        pub(super) async fn list(
            connection: &mut $connection,
            prefix: &str,
            after: &str,
            max: u32,
        ) -> sqlx::Result<Vec<linker_core::port::Record>> {
            use $crate::adapter::sql::records::{LIST, end_of};
            let rows = sqlx::query(LIST)
                .bind(after)
                .bind(prefix)
                .bind(end_of(prefix))
                .bind(i64::from(max))
                .fetch_all(connection)
                .await?;
            rows.iter().map(record).collect()
        }

        fn record(row: &$row) -> sqlx::Result<linker_core::port::Record> {
            use sqlx::Row;
            Ok(linker_core::port::Record {
                key: row.try_get(0)?,
                version: row.try_get::<i64, _>(1)?.cast_unsigned(),
                expires_ms: row.try_get::<i64, _>(2)?.cast_unsigned(),
                body: row.try_get::<Vec<u8>, _>(3)?.into(),
            })
        }
    };
}

pub(in crate::adapter) use record_functions;
