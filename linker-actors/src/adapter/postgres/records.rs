//! Records.

use linker_core::port::{Record, RecordWrite};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Executor, Row};

use crate::adapter::sql::code::int;
use crate::adapter::sql::records::{Given, LIST, end_of, statement};

const READ: &str =
    "SELECT key, version, expires_ms, body FROM linker_record WHERE key = ANY($1::text[]) ORDER BY key";
const EXPIRE: &str = "DELETE FROM linker_record WHERE key = ANY(ARRAY(\
    SELECT key FROM linker_record WHERE expires_ms < $1 ORDER BY expires_ms LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// All of them, sorted by key, or none. On an error the connection is to be dropped, which undoes them.
pub(super) async fn write(connection: &mut PgConnection, writes: &[RecordWrite]) -> sqlx::Result<bool> {
    connection.execute("BEGIN").await?;
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
            connection.execute("ROLLBACK").await?;
            return Ok(false);
        }
    }
    connection.execute("COMMIT").await?;
    Ok(true)
}

pub(super) async fn read(connection: &mut PgConnection, keys: &[String]) -> sqlx::Result<Vec<Record>> {
    let rows = sqlx::query(READ).bind(keys).fetch_all(connection).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn list(
    connection: &mut PgConnection,
    prefix: &str,
    after: &str,
    max: u32,
) -> sqlx::Result<Vec<Record>> {
    let rows = sqlx::query(LIST)
        .bind(after)
        .bind(prefix)
        .bind(end_of(prefix))
        .bind(i64::from(max))
        .fetch_all(connection)
        .await?;
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

fn record(row: &PgRow) -> sqlx::Result<Record> {
    Ok(Record {
        key: row.try_get(0)?,
        version: row.try_get::<i64, _>(1)?.cast_unsigned(),
        expires_ms: row.try_get::<i64, _>(2)?.cast_unsigned(),
        body: row.try_get::<Vec<u8>, _>(3)?.into(),
    })
}
