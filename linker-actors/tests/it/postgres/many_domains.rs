//! Several nodes on one database hand over to other domains, or follow the same change of homes.

use std::collections::BTreeMap;
use std::sync::Arc;

use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::{Insert, Store, StoreBatch, TakeOver, WaitReason};
use linker_core::testkit::sample::{message, message_id, node, user};

use super::harness::{Fixture, batch, keep};

fn domain(n: u64) -> DomainName {
    format!("domain-{n:02}").parse().expect("a domain name")
}

/// What a node that is gone has left, and what they have themselves: each message goes once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_drain_the_same_backlog_hand_each_message_over_once() {
    let fixture = Fixture::new().await;
    for owner in [1, 2, 9] {
        let left = StoreBatch {
            inserts: (0..200)
                .map(|n| Insert {
                    envelope: Arc::new(message(owner * 1000 + n, user(1), user(n % 7))),
                    reason: WaitReason::Forward,
                    home: Some(domain(1)),
                })
                .collect(),
            node: Some(node(owner)),
            ..batch(0, &[], &[])
        };
        Store::apply(&*fixture, left).await.expect("applied");
    }
    let mut nodes = Vec::new();
    for me in 1..=3 {
        let store = fixture.another().await;
        nodes.push(tokio::spawn(async move {
            let mut sent: Vec<MessageId> = Vec::new();
            while !store.backlog(vec![]).await.expect("counted").is_empty() {
                let request = TakeOver {
                    node: Some(node(me)),
                    spared: (1..=3).filter(|other| *other != me).map(node).collect(),
                    home: Some(domain(1)),
                    after_seq: 0,
                    max_rows: 23,
                    max_bytes: usize::MAX,
                };
                let page = store.take_over(request).await.expect("taken over");
                let ids: Vec<MessageId> = page.rows.iter().map(|row| row.envelope.id).collect();
                let handed_over = batch(0, &[], &ids);
                Store::apply(&store, handed_over).await.expect("removed");
                sent.extend(ids);
            }
            sent
        }));
    }
    let mut sent: BTreeMap<MessageId, u32> = BTreeMap::new();
    for node in nodes {
        for id in node.await.expect("no panic") {
            *sent.entry(id).or_default() += 1;
        }
    }
    assert_eq!(sent.len(), 600);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
}

/// All nodes learn of it at the same time, each in an order of its own, while proofs come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_move_the_same_users_do_not_wait_for_ever() {
    const USERS: u64 = 40;
    const ROWS: u64 = 1200;
    let fixture = Fixture::new().await;
    let envelopes: Vec<_> = (0..ROWS).map(|n| message(n, user(99), user(n % USERS))).collect();
    keep(&fixture, &envelopes).await;
    let mut nodes = Vec::new();
    for me in 0..3_u64 {
        let store = fixture.another().await;
        nodes.push(tokio::spawn(async move {
            let mut users: Vec<(UserId, Option<DomainName>)> =
                (0..USERS).map(|n| (user(n), Some(domain(n % 3)))).collect();
            users.rotate_left(me as usize * 11);
            assert_eq!(store.rehome(users).await, Ok(()));
        }));
    }
    let removed: Vec<MessageId> = (0..ROWS).rev().step_by(4).map(message_id).collect();
    for some in removed.chunks(50) {
        Store::apply(&*fixture, batch(0, &[], some))
            .await
            .expect("removed");
    }
    for node in nodes {
        node.await.expect("no panic");
    }
    let backlog = fixture.backlog(vec![]).await.expect("counted");
    let left: u64 = backlog.iter().map(|(_, rows)| rows).sum();
    assert_eq!((backlog.len(), left), (3, ROWS - ROWS / 4));
}

/// Whoever removes what was sent on locks a row whose message has come back, and leaves it.
#[tokio::test]
async fn a_row_that_another_transaction_has_locked_is_not_taken_for_gone() {
    let fixture = Fixture::new().await;
    let own = StoreBatch {
        inserts: vec![Insert {
            envelope: Arc::new(message(1, user(1), user(2))),
            reason: WaitReason::Forward,
            home: Some(domain(1)),
        }],
        node: Some(node(1)),
        ..batch(0, &[], &[])
    };
    Store::apply(&*fixture, own).await.expect("applied");
    let mut other = fixture.database.raw().await;
    sqlx::raw_sql("BEGIN; SELECT FROM linker_message FOR UPDATE")
        .execute(&mut other)
        .await
        .expect("locked");
    let request = |home| TakeOver {
        node: Some(node(1)),
        spared: vec![node(2)],
        home: Some(domain(home)),
        after_seq: 0,
        max_rows: 10,
        max_bytes: usize::MAX,
    };
    let page = fixture.take_over(request(1)).await.expect("taken over");
    assert_eq!((page.rows.len(), page.exhausted), (0, false));
    let page = fixture.take_over(request(2)).await.expect("taken over");
    assert_eq!((page.rows.len(), page.exhausted), (0, true));
    sqlx::raw_sql("COMMIT")
        .execute(&mut other)
        .await
        .expect("unlocked");
    let page = fixture.take_over(request(1)).await.expect("taken over");
    assert_eq!((page.rows.len(), page.exhausted), (1, true));
}
