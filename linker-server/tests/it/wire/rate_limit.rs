//! `limits.messagesPerSecond`, its burst, and close 4029.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Client, Node, NodeConfig, Raw, Wire, auth, ping, referenced, with};

async fn limited(per_second: u32, burst: u32, violations: u32) -> Node {
    NodeConfig::new()
        .set("limits.messagesPerSecond", per_second)
        .set("limits.messageBurst", burst)
        .set("limits.maxViolations", violations)
        .start()
        .await
}

/// Writes all frames at once, so that they are one burst.
async fn at_once(raw: &mut Raw, frames: &[Value]) {
    let bytes: Vec<u8> = frames
        .iter()
        .flat_map(|frame| Wire::new(1, frame.to_string().as_bytes()).bytes())
        .collect();
    raw.bytes(&bytes).await;
}

#[tokio::test]
async fn frames_beyond_the_burst_are_rate_limited_and_every_text_frame_counts() {
    let node = limited(1, 5, 100).await;
    let mut raw = Raw::connect(&node).await;
    raw.answers_pings = true;
    let mut frames = vec![auth("ANZ-1")];
    frames.extend((0..9).map(|n| with(ping(), "reference", format!("p{n}"))));
    at_once(&mut raw, &frames).await;
    raw.expect("AUTH_CLIENT_REPLY").await;
    for _ in 0..4 {
        raw.expect("PONG").await;
    }
    for n in 4..9 {
        let error = raw.expect("ERROR").await;
        assert_eq!(error.code(), "RATE_LIMITED");
        assert_eq!(error["reference"], format!("p{n}"));
    }
}

#[tokio::test]
async fn a_burst_of_zero_is_one_seconds_worth() {
    let node = limited(3, 0, 100).await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    // The limiter earns the login's frame again: that is its time, not the server's. A login that takes long would do as much for the burst.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    at_once(&mut raw, &[ping(), ping(), ping(), ping(), ping()]).await;
    for _ in 0..3 {
        raw.expect("PONG").await;
    }
    assert_eq!(raw.expect("ERROR").await.code(), "RATE_LIMITED");
    assert_eq!(raw.expect("ERROR").await.code(), "RATE_LIMITED");
}

#[tokio::test]
async fn a_rate_limited_frame_is_not_processed() {
    let node = limited(1, 3, 100).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut raw = Raw::connect(&node).await;
    raw.answers_pings = true;
    let message = |n: u32| referenced("ANZ-2", n, &format!("r{n}"));
    at_once(
        &mut raw,
        &[auth("ANZ-1"), message(1), message(2), message(3), message(4)],
    )
    .await;
    raw.expect("AUTH_CLIENT_REPLY").await;
    let mut refused = Vec::new();
    while refused.len() < 2 {
        let frame = raw.next_text().await;
        if frame.kind() == "ERROR" {
            assert_eq!(frame.code(), "RATE_LIMITED");
            refused.push(frame["reference"].clone());
        }
    }
    assert_eq!(refused, ["r3", "r4"]);
    let mut other = Client::login(&node, "ANZ-3").await;
    other.delivery_fence("ANZ-2", "fence").await;
    for reference in ["r1", "r2", "fence"] {
        assert_eq!(receiver.next().await["reference"], reference);
    }
}

#[tokio::test]
async fn too_many_violations_in_a_row_close_with_4029() {
    let node = limited(1, 2, 5).await;
    let mut raw = Raw::connect(&node).await;
    let mut frames = vec![auth("ANZ-1")];
    frames.extend((0..20).map(|_| ping()));
    at_once(&mut raw, &frames).await;
    assert_eq!(raw.closed().await, Some(4029));
}

#[tokio::test]
async fn violations_that_are_not_in_a_row_do_not_close() {
    let node = limited(10, 1, 10).await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let mut violations = 0;
    for _ in 0..4 {
        for _ in 0..7 {
            client.send(ping());
        }
        for _ in 0..7 {
            violations += usize::from(client.next().await.kind() == "ERROR");
        }
        // The limiter earns a frame in a tenth of a second: that is its time, not the server's.
        tokio::time::sleep(Duration::from_millis(250)).await;
        client.send(ping());
        assert_eq!(client.next().await.kind(), "PONG");
    }
    assert!(
        violations > 10,
        "{violations} violations would not have closed anybody"
    );
}

#[tokio::test]
async fn the_limit_is_a_sessions_own() {
    let node = limited(1, 2, 100).await;
    let mut raw = Raw::connect(&node).await;
    at_once(&mut raw, &[auth("ANZ-1"), ping(), ping(), ping()]).await;
    let mut same_user = Client::login(&node, "ANZ-1").await;
    same_user.send(ping());
    assert_eq!(same_user.next().await.kind(), "PONG");
}

#[tokio::test]
async fn without_a_limit_there_is_none() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for _ in 0..3000 {
        client.send(ping());
    }
    for _ in 0..3000 {
        assert_eq!(client.next().await.kind(), "PONG");
    }
}
