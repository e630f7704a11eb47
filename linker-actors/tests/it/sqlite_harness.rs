//! A file to open again and again, and batches to put into it.

use std::path::PathBuf;
use std::sync::Arc;

use linker_actors::adapter::sqlite::{OpenOptions, SqliteStore};
use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, UserId};
use linker_core::port::{
    CountRequest, Insert, InsertOutcome, PageFilter, PageRequest, Store, StoreBatch, StoredRow, WaitReason,
};
use linker_core::testkit::sample::EPOCH_MS;
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use tempfile::TempDir;

pub(crate) const STORED: InsertOutcome = InsertOutcome::Stored;
const WINDOW_MS: u64 = 300_000;

/// A file in a folder of its own, which goes with it.
pub(crate) struct StoreFile {
    folder: TempDir,
}

impl StoreFile {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        Self { folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        self.open_with(OpenOptions::default()).await
    }

    pub(crate) async fn open_with(&self, options: OpenOptions) -> SqliteStore {
        SqliteStore::open(self.path(), options).await.expect("it opens")
    }

    /// A connection beside the store's own: another process, as far as SQLite is concerned.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        let url = format!("sqlite:{}", self.path().display());
        SqliteConnection::connect(&url).await.expect("a plain connection")
    }

    pub(crate) async fn sql(&self, script: &str) {
        let mut connection = self.raw().await;
        let script = AssertSqlSafe(script.to_owned());
        connection.execute(script).await.expect("plain SQL");
        connection.close().await.expect("closed");
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        let mut connection = self.raw().await;
        sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .expect("a number")
    }
}

pub(crate) fn batch(after_ms: u64, envelopes: &[Envelope], deletes: &[MessageId]) -> StoreBatch {
    let now_ms = EPOCH_MS + after_ms;
    StoreBatch {
        inserts: envelopes
            .iter()
            .map(|envelope| Insert {
                envelope: Arc::new(envelope.clone()),
                reason: WaitReason::Absent,
                home: None,
            })
            .collect(),
        deletes: deletes.to_vec(),
        forwarded: Vec::new(),
        absent: Vec::new(),
        behind: Vec::new(),
        redirected: Vec::new(),
        node: None,
        dedupe_since_ms: now_ms - WINDOW_MS,
        now_ms,
        max_per_user: u64::MAX,
    }
}

pub(crate) async fn keep(store: &SqliteStore, envelopes: &[Envelope]) {
    let outcomes = store.apply(batch(0, envelopes, &[])).await.expect("applied");
    assert!(outcomes.iter().all(|outcome| *outcome == STORED), "{outcomes:?}");
}

pub(crate) async fn delete(store: &SqliteStore, ids: &[MessageId]) {
    store.apply(batch(0, &[], ids)).await.expect("applied");
}

pub(crate) async fn rows(store: &SqliteStore, user: UserId) -> Vec<StoredRow> {
    let request = PageRequest {
        user,
        after_seq: 0,
        max_rows: 100_000,
        max_bytes: usize::MAX,
        filter: PageFilter::All,
    };
    let page = store.page(request).await.expect("a page");
    assert!(page.exhausted);
    page.rows
}

pub(crate) async fn waiting(store: &SqliteStore, user: UserId) -> Vec<MessageId> {
    let rows = rows(store, user).await;
    rows.iter().map(|row| row.envelope.id).collect()
}

pub(crate) async fn count(store: &SqliteStore, user: UserId) -> u64 {
    let request = CountRequest { user, except: vec![] };
    store.count(vec![request]).await.expect("a count")[0]
}

/// How often a condition is looked at before the test gives up: far more often than ever needed.
const LOOKS: usize = 10_000;

/// Does `attempt` until it succeeds.
pub(crate) async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(done) = attempt().await {
            return done;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to be");
}
