//! What is in the file stays there: over a restart, a caller who loses interest, and the sweeping up of what was removed.

use linker_core::envelope::Envelope;
use linker_core::id::MessageId;
use linker_core::port::{InsertOutcome, PageFilter, PageRequest, Store, StoreBatch};
use linker_core::testkit::sample::{EPOCH_MS, message, message_id, message_with_reference, user};

use crate::sqlite_harness::{STORED, StoreFile, batch, count, delete, eventually, keep, rows, waiting};

fn messages(numbers: std::ops::Range<u64>) -> Vec<Envelope> {
    numbers.map(|n| message(n, user(1), user(2))).collect()
}

fn ids(numbers: std::ops::Range<u64>) -> Vec<MessageId> {
    numbers.map(message_id).collect()
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &messages(0..300)).await;
    delete(&store, &ids(10..20)).await;
    let before = rows(&store, user(2)).await;
    store.close().await;
    let store = file.open().await;
    assert_eq!(rows(&store, user(2)).await, before);
    assert_eq!(count(&store, user(2)).await, 290);
    delete(&store, &ids(0..300)).await;
    assert_eq!(waiting(&store, user(2)).await, []);
}

#[tokio::test]
async fn everything_survives_without_a_farewell() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &messages(0..100)).await;
    delete(&store, &ids(0..50)).await;
    let before = rows(&store, user(2)).await;
    // The first store is still there, as its log is after a crash.
    let again = file.open().await;
    assert_eq!(rows(&again, user(2)).await, before);
}

#[tokio::test]
async fn sequence_numbers_do_not_go_backwards_over_a_restart() {
    let file = StoreFile::new();
    let mut newest = 0;
    for round in 0..4 {
        let store = file.open().await;
        let numbers = round * 10..round * 10 + 10;
        keep(&store, &messages(numbers.clone())).await;
        let rows = rows(&store, user(2)).await;
        assert!(rows.iter().all(|row| row.seq > newest), "{rows:?} after {newest}");
        newest = rows.last().expect("rows").seq;
        delete(&store, &ids(numbers)).await;
        // Swept up, too: nothing in the tables tells of them any more.
        assert_eq!(store.expire(0, 0).await, Ok(vec![]));
        eventually(async || (file.number("SELECT count(*) FROM message").await == 0).then_some(())).await;
        store.close().await;
    }
}

#[tokio::test]
async fn what_counts_and_what_is_a_repetition_is_known_after_a_restart() {
    let file = StoreFile::new();
    let store = file.open().await;
    let envelopes: Vec<Envelope> = (0..10)
        .map(|n| message_with_reference(n, user(1), user(2), &format!("r-{n}")))
        .collect();
    keep(&store, &envelopes).await;
    delete(&store, &[message_id(3)]).await;
    store.close().await;
    let store = file.open().await;
    let limited = StoreBatch {
        max_per_user: 10,
        ..batch(
            1,
            &[
                message_with_reference(20, user(1), user(2), "r-9"),
                message_with_reference(21, user(1), user(2), "r-3"),
                message_with_reference(22, user(1), user(2), "r-22"),
            ],
            &[],
        )
    };
    let outcomes = store.apply(limited).await;
    let expected = vec![
        InsertOutcome::Duplicate(message_id(9)),
        STORED,
        InsertOutcome::InboxFull,
    ];
    assert_eq!(outcomes, Ok(expected));
}

#[tokio::test]
async fn a_caller_who_loses_interest_leaves_the_batch_whole_or_undone() {
    let file = StoreFile::new();
    let store = file.open().await;
    for n in 0..40_u64 {
        let envelopes = messages(n * 10..n * 10 + 10);
        let mut applied = store.apply(batch(0, &envelopes, &[]));
        // Polled a few times more each round, then dropped wherever it stands.
        for _ in 0..n / 4 {
            let polled = std::future::poll_fn(|context| {
                let state = applied.as_mut().poll(context);
                std::task::Poll::Ready(state.is_ready())
            });
            if polled.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(applied);
    }
    // Waits for whatever is still under way.
    keep(&store, &messages(1000..1001)).await;
    let left = waiting(&store, user(2)).await;
    assert!(left.len() > 1, "some were begun");
    let (last, left) = left.split_last().expect("some");
    assert_eq!(*last, message_id(1000));
    for whole in left.chunks(10) {
        let begun = (0..40)
            .find(|n| message_id(n * 10) == whole[0])
            .expect("the first of a batch");
        assert_eq!(whole, ids(begun * 10..begun * 10 + 10));
    }
}

#[tokio::test]
async fn removed_rows_leave_the_file_at_the_next_expiry() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &messages(0..2500)).await;
    delete(&store, &ids(0..2400)).await;
    assert_eq!(file.number("SELECT count(*) FROM message").await, 2500);
    assert_eq!(file.number("SELECT count(*) FROM removed").await, 2400);
    assert_eq!(store.expire(EPOCH_MS, 10).await, Ok(vec![]), "nothing is too old");
    // The sweep goes on behind the answer.
    eventually(async || (file.number("SELECT count(*) FROM message").await == 100).then_some(())).await;
    assert_eq!(file.number("SELECT count(*) FROM removed").await, 0);
    assert_eq!(waiting(&store, user(2)).await, ids(2400..2500));
}

#[tokio::test]
async fn a_few_removed_rows_among_many_are_left_for_later() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &messages(0..1000)).await;
    delete(&store, &ids(0..190)).await;
    assert_eq!(store.expire(EPOCH_MS, 10).await, Ok(vec![]));
    store.close().await;
    assert_eq!(file.number("SELECT count(*) FROM removed").await, 190);
    // Also counted right after a restart.
    let store = file.open().await;
    delete(&store, &ids(190..200)).await;
    assert_eq!(store.expire(EPOCH_MS, 10).await, Ok(vec![]));
    eventually(async || (file.number("SELECT count(*) FROM removed").await == 0).then_some(())).await;
    assert_eq!(file.number("SELECT count(*) FROM message").await, 800);
}

#[tokio::test]
async fn removed_rows_are_bounded_without_any_expiry() {
    let file = StoreFile::new();
    let store = file.open().await;
    for round in 0..60 {
        let numbers = round * 1000..(round + 1) * 1000;
        keep(&store, &messages(numbers.clone())).await;
        delete(&store, &ids(numbers)).await;
    }
    // The last surplus is swept behind the last answer.
    assert_eq!(store.probe().await, Ok(()));
    let left = file.number("SELECT count(*) FROM removed").await;
    assert!(left <= 50_000, "{left}");
    assert_eq!(file.number("SELECT count(*) FROM message").await, left);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_stands_in_nobodys_way() {
    let file = StoreFile::new();
    let store = file.open().await;
    keep(&store, &messages(0..6)).await;
    file.sql("UPDATE message SET body = x'01' WHERE seq IN (1, 2, 4)")
        .await;
    assert_eq!(waiting(&store, user(2)).await, [2, 4, 5].map(message_id));
    let request = PageRequest {
        user: user(2),
        after_seq: 0,
        max_rows: 1,
        max_bytes: 1,
        filter: PageFilter::All,
    };
    let page = store.page(request).await.expect("a page");
    assert_eq!((page.rows.len(), page.exhausted), (1, false));
    assert_eq!(count(&store, user(2)).await, 6, "they still wait");
    let expired = store.expire(EPOCH_MS + 1, 100).await.expect("expired");
    assert_eq!(expired.len(), 3);
    assert_eq!(count(&store, user(2)).await, 0);
}
