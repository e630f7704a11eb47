//! What keeps the file small and writable: expiry, deleting removed rows for good, making room, and trying whether writing works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linker_core::envelope::Envelope;
use linker_core::id::UserId;
use linker_core::port::StoreError;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::batch::user_in;
use super::row::{envelope_of, json_ints};
use super::writer::Writer;
use crate::adapter::sql::code::{CLASS_COUNTED, int};

/// The oldest waiting rows that arrived before.
pub(super) const FIND_EXPIRED: &str = "SELECT m.seq, m.recipient, m.class, m.body FROM message AS m \
     WHERE m.stored_ms < ?1 AND NOT EXISTS (SELECT 1 FROM removed AS r WHERE r.seq = m.seq) \
     ORDER BY m.stored_ms, m.seq LIMIT ?2";

pub(super) const REMOVE_SEQS: &str = "DELETE FROM inbox WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.seq = asked.value)";

pub(super) const DELETE_REMOVED: &str =
    "DELETE FROM message WHERE seq IN (SELECT seq FROM removed ORDER BY seq LIMIT ?1)";
const FORGET_REMOVED: &str =
    "DELETE FROM removed WHERE seq IN (SELECT seq FROM removed ORDER BY seq LIMIT ?1)";

/// Rows deleted for good in one transaction: a few milliseconds.
pub(super) const SWEEP_ROWS: u32 = 1000;
/// So many removed rows, or as many as wait, may be left for a quieter moment; beyond it, every batch that removes rows pays for deleting more than
/// it removed.
const REMOVED_MAX: i64 = 50_000;
/// It is not worth while before so large a part of the rows is removed: few among many lie on a page each, and cost several times as much.
const REMOVED_SHARE: i64 = 4;
/// What a probe writes, bytes.
const PROBE_BYTES: i64 = 16 * 1024;
/// Rows that were added speak for the disk for so long; an idle node is not to write all day only to see that it can.
const PROVEN_FOR: Duration = Duration::from_secs(30);

/// So long nothing was written when the page cache is emptied.
const QUIET_FOR: Duration = Duration::from_secs(5);

struct Expired {
    envelopes: Vec<Arc<Envelope>>,
    seqs: Vec<i64>,
    counted: Vec<UserId>,
}

async fn find_expired(
    connection: &mut SqliteConnection,
    before_ms: u64,
    max_rows: u32,
) -> sqlx::Result<Expired> {
    let rows = sqlx::query(FIND_EXPIRED)
        .bind(int(before_ms))
        .bind(i64::from(max_rows))
        .fetch_all(connection)
        .await?;
    let mut expired = Expired {
        envelopes: Vec::with_capacity(rows.len()),
        seqs: Vec::with_capacity(rows.len()),
        counted: Vec::new(),
    };
    for row in rows {
        let seq: i64 = row.try_get(0)?;
        expired.seqs.push(seq);
        if row.try_get::<i64, _>(2)? == i64::from(CLASS_COUNTED) {
            expired.counted.push(user_in(&row, 1)?);
        }
        match envelope_of(row.try_get(3)?) {
            Ok(envelope) => expired.envelopes.push(Arc::new(envelope)),
            Err(error) => tracing::warn!(store.seq = seq, %error, "an expired message could not be read"),
        }
    }
    Ok(expired)
}

impl Writer {
    pub(super) async fn expire(
        &mut self,
        before_ms: u64,
        max_rows: u32,
    ) -> Result<Vec<Arc<Envelope>>, StoreError> {
        let mut transaction = self.begin().await?;
        let connection = &mut transaction.connection;
        let expired = async {
            let expired = find_expired(connection, before_ms, max_rows).await?;
            if !expired.seqs.is_empty() {
                let seqs = json_ints(&expired.seqs);
                sqlx::query(REMOVE_SEQS).bind(seqs).execute(connection).await?;
            }
            Ok(expired)
        };
        match expired.await {
            Ok(expired) => {
                self.commit(transaction).await?;
                self.memory.waiting -= expired.seqs.len() as i64;
                self.memory.removed += expired.seqs.len() as i64;
                for user in &expired.counted {
                    self.memory.counts.subtract(user, 1);
                }
                Ok(expired.envelopes)
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }

    /// Whether enough rows are removed to delete them for good.
    pub(super) fn is_worth_sweeping(&self) -> bool {
        self.has_removed() && self.memory.removed * REMOVED_SHARE >= self.memory.waiting
    }

    /// Whether rows are still to be deleted for good.
    pub(super) fn has_removed(&self) -> bool {
        self.memory.removed > 0
    }

    /// Deletes the oldest removed rows for good: neighbours, so that whole pages become free.
    pub(super) async fn sweep(&mut self) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let connection = &mut transaction.connection;
        let swept = async {
            let limit = i64::from(SWEEP_ROWS);
            sqlx::query(DELETE_REMOVED)
                .bind(limit)
                .execute(&mut *connection)
                .await?;
            sqlx::query(FORGET_REMOVED).bind(limit).execute(connection).await
        };
        match swept.await {
            Ok(swept) => {
                self.commit(transaction).await?;
                let swept = int(swept.rows_affected());
                let more = swept == i64::from(SWEEP_ROWS);
                self.memory.removed = if more { self.memory.removed - swept } else { 0 };
                Ok(())
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }

    /// After a batch that removed `rows`: keeps the number of rows to be deleted bounded.
    pub(super) async fn sweep_surplus(&mut self, rows: usize) {
        let steps = 1 + 2 * rows / SWEEP_ROWS as usize;
        for _ in 0..steps {
            if self.memory.removed <= self.memory.waiting.max(REMOVED_MAX) || self.sweep().await.is_err() {
                return;
            }
        }
    }

    /// After a failure, which may be for want of room: moves the log into the file, so that it need not grow, and deletes what is removed.
    pub(super) async fn make_room(&mut self) {
        let Some(connection) = self.idle_connection() else {
            return;
        };
        let moved = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(connection)
            .await;
        if moved.is_ok() && self.has_removed() {
            // The next attempt shows whether it helped.
            let _ = self.sweep().await;
        }
    }

    /// Empties the page cache of a file that nobody has written to for a while: sixteen MiB of an idle node's memory.
    pub(super) async fn rest(&mut self) {
        if self.cached_at.is_none_or(|at| at.elapsed() < QUIET_FOR) {
            return;
        }
        self.cached_at = None;
        if let Some(connection) = self.idle_connection()
            && let Err(error) = sqlx::query("PRAGMA shrink_memory").execute(connection).await
        {
            tracing::debug!(%error, "the page cache could not be emptied");
        }
    }

    /// Writes a little and commits it, the new row before the old one goes, so that new pages are needed; unless something was written just now:
    /// then it only sees whether it could begin.
    pub(super) async fn probe(&mut self) -> Result<(), StoreError> {
        let proven = self.proven_at.is_some_and(|at| at.elapsed() < PROVEN_FOR);
        let mut transaction = self.begin().await?;
        if proven {
            return self.end(transaction).await;
        }
        let connection = &mut transaction.connection;
        let probed = async {
            let new = sqlx::query("INSERT INTO probe (filler) VALUES (randomblob(?1))")
                .bind(PROBE_BYTES)
                .execute(&mut *connection)
                .await?
                .last_insert_rowid();
            sqlx::query("DELETE FROM probe WHERE n < ?1")
                .bind(new)
                .execute(connection)
                .await
        };
        match probed.await {
            Ok(_) => {
                self.commit(transaction).await?;
                self.proven_at = Some(Instant::now());
                Ok(())
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }
}
