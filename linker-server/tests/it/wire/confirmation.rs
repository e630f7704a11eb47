//! `MESSAGE_CONFIRMATION`: when, to whom, and when not.

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, fast, referenced, with};

#[tokio::test]
async fn a_message_without_a_reference_is_not_confirmed() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(crate::harness::message("ANZ-2", "x"));
    receiver.expect("MESSAGE").await;
    sender.delivery_fence("ANZ-2", "fence").await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn confirmation_enabled_false_means_none_for_that_frame() {
    let node = Node::start().await;
    let _receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(with(referenced("ANZ-2", "x", "no"), "confirmationEnabled", false));
    sender.send(with(referenced("ANZ-2", "x", "yes"), "confirmationEnabled", true));
    assert_eq!(sender.next().await["data"]["reference"], "yes");
    sender.delivery_fence("ANZ-2", "fence").await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_node_that_confirms_nothing_confirms_nothing() {
    let mut node = NodeConfig::new()
        .set("reliable.confirmationEnabled", false)
        .start()
        .await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    sender.send(with(referenced("ANZ-2", "x", "r2"), "confirmationEnabled", true));
    sender.send(with(fast("ANZ-2", "x"), "reference", "r3"));
    for _ in 0..3 {
        receiver.expect("MESSAGE").await;
    }
    receiver.close().await;
    sender.close().await;
    node.restart().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    assert_eq!(sender.missing(), 0);
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_confirmation_waits_for_a_sender_who_is_away() {
    let mut node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender
        .store_for("ANZ-2", &["r1".to_owned(), "r2".to_owned()])
        .await;
    sender.close().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.fetch(10).await.0.len(), 2);
    // Clean, so that the proof has had its effect.
    receiver.close().await;
    node.restart().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    assert_eq!(sender.missing(), 2);
    let (page, left) = sender.fetch(10).await;
    assert_eq!(left, 0);
    for (frame, reference) in page.iter().zip(["r1", "r2"]) {
        assert_eq!(frame.kind(), "MESSAGE_CONFIRMATION");
        assert_eq!(frame["data"]["reference"], reference);
        uuid::Uuid::parse_str(frame.id()).unwrap();
    }
}

#[tokio::test]
async fn a_fetched_message_is_confirmed_to_a_sender_who_is_there() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    sender.expect_quiet().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    sender.expect_quiet().await;
    receiver.fetch(10).await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_confirmation_crosses_to_another_app() {
    let node = Node::start().await;
    let _receiver = Client::login(&node, "XYZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.delivery_fence("XYZ-2", "r1").await;
}

#[tokio::test]
async fn a_message_to_oneself_is_delivered_and_confirmed() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(referenced("ANZ-1", "note to self", "r1"));
    let message = client.expect("MESSAGE").await;
    assert_eq!(message["data"]["from"], "ANZ-1");
    client.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_fast_message_to_an_absent_user_is_never_confirmed() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(with(fast("ANZ-2", "x"), "reference", "f"));
    sender.store_for("ANZ-2", &["stored".to_owned()]).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.fetch(10).await.0.len(), 1);
    sender.expect_for("MESSAGE_CONFIRMATION", "stored").await;
    sender.expect_quiet().await;
}
