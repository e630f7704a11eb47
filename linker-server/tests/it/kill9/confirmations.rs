//! A confirmation is as safe as the message it confirms: both change in one transaction.

use serde_json::json;

use crate::harness::{Client, Node, fetch, references};

const MESSAGES: usize = 40;

async fn stored(node: &Node) {
    let mut sender = Client::login_with(node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(MESSAGES);
    sender.store_for("ANZ-2", &references).await;
    sender.close().await;
}

/// Every message is still stored, or its confirmation is.
async fn assert_each_message_or_its_confirmation_waits(node: &Node) {
    let mut receiver = Client::login(node, "ANZ-2").await;
    let mut sender = Client::login(node, "ANZ-1").await;
    let (messages, _) = receiver.fetch(1000).await;
    // What the receiver has fetched now may be confirmed live, too.
    let (confirmations, _) = sender.fetch(1000).await;
    let live = sender.fence().await;
    for n in 0..MESSAGES {
        let reference = format!("r{n}");
        let waits = messages.iter().any(|frame| frame["reference"] == reference)
            || confirmations
                .iter()
                .chain(&live)
                .any(|frame| frame["data"]["reference"] == reference);
        assert!(waits, "neither {reference} nor its confirmation is left");
    }
}

#[tokio::test]
async fn kill_9_right_behind_a_fetch_leaves_each_message_or_its_confirmation() {
    let mut node = Node::start().await;
    stored(&node).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let (page, _) = receiver.fetch(100).await;
    assert_eq!(page.len(), MESSAGES);
    node.kill9();
    node.start_again().await;
    assert_each_message_or_its_confirmation_waits(&node).await;
}

#[tokio::test]
async fn kill_9_in_the_middle_of_a_fetch_leaves_each_message_or_its_confirmation() {
    let mut node = Node::start().await;
    stored(&node).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    receiver.send(fetch(100));
    for _ in 0..5 {
        receiver.expect("MESSAGE").await;
    }
    node.kill9();
    node.start_again().await;
    assert_each_message_or_its_confirmation_waits(&node).await;
}
