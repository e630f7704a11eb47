//! Away means that nothing was changed, and that it comes back by itself.

use std::time::Duration;

use bytes::Bytes;
use linker_actors::adapter::sqlite::{OpenOptions, SqliteStore};
use linker_core::envelope::Envelope;
use linker_core::port::{InsertOutcome, Store, StoreBatch, StoreError};
use linker_core::testkit::sample::{EPOCH_MS, message, message_id, user};
use sqlx::Executor;

use crate::sqlite_harness::{STORED, StoreFile, batch, count, delete, eventually, keep, waiting};

fn large(n: u64) -> Envelope {
    Envelope {
        content: Bytes::from(format!("\"{}\"", "x".repeat(60_000))),
        ..message(n, user(1), user(2))
    }
}

fn reason<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Away(reason)) => reason,
        other => panic!("not away: {other:?}"),
    }
}

/// One large message after the other until none is taken any more; answers how many were.
async fn fill(store: &SqliteStore) -> u64 {
    for n in 0..1000 {
        match store.apply(batch(0, &[large(n)], &[])).await {
            Ok(outcomes) => assert_eq!(outcomes, [STORED]),
            Err(error) => {
                assert_eq!(error, StoreError::Away("the disk is full".into()));
                return n;
            }
        }
    }
    panic!("it never got full");
}

fn small_disk() -> OpenOptions {
    OpenOptions {
        pages_max: Some(204),
        ..OpenOptions::default()
    }
}

#[tokio::test]
async fn a_full_disk_is_away_and_changes_nothing() {
    let file = StoreFile::new();
    let store = file.open_with(small_disk()).await;
    let taken = fill(&store).await;
    assert!(taken > 5, "{taken}");
    let expected: Vec<_> = (0..taken).map(message_id).collect();
    // Neither half of a batch is done: neither the small message before the large one, nor the delete.
    let half = [message(2000, user(1), user(3)), large(2001), large(2002)];
    let refused = store.apply(batch(0, &half, &[message_id(0)])).await;
    assert_eq!(reason(refused), "the disk is full");
    assert_eq!(waiting(&store, user(2)).await, expected);
    assert_eq!(waiting(&store, user(3)).await, []);
    assert_eq!(count(&store, user(2)).await, taken);
    assert_eq!(reason(store.probe().await), "the disk is full");
}

#[tokio::test]
async fn a_probe_finds_a_full_disk_by_itself() {
    let file = StoreFile::new();
    let store = file.open_with(small_disk()).await;
    fill(&store).await;
    store.close().await;
    let pages = file.number("SELECT page_count FROM pragma_page_count").await;
    let full = OpenOptions {
        pages_max: Some(u32::try_from(pages).expect("a small file")),
        ..OpenOptions::default()
    };
    let store = file.open_with(full).await;
    assert_eq!(reason(store.probe().await), "the disk is full");
    let store = file.open().await;
    assert_eq!(store.probe().await, Ok(()));
    assert_eq!(store.probe().await, Ok(()));
}

#[tokio::test]
async fn a_full_disk_recovers_when_messages_leave() {
    let file = StoreFile::new();
    let store = file.open_with(small_disk()).await;
    let taken = fill(&store).await;
    for n in 0..taken {
        // Removing may need a page itself; the attempt makes room for the next.
        eventually(async || store.apply(batch(0, &[], &[message_id(n)])).await.ok()).await;
    }
    // Rows removed are deleted for good behind a refusal, or here.
    assert_eq!(store.expire(EPOCH_MS, 10).await, Ok(vec![]));
    eventually(async || store.probe().await.ok()).await;
    let again: Vec<Envelope> = (3000..3000 + taken / 2).map(large).collect();
    keep(&store, &again).await;
    assert_eq!(count(&store, user(2)).await, taken / 2);
}

#[tokio::test]
async fn the_inbox_limit_stays_exact_over_refused_batches() {
    let file = StoreFile::new();
    let store = file.open_with(small_disk()).await;
    let taken = fill(&store).await;
    let limited = |n| StoreBatch {
        max_per_user: taken,
        ..batch(0, &[large(n)], &[])
    };
    delete(&store, &[message_id(0)]).await;
    assert_eq!(store.expire(EPOCH_MS, 10).await, Ok(vec![]));
    let outcomes = eventually(async || store.apply(limited(4000)).await.ok()).await;
    assert_eq!(outcomes, [STORED]);
    // Counted once, however often it was refused before.
    let full = store.apply(limited(4001)).await;
    assert_eq!(full, Ok(vec![InsertOutcome::InboxFull]));
}

#[tokio::test]
async fn a_larger_disk_takes_more() {
    let file = StoreFile::new();
    let store = file.open_with(small_disk()).await;
    let taken = fill(&store).await;
    store.close().await;
    let store = file.open().await;
    keep(&store, &[large(5000), large(5001)]).await;
    assert_eq!(count(&store, user(2)).await, taken + 2);
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_away_until_it_is_released() {
    let file = StoreFile::new();
    let options = OpenOptions {
        busy_timeout: Duration::from_millis(10),
        ..OpenOptions::default()
    };
    let store = file.open_with(options).await;
    keep(&store, &[message(1, user(1), user(2))]).await;
    let mut other = file.raw().await;
    other.execute("BEGIN IMMEDIATE").await.expect("locked");
    let held = "another process holds the database file locked";
    assert_eq!(
        reason(store.apply(batch(0, &[message(2, user(1), user(2))], &[])).await),
        held
    );
    assert_eq!(reason(store.probe().await), held);
    assert_eq!(reason(store.expire(u64::MAX, 10).await), held);
    assert_eq!(waiting(&store, user(2)).await, [message_id(1)], "reading goes on");
    other.execute("ROLLBACK").await.expect("unlocked");
    keep(&store, &[message(2, user(1), user(2))]).await;
    assert_eq!(store.probe().await, Ok(()));
}

/// Whatever SQLite refuses in the middle of a batch, whether it rolls back the statement or, by itself, the whole transaction.
#[tokio::test]
async fn a_failure_in_the_middle_of_a_batch_undoes_all_of_it() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &[message(1, user(1), user(2))]).await;
    for (round, action) in (0..).zip(["ABORT", "ROLLBACK", "FAIL"]) {
        file.sql(&format!(
            "CREATE TRIGGER stop BEFORE DELETE ON inbox BEGIN SELECT RAISE({action}, 'stopped by the test'); END"
        ))
        .await;
        let envelopes: Vec<Envelope> = (0..100)
            .map(|n| message(100 + round * 100 + n, user(1), user(3)))
            .collect();
        let refused = store.apply(batch(0, &envelopes, &[message_id(1)])).await;
        assert!(reason(refused).contains("stopped by the test"));
        assert_eq!(waiting(&store, user(3)).await, [], "after {action}");
        assert!(reason(store.expire(u64::MAX, 10).await).contains("stopped by the test"));
        assert_eq!(waiting(&store, user(2)).await, [message_id(1)]);
        file.sql("DROP TRIGGER stop").await;
        keep(&store, &envelopes).await;
        delete(
            &store,
            &envelopes.iter().map(|envelope| envelope.id).collect::<Vec<_>>(),
        )
        .await;
        assert_eq!(waiting(&store, user(3)).await, []);
    }
}

#[tokio::test]
async fn a_reader_that_stays_stops_nobody() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &[message(1, user(1), user(2))]).await;
    let mut other = file.raw().await;
    other
        .execute("BEGIN; SELECT count(*) FROM message")
        .await
        .expect("reads");
    keep(&store, &[message(2, user(1), user(2))]).await;
    other.execute("COMMIT").await.expect("has read");
    assert_eq!(waiting(&store, user(2)).await, [1, 2].map(message_id));
}

#[tokio::test]
async fn a_closed_store_is_away() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &[message(1, user(1), user(2))]).await;
    store.close().await;
    store.close().await;
    let closed = "the store is closed";
    assert_eq!(
        reason(store.apply(batch(0, &[message(2, user(1), user(2))], &[])).await),
        closed
    );
    assert_eq!(reason(store.count(vec![]).await), closed);
    assert_eq!(reason(store.probe().await), closed);
    let names: Vec<_> = std::fs::read_dir(file.path().parent().expect("a folder"))
        .expect("listed")
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    assert_eq!(names, ["store.db"], "the log was moved into the file");
}
