//! Records.

use linker_core::port::{Record, RecordWrite, StoreError};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::writer::Writer;
use crate::adapter::sql::code::int;
use crate::adapter::sql::records::record_functions;

const READ: &str = "SELECT key, version, expires_ms, body FROM linker_record \
    WHERE key IN (SELECT value FROM json_each($1)) ORDER BY key";
const EXPIRE: &str = "DELETE FROM linker_record WHERE key IN (\
    SELECT key FROM linker_record WHERE expires_ms < $1 ORDER BY expires_ms LIMIT $2)";

record_functions!(SqliteConnection, SqliteRow);

impl Writer {
    /// All of them or none.
    pub(super) async fn write_records(&mut self, writes: &[RecordWrite]) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        match apply(&mut transaction.connection, writes).await {
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

pub(super) async fn read(connection: &mut SqliteConnection, keys: &[String]) -> sqlx::Result<Vec<Record>> {
    // Strings have no way to fail.
    let keys = serde_json::to_string(keys).unwrap_or_default();
    let rows = sqlx::query(READ).bind(keys).fetch_all(connection).await?;
    rows.iter().map(record).collect()
}
