//! Opening connections to the file, each with the settings its use needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

/// Bytes of a page: a few messages fit, and a thousand rows make half the page writes that 4 KiB pages do.
const PAGE_BYTES: u32 = 8192;
/// Pages in the log before they are moved to the file (16 MiB): moving them costs two fsyncs, so not after every commit.
const CHECKPOINT_PAGES: &str = "2000";
/// The log file shrinks to this when it has been moved, bytes.
const LOG_BYTES_KEPT: &str = "67108864";
/// SQLite's page caches, in KiB (a negative number means KiB, not pages).
const WRITER_CACHE: &str = "-16384";
const READER_CACHE: &str = "-4096";
/// Rows that a reader's thread may be ahead of who reads: what a page that ends by its size has read in vain.
const ROWS_AHEAD: usize = 32;

/// What a delete returns must not make the writer wait for whoever reads it; a few bytes each.
const RETURNED_AHEAD: usize = 1024;

/// Knows the file and how it is to be opened.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    path: PathBuf,
    busy_timeout: Duration,
    pages_max: Option<u32>,
}

impl Connector {
    /// `path` must be absolute, lest SQLite take it for a URI or for `:memory:`.
    pub(super) fn new(path: PathBuf, busy_timeout: Duration, pages_max: Option<u32>) -> Self {
        Self {
            path,
            busy_timeout,
            pages_max,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// To look at a file that may be anyone's: changes nothing in it.
    pub(super) async fn inspector(&self) -> sqlx::Result<SqliteConnection> {
        self.options("inspect").connect().await
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> sqlx::Result<SqliteConnection> {
        let mut options = self
            .options("write")
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", LOG_BYTES_KEPT)
            .pragma("cache_size", WRITER_CACHE)
            .pragma("temp_store", "memory")
            .row_buffer_size(RETURNED_AHEAD);
        if let Some(pages) = self.pages_max {
            options = options.pragma("max_page_count", pages.to_string());
        }
        options.connect().await
    }

    /// One of those that read; the writer must have been opened before.
    pub(super) async fn reader(&self) -> sqlx::Result<SqliteConnection> {
        self.options("read")
            .read_only(true)
            .pragma("cache_size", READER_CACHE)
            .pragma("temp_store", "memory")
            .row_buffer_size(ROWS_AHEAD)
            .connect()
            .await
    }

    fn options(&self, role: &'static str) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            // Never: a file that vanished must not come back empty.
            .create_if_missing(false)
            .foreign_keys(false)
            .busy_timeout(self.busy_timeout)
            .thread_name(move |n| format!("sqlite-{role}-{n}"))
            .disable_statement_logging()
    }
}

/// Ends a connection and waits for its thread; what went wrong on the way out changes nothing any more.
pub(super) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "an SQLite connection did not close cleanly");
    }
}
