//! Records.

use linker_core::port::{Record, RecordWrite};
use sqlx::Executor;
use sqlx::postgres::{PgConnection, PgRow};

use crate::adapter::sql::code::int;
use crate::adapter::sql::records::record_functions;

const READ: &str =
    "SELECT key, version, expires_ms, body FROM linker_record WHERE key = ANY($1::text[]) ORDER BY key";
const EXPIRE: &str = "DELETE FROM linker_record WHERE key = ANY(ARRAY(\
    SELECT key FROM linker_record WHERE expires_ms < $1 ORDER BY expires_ms LIMIT $2 FOR UPDATE SKIP LOCKED))";

record_functions!(PgConnection, PgRow);

/// All of them or none. On an error the connection is to be dropped, which undoes them.
pub(super) async fn write(connection: &mut PgConnection, writes: &[RecordWrite]) -> sqlx::Result<bool> {
    connection.execute("BEGIN").await?;
    let applied = apply(connection, writes).await?;
    let end = if applied { "COMMIT" } else { "ROLLBACK" };
    connection.execute(end).await?;
    Ok(applied)
}

pub(super) async fn read(connection: &mut PgConnection, keys: &[String]) -> sqlx::Result<Vec<Record>> {
    let rows = sqlx::query(READ).bind(keys).fetch_all(connection).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn expire(connection: &mut PgConnection, now_ms: u64, max: u32) -> sqlx::Result<u64> {
    let removed = sqlx::query(EXPIRE)
        .bind(int(now_ms))
        .bind(i64::from(max))
        .execute(connection)
        .await?;
    Ok(removed.rows_affected())
}
