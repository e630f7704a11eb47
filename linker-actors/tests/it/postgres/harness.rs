//! Stores on a database of a test's own, and batches to put into them.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use linker_actors::adapter::postgres::{PostgresOptions, PostgresStore};
use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, UserId};
use linker_core::port::{
    CountRequest, Insert, InsertOutcome, PageFilter, PageRequest, Store, StoreBatch, StoredRow, WaitReason,
};
use linker_core::testkit::sample::EPOCH_MS;

use super::database::Database;

pub(super) const STORED: InsertOutcome = InsertOutcome::Stored;
/// Longest that a test waits for what must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const WINDOW_MS: u64 = 300_000;

/// A store in a database that goes with it.
pub(super) struct Fixture {
    store: PostgresStore,
    pub(super) database: Database,
}

impl Deref for Fixture {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

impl Fixture {
    pub(super) async fn new() -> Self {
        let database = Database::create().await;
        let store = open(&database.url()).await;
        Self { store, database }
    }

    /// What another node has.
    pub(super) async fn another(&self) -> PostgresStore {
        open(&self.database.url()).await
    }
}

pub(super) async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, PostgresOptions::default())
        .await
        .expect("it opens")
}

pub(super) fn batch(after_ms: u64, envelopes: &[Envelope], deletes: &[MessageId]) -> StoreBatch {
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
        dedupe_since_ms: now_ms - WINDOW_MS,
        now_ms,
        max_per_user: u64::MAX,
        ..StoreBatch::default()
    }
}

pub(super) async fn keep(store: &PostgresStore, envelopes: &[Envelope]) {
    let outcomes = Store::apply(store, batch(0, envelopes, &[]))
        .await
        .expect("applied");
    assert!(outcomes.iter().all(|outcome| *outcome == STORED), "{outcomes:?}");
}

pub(super) async fn rows(store: &PostgresStore, user: UserId) -> Vec<StoredRow> {
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

pub(super) async fn waiting(store: &PostgresStore, user: UserId) -> Vec<MessageId> {
    let rows = rows(store, user).await;
    rows.iter().map(|row| row.envelope.id).collect()
}

pub(super) async fn count(store: &PostgresStore, user: UserId) -> u64 {
    let request = CountRequest { user, except: vec![] };
    store.count(vec![request]).await.expect("a count")[0]
}
