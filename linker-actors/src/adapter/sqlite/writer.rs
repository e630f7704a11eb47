//! The one connection that writes, its transactions, and what is known about the file without asking it.

use std::time::Instant;

use linker_core::port::{InsertOutcome, StoreBatch, StoreError};
use sqlx::sqlite::SqliteConnection;

use super::batch::{self, Written};
use super::connect::{self, Connector};
use super::fault::{Fault, away};
use super::recent::RecentReferences;
use super::row::DedupeKey;
use crate::adapter::sql::inbox_counts::InboxCounts;

/// True as long as this process alone writes the file. Made anew with every connection.
#[derive(Debug)]
pub(super) struct Memory {
    /// The highest sequence number ever given away.
    pub(super) newest_seq: i64,
    pub(super) dedupe_key: DedupeKey,
    pub(super) counts: InboxCounts,
    /// `None` until first needed: only a batch says how far back a repetition is one.
    pub(super) recent: Option<RecentReferences>,
    /// Rows that wait.
    pub(super) waiting: i64,
    /// Rows that wait no more and are still to be deleted.
    pub(super) removed: i64,
}

impl Memory {
    async fn load(connection: &mut SqliteConnection) -> sqlx::Result<Self> {
        let (newest_seq, waiting, removed, k0, k1): (i64, i64, i64, i64, i64) = sqlx::query_as(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0), \
             (SELECT count(*) FROM inbox), (SELECT count(*) FROM removed), k0, k1 FROM dedupe_key",
        )
        .fetch_one(connection)
        .await?;
        let dedupe_key = DedupeKey {
            k0: k0.cast_unsigned(),
            k1: k1.cast_unsigned(),
        };
        Ok(Self {
            newest_seq,
            dedupe_key,
            counts: InboxCounts::default(),
            recent: None,
            waiting,
            removed,
        })
    }

    fn take_over(&mut self, written: Written) -> Vec<InsertOutcome> {
        for (user, rows) in &written.added {
            self.counts.add(user, *rows);
        }
        for (user, rows) in &written.subtracted {
            self.counts.subtract(user, *rows);
        }
        self.waiting += written.entered - written.left;
        self.removed += written.left - written.deleted;
        written.outcomes
    }
}

/// A connection inside a transaction. Dropped, for a panic or the end of the runtime, it closes the connection, and SQLite rolls back: nobody
/// else can ever come to stand inside it.
pub(super) struct Transaction {
    pub(super) connection: SqliteConnection,
}

/// Whoever has it is the only one who writes.
pub(super) struct Writer {
    connector: Connector,
    /// Away during a transaction, and after one that ended badly: the next one opens it anew.
    connection: Option<SqliteConnection>,
    pub(super) memory: Memory,
    /// When rows were last added, unless something has failed since.
    pub(super) proven_at: Option<Instant>,
    /// When something was last written, unless the page cache was emptied since.
    pub(super) cached_at: Option<Instant>,
    closed: bool,
}

impl Writer {
    pub(super) async fn new(connector: Connector, mut connection: SqliteConnection) -> sqlx::Result<Self> {
        let memory = Memory::load(&mut connection).await?;
        Ok(Self {
            connector,
            connection: Some(connection),
            memory,
            proven_at: None,
            cached_at: None,
            closed: false,
        })
    }

    pub(super) async fn begin(&mut self) -> Result<Transaction, StoreError> {
        if self.closed {
            return Err(StoreError::Away("the store is closed".into()));
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen().await.map_err(|error| away(&error))?,
        };
        match sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await {
            Ok(_) => Ok(Transaction { connection }),
            Err(error) => {
                self.proven_at = None;
                if Fault::of(&error).spares_connection() {
                    self.connection = Some(connection);
                }
                Err(away(&error))
            }
        }
    }

    async fn reopen(&mut self) -> sqlx::Result<SqliteConnection> {
        let mut connection = self.connector.writer().await?;
        let memory = Memory::load(&mut connection).await?;
        // What was given away to a transaction that was lost is not given away again.
        let newest_seq = memory.newest_seq.max(self.memory.newest_seq);
        self.memory = Memory { newest_seq, ..memory };
        Ok(connection)
    }

    /// # Errors
    /// `Away` when nothing was committed, `Uncertain` when that is not known.
    pub(super) async fn commit(&mut self, mut transaction: Transaction) -> Result<(), StoreError> {
        match sqlx::query("COMMIT").execute(&mut transaction.connection).await {
            Ok(_) => {
                self.connection = Some(transaction.connection);
                self.cached_at = Some(Instant::now());
                Ok(())
            }
            Err(error) if Fault::of(&error).spares_connection() => {
                Err(self.abandon(transaction, error).await)
            }
            // The log may hold the whole transaction although it could not be made durable: it comes back, or not, when the file is next opened.
            Err(error) => {
                self.proven_at = None;
                Err(StoreError::Uncertain(Fault::of(&error).describe(&error)))
            }
        }
    }

    /// Ends a transaction in which nothing was done.
    pub(super) async fn end(&mut self, mut transaction: Transaction) -> Result<(), StoreError> {
        match sqlx::query("ROLLBACK").execute(&mut transaction.connection).await {
            Ok(_) => {
                self.connection = Some(transaction.connection);
                Ok(())
            }
            Err(error) => Err(away(&error)),
        }
    }

    /// Rolls back after `error`, and says what it means.
    pub(super) async fn abandon(&mut self, mut transaction: Transaction, error: sqlx::Error) -> StoreError {
        self.proven_at = None;
        let rolled_back = match sqlx::query("ROLLBACK").execute(&mut transaction.connection).await {
            Ok(_) => true,
            // SQLite has done it already, as it does when the disk is full.
            Err(complaint) => complaint.to_string().contains("no transaction is active"),
        };
        if rolled_back && Fault::of(&error).spares_connection() {
            self.connection = Some(transaction.connection);
        }
        away(&error)
    }

    pub(super) async fn apply(&mut self, batch: &StoreBatch) -> Result<Vec<InsertOutcome>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut transaction = self.begin().await?;
        match batch::write(&mut transaction.connection, &mut self.memory, batch).await {
            Ok(written) => {
                self.commit(transaction).await?;
                if !batch.inserts.is_empty() {
                    self.proven_at = Some(Instant::now());
                }
                Ok(self.memory.take_over(written))
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }

    /// Outside any transaction.
    pub(super) fn idle_connection(&mut self) -> Option<&mut SqliteConnection> {
        self.connection.as_mut()
    }

    pub(super) async fn close(&mut self) {
        self.closed = true;
        if let Some(connection) = self.connection.take() {
            connect::close(connection).await;
        }
    }
}
