//! FAST: in memory, at most once, never stored.

use serde_json::json;

use crate::harness::{Client, Node, Raw, fast, with};

#[tokio::test]
async fn a_fast_message_arrives_with_id_feature_and_time() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(fast("ANZ-2", "quick"));
    let message = receiver.next().await;
    assert_eq!(message["feature"], "FAST");
    assert_eq!(message["data"]["from"], "ANZ-1");
    assert!(message["timestamp"].is_u64(), "{}", message.text);
    uuid::Uuid::parse_str(message.id()).unwrap();
}

#[tokio::test]
async fn a_fast_message_to_an_absent_user_is_gone_without_a_word() {
    let mut node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(with(fast("ANZ-2", "gone"), "reference", "f"));
    // What was sent after it is stored, so it has had its turn.
    sender.store_for("ANZ-2", &["kept".to_owned()]).await;
    sender.expect_quiet().await;
    drop(sender);
    node.restart().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 1);
    assert_eq!(receiver.fetch(10).await.0[0]["reference"], "kept");
    let mut sender = Client::login(&node, "ANZ-1").await;
    let confirmations = sender.fetch(10).await.0;
    assert!(
        confirmations
            .iter()
            .all(|frame| frame["data"]["reference"] != "f"),
        "{confirmations:#?}"
    );
}

#[tokio::test]
async fn a_fast_message_with_a_reference_is_confirmed_when_proven() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(with(fast("ANZ-2", "x"), "reference", "f"));
    receiver.expect("MESSAGE").await;
    receiver.await_ping().await;
    sender.expect_quiet().await;
    receiver.pong_newest().await;
    let confirmation = sender.next().await;
    assert_eq!(
        confirmation.kind(),
        "MESSAGE_CONFIRMATION",
        "FAST is never ACCEPTED: {}",
        confirmation.text
    );
    assert_eq!(confirmation["data"]["reference"], "f");
    uuid::Uuid::parse_str(confirmation.id()).expect("a confirmation is RELIABLE, whatever it confirms");
}

#[tokio::test]
async fn a_fast_message_without_confirmation_wanted_is_not_confirmed() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(with(
        with(fast("ANZ-2", "x"), "reference", "f"),
        "confirmationEnabled",
        false,
    ));
    receiver.expect("MESSAGE").await;
    sender.delivery_fence("ANZ-2", "fence").await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_fast_message_that_was_not_proven_when_the_connection_ended_is_gone() {
    let mut node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(fast("ANZ-2", "x"));
    receiver.expect("MESSAGE").await;
    drop((receiver, sender));
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 0);
}

#[tokio::test]
async fn fast_messages_arrive_in_the_order_sent() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..500 {
        sender.send(fast("ANZ-2", n));
    }
    for n in 0..500 {
        assert_eq!(receiver.next().await["data"]["content"], n);
    }
}
