//! Several nodes on one database at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use linker_actors::adapter::postgres::{PostgresOptions, PostgresStore, migrate};
use linker_core::id::MessageId;
use linker_core::port::{
    Insert, InsertOutcome, PageFilter, PageRequest, Store, StoreBatch, StoreError, TakeOver, WaitReason,
};
use linker_core::testkit::sample::{
    EPOCH_MS, message, message_id, message_with_reference, node, of_kind, user,
};
use sqlx::Connection;

use super::database::Database;
use super::harness::{Fixture, STORED, batch, count, keep, open, waiting};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_migrate_once() {
    let database = Database::create().await;
    let url = database.url();
    let starting: Vec<_> = (0..6)
        .map(|n| {
            let url = url.clone();
            tokio::spawn(async move {
                if n % 2 == 0 {
                    migrate(&url).await.expect("migrated")
                } else {
                    PostgresStore::open(&url, PostgresOptions::default())
                        .await
                        .expect("opened");
                    false
                }
            })
        })
        .collect();
    let mut migrated = 0;
    for started in starting {
        migrated += u32::from(started.await.expect("no panic"));
    }
    assert!(migrated <= 1, "{migrated} say that they did it");
    let mut connection = database.raw().await;
    let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM linker_schema ORDER BY version")
        .fetch_all(&mut connection)
        .await
        .expect("versions");
    assert_eq!(versions, [1, 2, 3, 4, 5]);
    connection.close().await.expect("closed");
    assert_eq!(migrate(&url).await.ok(), Some(false), "nothing is left to do");
}

/// The promise of [`PageRequest::after_seq`] while two write: nothing appears behind a reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_who_goes_on_after_a_sequence_number_misses_nothing() {
    const ROUNDS: u64 = 60;
    let fixture = Fixture::new().await;
    let mut writing = Vec::new();
    for writer in 0..3_u64 {
        let store = fixture.another().await;
        writing.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let first = writer * 1_000_000 + round * 100;
                // Transactions of different length, with the recipient who is read among others.
                let envelopes: Vec<_> = (first..first + 1 + (round * 7 + writer * 3) % 40)
                    .map(|n| message(n, user(1), user(if n % 3 == 0 { 2 } else { n % 50 })))
                    .collect();
                keep(&store, &envelopes).await;
            }
            store.close().await;
        }));
    }
    let mut read = Vec::new();
    let mut after_seq = 0;
    loop {
        let done = writing.iter().all(tokio::task::JoinHandle::is_finished);
        let request = PageRequest {
            user: user(2),
            after_seq,
            max_rows: 7,
            max_bytes: usize::MAX,
            filter: PageFilter::All,
        };
        let page = fixture.page(request).await.expect("a page");
        if done && page.rows.is_empty() {
            break;
        }
        read.extend(page.rows.iter().map(|row| row.envelope.id));
        after_seq = page.rows.last().map_or(after_seq, |row| row.seq);
    }
    for writing in writing {
        writing.await.expect("written");
    }
    assert!(read.len() as u64 > ROUNDS, "{}", read.len());
    assert_eq!(read, waiting(&fixture, user(2)).await);
}

/// A transaction under way keeps its recipients to itself: whoever comes later gets larger numbers, later; who writes to others does not wait.
#[tokio::test]
async fn a_recipients_rows_become_visible_in_the_order_of_their_numbers() {
    let fixture = Fixture::new().await;
    keep(&fixture, &[message(1, user(1), user(2))]).await;
    let other = fixture.another().await;
    let mut slow = fixture.database.raw().await;
    // What a batch to user 2 holds until it is committed.
    sqlx::raw_sql(
        "BEGIN; SELECT pg_advisory_xact_lock(1280199506, stripe) FROM generate_series(0, 255) AS stripe",
    )
    .execute(&mut slow)
    .await
    .expect("every stripe");
    let mut waiting_batch = Store::apply(&other, batch(0, &[message(2, user(1), user(2))], &[]));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), &mut waiting_batch).await;
    assert!(waited.is_err(), "it waits for the other's commit");
    // Removing needs no stripe.
    let removed = Store::apply(&*fixture, batch(0, &[], &[message_id(1)])).await;
    assert_eq!(removed, Ok(vec![]));
    sqlx::raw_sql("COMMIT")
        .execute(&mut slow)
        .await
        .expect("committed");
    assert_eq!(waiting_batch.await, Ok(vec![STORED]));
    slow.close().await.expect("closed");
}

/// The same reference, sent to two nodes at the same moment, is one message.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_repetition_on_two_nodes_at_once_one_is_stored() {
    let fixture = Fixture::new().await;
    let other = Arc::new(fixture.another().await);
    for round in 0..30_u64 {
        let reference = format!("r-{round}");
        let one = message_with_reference(round * 2, user(1), user(2), &reference);
        let two = message_with_reference(round * 2 + 1, user(1), user(2), &reference);
        let shared = Arc::clone(&other);
        let elsewhere = tokio::spawn(async move {
            Store::apply(&*shared, batch(0, &[two], &[]))
                .await
                .expect("applied")
        });
        let here = Store::apply(&*fixture, batch(0, &[one], &[]))
            .await
            .expect("applied");
        let both = [here[0], elsewhere.await.expect("no panic")[0]];
        let duplicate = |outcome: &InsertOutcome| matches!(outcome, InsertOutcome::Duplicate(_));
        assert_eq!(
            both.iter().filter(|outcome| duplicate(outcome)).count(),
            1,
            "{both:?}"
        );
        assert!(both.contains(&STORED), "{both:?}");
    }
    assert_eq!(count(&fixture, user(2)).await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_inbox_limit_holds_for_all_nodes_together() {
    const LIMIT: u64 = 40;
    let fixture = Fixture::new().await;
    let mut nodes = Vec::new();
    for writer in 0..3_u64 {
        let store = fixture.another().await;
        nodes.push(tokio::spawn(async move {
            let mut stored = 0;
            for n in 0..30 {
                let limited = StoreBatch {
                    max_per_user: LIMIT,
                    ..batch(0, &[message(writer * 1000 + n, user(1), user(2))], &[])
                };
                let outcomes = Store::apply(&store, limited).await.expect("applied");
                stored += u64::from(outcomes == [STORED]);
            }
            stored
        }));
    }
    let mut stored = 0;
    for node in nodes {
        stored += node.await.expect("no panic");
    }
    let waiting = count(&fixture, user(2)).await;
    assert_eq!(stored, waiting);
    // Below half of the limit a node goes by what it counted itself a moment ago: so much each of the two others may add unseen.
    assert!((LIMIT..=LIMIT + 2 * (LIMIT / 2)).contains(&waiting), "{waiting}");
    let full = StoreBatch {
        max_per_user: LIMIT,
        ..batch(0, &[message(9000, user(1), user(2))], &[])
    };
    let outcomes = Store::apply(&*fixture, full).await;
    assert_eq!(
        outcomes,
        Ok(vec![InsertOutcome::InboxFull]),
        "nobody adds beyond it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_events_on_two_nodes_at_once_one_waits() {
    use linker_core::envelope::Kind::UserConnected;
    let fixture = Fixture::new().await;
    let other = Arc::new(fixture.another().await);
    for round in 0..30_u64 {
        let shared = Arc::clone(&other);
        let elsewhere = tokio::spawn(async move {
            keep(&shared, &[of_kind(UserConnected, round * 2, user(5), user(2))]).await;
        });
        keep(
            &fixture,
            &[of_kind(UserConnected, round * 2 + 1, user(5), user(2))],
        )
        .await;
        elsewhere.await.expect("no panic");
        assert_eq!(count(&fixture, user(2)).await, 1);
    }
}

/// Nobody waits for the other, and none of them is told twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_expires_or_is_taken_over_is_told_to_one_node() {
    let fixture = Fixture::new().await;
    let left = StoreBatch {
        inserts: (0..600)
            .map(|n| Insert {
                envelope: Arc::new(message(n, user(1), user(n % 7))),
                reason: WaitReason::Fault,
                home: None,
            })
            .collect(),
        node: Some(node(9)),
        ..batch(0, &[], &[])
    };
    Store::apply(&*fixture, left).await.expect("applied");
    let mut taken: BTreeMap<MessageId, u32> = BTreeMap::new();
    let mut expired = taken.clone();
    let mut nodes = Vec::new();
    for me in 1..=3 {
        let store = fixture.another().await;
        nodes.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            while taken.is_empty() || !taken.last().is_some_and(Vec::is_empty) {
                let request = TakeOver {
                    node: Some(node(me)),
                    spared: [1, 2, 3].map(node).into(),
                    home: None,
                    after_seq: 0,
                    max_rows: 23,
                    max_bytes: usize::MAX,
                };
                let page = store.take_over(request).await.expect("taken over");
                taken.push(page.rows.iter().map(|row| row.envelope.id).collect::<Vec<_>>());
            }
            let mut expired = Vec::new();
            while expired.is_empty() || !expired.last().is_some_and(Vec::is_empty) {
                let old = store.expire(EPOCH_MS + 1, 19).await.expect("expired");
                expired.push(old.iter().map(|envelope| envelope.id).collect::<Vec<_>>());
            }
            (taken.concat(), expired.concat())
        }));
    }
    for node in nodes {
        let (some_taken, some_expired) = node.await.expect("no panic");
        for id in some_taken {
            *taken.entry(id).or_default() += 1;
        }
        for id in some_expired {
            *expired.entry(id).or_default() += 1;
        }
    }
    assert!(taken.values().all(|times| *times == 1) && expired.values().all(|times| *times == 1));
    // What one node passed over because another had its hands on it, that one got.
    for n in (0..600).map(message_id) {
        assert_eq!(expired.get(&n), Some(&1), "{n}");
    }
}

/// Proofs of the same messages reach several nodes, in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_remove_the_same_rows_do_not_wait_for_ever() {
    let fixture = Fixture::new().await;
    let envelopes: Vec<_> = (0..900).map(|n| message(n, user(1), user(n % 5))).collect();
    keep(&fixture, &envelopes).await;
    let mut nodes = Vec::new();
    for writer in 0..3_u64 {
        let store = fixture.another().await;
        nodes.push(tokio::spawn(async move {
            for first in (0..900).step_by(90) {
                let mut ids: Vec<_> = (first..first + 90).map(message_id).collect();
                if writer % 2 == 1 {
                    ids.reverse();
                }
                let own = message(5000 + writer * 1000 + first, user(1), user(first % 5));
                let outcomes = Store::apply(&store, batch(0, &[own], &ids)).await;
                assert_eq!(outcomes, Ok::<_, StoreError>(vec![STORED]));
            }
        }));
    }
    for node in nodes {
        node.await.expect("no panic");
    }
    let mut left = 0;
    for n in 0..5 {
        left += count(&fixture, user(n)).await;
    }
    assert_eq!(left, 30);
    let again = open(&fixture.database.url()).await;
    assert_eq!(count(&again, user(0)).await, count(&fixture, user(0)).await);
}
