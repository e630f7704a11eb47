//! SIGTERM and SIGINT drain: nothing is lost, clients hear 1001, and it does not take longer than
//! allowed.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Client, Dial, Node, NodeConfig, Raw, referenced};

#[tokio::test]
async fn sigterm_and_sigint_close_clients_with_1001_and_exit_with_0() {
    for signal in ["TERM", "INT"] {
        let mut node = Node::start().await;
        let mut user = Client::login(&node, "ANZ-1").await;
        let mut not_logged_in = Client::connect(&node).await;
        node.signal(signal);
        assert_eq!(user.closed().await, Some(1001), "SIG{signal}");
        assert_eq!(not_logged_in.closed().await, Some(1001), "SIG{signal}");
        assert_eq!(node.ended().await, 0, "SIG{signal}");
    }
}

#[tokio::test]
async fn an_idle_node_stops_at_once() {
    let mut node = NodeConfig::new().set("server.drainTimeout", "30s").start().await;
    let start = Instant::now();
    assert_eq!(node.terminate().await, 0);
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "nothing to wait for, and it took {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_drained_node_accepts_nobody() {
    let mut node = Node::start().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    node.signal("TERM");
    assert_eq!(user.closed().await, Some(1001));
    node.ended().await;
    assert!(Client::try_connect(node.ws).await.is_none());
}

#[tokio::test]
async fn what_was_sent_and_not_proven_is_fetchable_after_a_clean_stop() {
    let mut node = Node::start().await;
    let _deaf = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..200 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    // All are with the node: the stop owes them a home, whether accepted yet or not.
    sender.fence().await;
    node.restart().await;
    let mut back = Client::login(&node, "ANZ-2").await;
    assert_eq!(back.missing(), 200);
    let (page, _) = back.fetch(500).await;
    for (n, frame) in page.iter().enumerate() {
        assert_eq!(frame["data"]["content"], n);
    }
}

#[tokio::test]
async fn messages_without_a_reference_are_as_safe() {
    let mut node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..100 {
        sender.send(crate::harness::message("ANZ-2", n));
    }
    sender.fence().await;
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 100);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_a_stop_up_no_longer_than_allowed() {
    let mut node = NodeConfig::new().set("server.drainTimeout", "1s").start().await;
    let unread = Dial {
        receive_buffer: Some(4096),
        ..Dial::default()
    };
    let _asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..100 {
        sender.send(referenced("ANZ-2", "x".repeat(30_000), &format!("r{n}")));
    }
    sender.fence().await;
    let start = Instant::now();
    node.signal("TERM");
    assert_eq!(sender.closed().await, Some(1001));
    assert_eq!(node.ended().await, 0);
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "the stop took {:?}",
        start.elapsed()
    );
    node.start_again().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 100);
}

#[tokio::test]
async fn a_second_sigterm_does_not_lose_anything() {
    let mut node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..100 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    sender.fence().await;
    node.signal("TERM");
    node.signal("TERM");
    node.ended().await;
    node.start_again().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 100);
}
