//! Recipients that are too slow for what another node sends them.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::{Domain, Member};
use crate::harness::{
    Client, Frame, Raw, Received, WAIT, await_live, eventually, referenced, references, user,
};

const BOUND: usize = 16 * 1024;

async fn two(domain: &Domain, stall_timeout: Duration) -> (Member, Member) {
    let narrow = |config: &mut linker_actors::NodeConfig| {
        config.session.max_unproven_bytes = BOUND;
        config.session.stall_timeout = stall_timeout;
        // Longer than the other node may take to say that the session is behind: what has a row by then comes as a courtesy, after the others.
        config.commit_window = Duration::from_secs(2);
    };
    (
        domain.node_with("a", narrow).await,
        domain.node_with("b", narrow).await,
    )
}

fn send(sender: &Client, numbers: std::ops::Range<usize>) {
    for n in numbers {
        sender.send(referenced("ANZ-2", "x".repeat(1000), &format!("r{n}")));
    }
}

/// Whatever the node has to say to a session that proves nothing.
async fn everything_unproven(raw: &mut Raw) -> Vec<Frame> {
    let mut frames = raw.fence().await;
    while let Some(received) = raw.receive_within(Duration::from_millis(300)).await {
        if let Received::Text(frame) = received {
            frames.push(frame);
        }
    }
    frames
}

/// From now on, and the one that waits.
async fn answer_pings(slow: &mut Raw) {
    slow.answers_pings = true;
    if !slow.pings.is_empty() {
        slow.pong_newest().await;
    }
}

#[tokio::test]
async fn a_session_that_fell_behind_catches_up_in_order_and_is_live_again() {
    let domain = Domain::new();
    let (a, b) = two(&domain, Duration::from_secs(20)).await;
    let mut slow = Raw::login(&b, "ANZ-2").await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    send(&sender, 0..100);
    for reference in references(100) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    let mut expected = 0;
    for frame in everything_unproven(&mut slow).await {
        assert_eq!(frame["reference"], format!("r{expected}"));
        expected += 1;
    }
    assert!(
        expected < 50,
        "{expected} messages of a thousand bytes are unproven"
    );
    answer_pings(&mut slow).await;
    send(&sender, 100..300);
    while expected < 300 {
        assert_eq!(
            slow.next_text().await["reference"],
            format!("r{expected}"),
            "out of order"
        );
        expected += 1;
    }
    await_live(&mut slow, &mut sender).await;
    for reference in references(300) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn a_session_that_falls_behind_again_and_again_gets_all_in_order() {
    let domain = Domain::new();
    let (a, b) = two(&domain, Duration::from_secs(20)).await;
    let mut slow = Raw::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut expected = 0;
    for round in 0..8 {
        send(&sender, round * 100..(round + 1) * 100);
        slow.answers_pings = false;
        // Until it says nothing more, since nothing is proven.
        while let Some(received) = slow.receive_within(Duration::from_millis(50)).await {
            if let Received::Text(frame) = received {
                assert_eq!(frame["reference"], format!("r{expected}"), "out of order");
                expected += 1;
            }
        }
        answer_pings(&mut slow).await;
        while expected < round * 100 + 70 {
            assert_eq!(
                slow.next_text().await["reference"],
                format!("r{expected}"),
                "out of order"
            );
            expected += 1;
        }
    }
    while expected < 800 {
        assert_eq!(
            slow.next_text().await["reference"],
            format!("r{expected}"),
            "out of order"
        );
        expected += 1;
    }
    await_live(&mut slow, &mut sender).await;
    for reference in references(800) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn a_session_that_proves_nothing_is_closed_with_4011_and_gives_back_across_nodes() {
    let domain = Domain::new();
    let (a, b) = two(&domain, Duration::from_millis(500)).await;
    let mut stalled = Raw::login(&b, "ANZ-2").await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    send(&sender, 0..100);
    assert_eq!(stalled.closed().await, Some(4011));
    for reference in references(100) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    eventually("all is given back", WAIT, async || {
        (a.handle.missing(user("ANZ-2")).await == Ok(100)).then_some(())
    })
    .await;
    let mut back = Client::login_with(&a, "ANZ-2", json!({"replay": true})).await;
    let mut seen = HashSet::new();
    while seen.len() < 100 {
        seen.insert(back.expect("MESSAGE").await.id().to_owned());
    }
    for reference in references(100) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn a_live_session_on_one_node_and_a_slow_one_on_another_both_get_all() {
    let domain = Domain::new();
    let (a, b) = two(&domain, Duration::from_secs(20)).await;
    let mut slow = Raw::login(&b, "ANZ-2").await;
    let mut live = Client::login(&a, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    for n in 0..100 {
        send(&sender, n..n + 1);
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
        assert_eq!(live.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
    answer_pings(&mut slow).await;
    await_live(&mut slow, &mut sender).await;
    domain.await_rows("ANZ-2", 0).await;
}
