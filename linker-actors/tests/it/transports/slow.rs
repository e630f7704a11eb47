//! Falling behind is not a fault, standing still is.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Client, Frame, Node, NodeSpec, Raw, Received, Transport, WAIT, await_live, eventually, referenced, user,
};

const BOUND: usize = 16 * 1024;

async fn node(transport: Transport, stall_timeout: Duration) -> Node {
    NodeSpec::new(transport)
        .config(|config| {
            config.session.max_unproven_bytes = BOUND;
            config.session.stall_timeout = stall_timeout;
        })
        .start()
        .await
}

async fn send_all(sender: &mut Client, numbers: std::ops::Range<usize>) {
    for n in numbers.clone() {
        sender.send(referenced("ANZ-2", "x".repeat(1000), &format!("r{n}")));
    }
    for n in numbers {
        sender.expect_for("MESSAGE_ACCEPTED", &format!("r{n}")).await;
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

pub(super) async fn a_session_that_fell_behind_catches_up_in_order_and_is_live_again(transport: Transport) {
    let node = node(transport, Duration::from_secs(20)).await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, 0..100).await;
    let first = everything_unproven(&mut slow).await;
    let sent: usize = first.iter().map(|frame| frame.text.len()).sum();
    assert!(
        (BOUND / 2..=BOUND * 2).contains(&sent),
        "{sent} bytes are unproven, {BOUND} are allowed"
    );
    let mut expected = 0;
    for frame in first {
        assert_eq!(frame["reference"], format!("r{expected}"));
        expected += 1;
    }
    slow.pong_newest().await;
    slow.answers_pings = true;
    for n in 100..200 {
        sender.send(referenced("ANZ-2", "x".repeat(1000), &format!("r{n}")));
    }
    while expected < 200 {
        assert_eq!(
            slow.next_text().await["reference"],
            format!("r{expected}"),
            "out of order"
        );
        expected += 1;
    }
    await_live(&mut slow, &mut sender).await;
}

pub(super) async fn a_session_that_proves_nothing_is_closed_with_4011_and_gives_back(transport: Transport) {
    let node = node(transport, Duration::from_millis(500)).await;
    let mut stalled = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, 0..100).await;
    assert_eq!(stalled.closed().await, Some(4011));
    eventually("all is given back", WAIT, async || {
        (node.handle.missing(user("ANZ-2")).await == Ok(100)).then_some(())
    })
    .await;
    let mut back = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    let mut next = 0;
    while next < 100 {
        let frame = back.expect("MESSAGE").await;
        let n: usize = frame["reference"].as_str().expect("it has one")[1..]
            .parse()
            .expect("rN");
        assert!(n <= next, "r{n} before r{next}");
        next = next.max(n + 1);
    }
    for n in 0..100 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    back.expect("FETCH_MISSING_MESSAGES_COMPLETE").await;
    assert_eq!(node.handle.missing(user("ANZ-2")).await, Ok(0));
}
