//! Records.

use linker_core::port::{Record, RecordWrite, StoreError};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::writer::Writer;
use crate::adapter::sql::code::int;
use crate::adapter::sql::records::{Given, LIST, end_of, statement};

const READ: &str = "SELECT key, version, expires_ms, body FROM linker_record \
    WHERE key IN (SELECT value FROM json_each($1)) ORDER BY key";
const EXPIRE: &str = "DELETE FROM linker_record WHERE key IN (\
    SELECT key FROM linker_record WHERE expires_ms < $1 ORDER BY expires_ms LIMIT $2)";

impl Writer {
    /// All of them or none.
    pub(super) async fn write_records(&mut self, writes: &[RecordWrite]) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        match write(&mut transaction.connection, writes).await {
            Ok(true) => self.commit(transaction).await.map(|()| true),
            Ok(false) => self.end(transaction).await.map(|()| false),
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }

    pub(super) async fn expire_records(&mut self, now_ms: u64, max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let expired = sqlx::query(EXPIRE)
            .bind(int(now_ms))
            .bind(i64::from(max))
            .execute(&mut transaction.connection)
            .await;
        match expired {
            Ok(expired) => {
                self.commit(transaction).await?;
                Ok(expired.rows_affected())
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }
}

async fn write(connection: &mut SqliteConnection, writes: &[RecordWrite]) -> sqlx::Result<bool> {
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

pub(super) async fn read(connection: &mut SqliteConnection, keys: &[String]) -> sqlx::Result<Vec<Record>> {
    // Strings have no way to fail.
    let keys = serde_json::to_string(keys).unwrap_or_default();
    let rows = sqlx::query(READ).bind(keys).fetch_all(connection).await?;
    rows.iter().map(record).collect()
}

pub(super) async fn list(
    connection: &mut SqliteConnection,
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

fn record(row: &SqliteRow) -> sqlx::Result<Record> {
    Ok(Record {
        key: row.try_get(0)?,
        version: row.try_get::<i64, _>(1)?.cast_unsigned(),
        expires_ms: row.try_get::<i64, _>(2)?.cast_unsigned(),
        body: row.try_get::<Vec<u8>, _>(3)?.into(),
    })
}
