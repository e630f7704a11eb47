//! The same sender, recipient and reference within the window is one message.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, Raw, referenced};

#[tokio::test]
async fn a_repeated_reference_is_delivered_once_and_confirmed_again() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for content in ["first", "second", "third"] {
        sender.send(referenced("ANZ-2", content, "same"));
        sender.expect_for("MESSAGE_CONFIRMATION", "same").await;
    }
    sender.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(receiver.next().await["data"]["content"], "first");
    assert_eq!(receiver.next().await["data"]["content"], "fence");
    receiver.expect_quiet().await;
}

#[tokio::test]
async fn a_repetition_after_a_reconnection_is_known() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    for _ in 0..3 {
        let mut sender = Client::login(&node, "ANZ-1").await;
        sender.send(referenced("ANZ-2", "x", "same"));
        sender.expect_for("MESSAGE_CONFIRMATION", "same").await;
    }
    let mut other = Client::login(&node, "ANZ-3").await;
    other.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(receiver.next().await["reference"], "same");
    assert_eq!(receiver.next().await["reference"], "fence");
}

#[tokio::test]
async fn a_repetition_after_the_recipient_reconnected_is_known() {
    let node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    sender.delivery_fence("ANZ-2", "same").await;
    assert_eq!(receiver.next().await["reference"], "same");
    receiver.close().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    sender.delivery_fence("ANZ-2", "same").await;
    sender.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(receiver.next().await["reference"], "fence");
}

#[tokio::test]
async fn a_repetition_while_the_first_is_unproven_is_one_message() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for content in ["first", "second", "third"] {
        sender.send(referenced("ANZ-2", content, "same"));
    }
    sender.send(referenced("ANZ-2", "fence", "fence"));
    assert_eq!(receiver.expect("MESSAGE").await["data"]["content"], "first");
    assert_eq!(receiver.expect("MESSAGE").await["data"]["content"], "fence");
    sender.expect_quiet().await;
    receiver.answers_pings = true;
    if !receiver.pings.is_empty() {
        receiver.pong_newest().await;
    }
    let reader = async {
        loop {
            receiver.receive().await;
        }
    };
    tokio::select! {
        () = reader => {}
        _ = sender.expect_for("MESSAGE_CONFIRMATION", "fence") => {}
    }
    sender.expect_for("MESSAGE_CONFIRMATION", "same").await;
}

#[tokio::test]
async fn a_repetition_while_the_first_is_stored_is_accepted_again_and_stored_once() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        sender.send(referenced("ANZ-2", "x", "same"));
        ids.push(sender.expect_for("MESSAGE_ACCEPTED", "same").await["data"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(ids[0], ids[2]);
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 1);
    let (page, left) = receiver.fetch(10).await;
    assert_eq!((page.len(), left), (1, 0));
    assert_eq!(page[0]["id"], ids[0]);
    sender.expect_for("MESSAGE_CONFIRMATION", "same").await;
    receiver.expect_quiet().await;
}

#[tokio::test]
async fn a_repetition_of_what_was_stored_before_kill_9_is_known() {
    let mut node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["same".to_owned()]).await;
    node.kill9();
    node.start_again().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["same".to_owned()]).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 1);
    assert_eq!(receiver.fetch(10).await.0.len(), 1);
}

#[tokio::test]
async fn a_repetition_after_it_was_fetched_is_confirmed_and_not_delivered_again() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["same".to_owned()]).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.fetch(10).await.0.len(), 1);
    sender.expect_for("MESSAGE_CONFIRMATION", "same").await;
    sender.send(referenced("ANZ-2", "x", "same"));
    sender.expect_for("MESSAGE_CONFIRMATION", "same").await;
    sender.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(receiver.next().await["reference"], "fence");
}

#[tokio::test]
async fn the_same_reference_to_another_or_from_another_is_another_message() {
    let node = Node::start().await;
    let mut first = Client::login(&node, "ANZ-2").await;
    let mut second = Client::login(&node, "ANZ-3").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.delivery_fence("ANZ-2", "same").await;
    sender.delivery_fence("ANZ-3", "same").await;
    second.delivery_fence("ANZ-2", "same").await;
    assert_eq!(first.next().await["data"]["from"], "ANZ-1");
    assert_eq!(first.next().await["data"]["from"], "ANZ-3");
    assert_eq!(second.expect("MESSAGE").await["data"]["from"], "ANZ-1");
}

#[tokio::test]
async fn messages_without_a_reference_are_never_taken_for_one() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for _ in 0..3 {
        sender.send(crate::harness::message("ANZ-2", "alike"));
    }
    for _ in 0..3 {
        receiver.expect("MESSAGE").await;
    }
}

#[tokio::test]
async fn after_the_window_the_same_reference_is_a_new_message() {
    let node = NodeConfig::new()
        .set("reliable.dedupeWindow", "300ms")
        .start()
        .await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.delivery_fence("ANZ-2", "same").await;
    let first = receiver.next().await;
    // The window itself is what is tested.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    sender.delivery_fence("ANZ-2", "same").await;
    let second = receiver.next().await;
    assert_eq!(second["reference"], "same");
    assert_ne!(first.id(), second.id());
}
