//! Standing still is a fault: 4011 or a cut, and everything RELIABLE is given back.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Dial, MASTER, Node, NodeConfig, Raw, Wire, fast, referenced};

async fn node(stall_timeout: &str) -> Node {
    NodeConfig::new()
        .set("limits.maxUnprovenBytes", "16KiB")
        .set("limits.stallTimeout", stall_timeout)
        .start()
        .await
}

fn unread() -> Dial {
    Dial {
        receive_buffer: Some(4096),
        ..Dial::default()
    }
}

fn kilobyte(n: usize) -> String {
    format!("{n}:{}", "x".repeat(1000))
}

async fn send_all(sender: &mut Client, count: usize) {
    for n in 0..count {
        sender.send(referenced("ANZ-2", kilobyte(n), &format!("r{n}")));
    }
    for n in 0..count {
        sender.expect_for("MESSAGE_ACCEPTED", &format!("r{n}")).await;
    }
}

async fn assert_all_fetchable_in_order(node: &Node, count: usize) {
    let mut back = Client::login_with(node, "ANZ-2", json!({"replay": true})).await;
    let mut next = 0;
    while next < count {
        let frame = back.expect("MESSAGE").await;
        let reference = frame["reference"].as_str().unwrap();
        let n: usize = reference[1..].parse().unwrap();
        assert!(n <= next, "{reference} before r{next}");
        next = next.max(n + 1);
    }
}

#[tokio::test]
async fn a_session_that_proves_nothing_while_behind_is_closed_with_4011_and_gives_back() {
    let node = node("500ms").await;
    let mut stalled = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, 100).await;
    assert_eq!(stalled.closed().await, Some(4011));
    assert!(node.metrics().await.value("linker_stalled_sessions_total", &[]) >= 1.0);
    assert_all_fetchable_in_order(&node, 100).await;
    for n in 0..100 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

#[tokio::test]
async fn a_reader_that_stopped_reading_is_gone_after_its_time_and_nothing_is_lost() {
    let node = node("500ms").await;
    let mut master = Client::login(&node, MASTER).await;
    let asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    assert_eq!(master.next().await.kind(), "USER_CONNECTED");
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    assert_eq!(master.next().await["data"]["userId"], "ANZ-1");
    send_all(&mut sender, 500).await;
    let gone = master.next().await;
    assert_eq!(
        (gone.kind(), &gone["data"]["userId"]),
        ("USER_DISCONNECTED", &json!("ANZ-2"))
    );
    assert_all_fetchable_in_order(&node, 500).await;
    drop(asleep);
}

#[tokio::test]
async fn a_reader_that_stopped_reading_holds_up_nobody() {
    let node = node("20s").await;
    let _asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    let _awake = Client::login(&node, "ANZ-3").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..2000 {
        sender.send(fast("ANZ-2", kilobyte(n)));
    }
    sender.delivery_fence("ANZ-3", "r").await;
}

#[tokio::test]
async fn a_flood_to_a_reader_that_stands_still_costs_its_bound_and_not_more() {
    let node = node("20s").await;
    let _asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let chunk = "x".repeat(10_000);
    for _ in 0..100 {
        sender.send(fast("ANZ-2", chunk.as_str()));
    }
    sender.fence().await;
    let before = node.peak_resident_kib();
    for _ in 0..30 {
        for _ in 0..100 {
            sender.send(fast("ANZ-2", chunk.as_str()));
        }
        sender.fence().await;
    }
    let grown = node.peak_resident_kib() - before;
    assert!(
        grown < 8 * 1024,
        "30 MB to a reader that stands still made the node grow by {grown} KiB"
    );
}

#[tokio::test]
async fn a_session_that_is_behind_can_still_talk() {
    let node = node("20s").await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, 60).await;
    slow.text(&referenced("ANZ-1", "I am slow, not gone", "s1")).await;
    assert_eq!(sender.expect("MESSAGE").await["reference"], "s1");
}

#[tokio::test]
async fn a_sender_that_never_reads_its_answers_is_bounded_too() {
    let node = node("1s").await;
    let mut master = Client::login(&node, MASTER).await;
    let mut rude = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    assert_eq!(master.next().await.kind(), "USER_CONNECTED");
    // Each of these is answered, and the answers are not read: the node cuts the connection, or
    // reads it no further.
    let before = node.peak_resident_kib();
    let refused = referenced("NOPE-1", "x", &"r".repeat(200));
    let flood = async { while rude.text(&refused).await {} };
    let _still_going = tokio::time::timeout(Duration::from_secs(3), flood).await;
    let grown = node.peak_resident_kib() - before;
    assert!(
        grown < 16 * 1024,
        "unread answers made the node grow by {grown} KiB"
    );
    let mut other = Client::login(&node, "ANZ-3").await;
    other.delivery_fence("ANZ-3", "still alive").await;
}

#[tokio::test]
async fn pings_whose_pongs_are_not_read_are_bounded_too() {
    let node = node("20s").await;
    let mut rude = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    let ping = Wire::new(9, &[b'p'; 125]).bytes().repeat(100);
    let before = node.peak_resident_kib();
    let flood = async { while rude.bytes(&ping).await {} };
    // It comes to a stand when nothing more is read of it.
    let _still_going = tokio::time::timeout(Duration::from_secs(3), flood).await;
    let grown = node.peak_resident_kib() - before;
    assert!(
        grown < 16 * 1024,
        "unread pongs made the node grow by {grown} KiB"
    );
    let mut other = Client::login(&node, "ANZ-3").await;
    other.delivery_fence("ANZ-3", "still alive").await;
}
