//! `MESSAGE_ACCEPTED`: from then on no crash loses the message.

use serde_json::json;

use crate::harness::{
    Client, Node, NodeConfig, Raw, fast, message, referenced, references, references_of, with,
};

#[tokio::test]
async fn a_message_to_an_absent_user_is_accepted_once_it_is_stored() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let accepted = sender.next().await;
    assert_eq!(accepted.kind(), "MESSAGE_ACCEPTED");
    assert_eq!(accepted["data"]["reference"], "r1");
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 1);
    let message = &receiver.fetch(1).await.0[0];
    assert_eq!(
        message.id(),
        accepted["data"]["id"],
        "the accepted id is the message's"
    );
    assert_eq!(sender.next().await.kind(), "MESSAGE_CONFIRMATION");
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_message_whose_recipient_does_not_prove_is_accepted_after_the_commit_window() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let message = receiver.expect("MESSAGE").await;
    let accepted = sender.next().await;
    assert_eq!(accepted.kind(), "MESSAGE_ACCEPTED");
    assert_eq!(accepted["data"]["id"], *message.id());
    sender.expect_quiet().await;
    receiver.await_ping().await;
    receiver.pong_newest().await;
    assert_eq!(sender.next().await.kind(), "MESSAGE_CONFIRMATION");
    sender.expect_quiet().await;
}

#[tokio::test]
async fn nothing_is_accepted_without_the_option() {
    let node = Node::start().await;
    let mut asked = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut silent = Client::login(&node, "ANZ-3").await;
    silent.send(referenced("ANZ-2", "x", "r1"));
    silent.fence().await;
    asked.store_for("ANZ-2", &["r2".to_owned()]).await;
    // Nor a repetition of what is stored by then.
    silent.send(referenced("ANZ-2", "x", "r1"));
    silent.fence().await;
    asked.store_for("ANZ-2", &["r3".to_owned()]).await;
    silent.expect_quiet().await;
}

#[tokio::test]
async fn a_message_without_a_reference_and_a_fast_one_are_not_accepted() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(message("ANZ-2", "x"));
    sender.send(with(fast("ANZ-2", "x"), "reference", "f"));
    sender.store_for("ANZ-2", &["fence".to_owned()]).await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn where_no_confirmation_is_to_come_the_proof_is_accepted() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(with(referenced("ANZ-2", "x", "r1"), "confirmationEnabled", false));
    let accepted = sender.next().await;
    assert_eq!(accepted.kind(), "MESSAGE_ACCEPTED");
    assert_eq!(accepted["data"]["reference"], "r1");
    assert_eq!(receiver.next().await.id(), accepted["data"]["id"]);
    sender.delivery_fence("ANZ-2", "fence").await;
    let frames = sender.fence().await;
    assert!(
        frames.iter().all(|frame| frame["data"]["reference"] == "fence"),
        "{frames:#?}"
    );
}

#[tokio::test]
async fn where_the_node_confirms_nothing_the_proof_is_accepted() {
    let node = NodeConfig::new()
        .set("reliable.confirmationEnabled", false)
        .start()
        .await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..10 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..10 {
        sender.expect_for("MESSAGE_ACCEPTED", &format!("r{n}")).await;
        assert_eq!(receiver.next().await["data"]["content"], n);
    }
    sender.expect_quiet().await;
}

#[tokio::test]
async fn no_acceptance_follows_a_confirmation() {
    let node = Node::start().await;
    let _receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut confirmed = Vec::new();
    for n in 0..100 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    while confirmed.len() < 100 {
        let frame = sender.next().await;
        let reference = frame["data"]["reference"].clone();
        if frame.kind() == "MESSAGE_CONFIRMATION" {
            confirmed.push(reference);
        } else {
            assert_eq!(frame.kind(), "MESSAGE_ACCEPTED", "{}", frame.text);
            assert!(
                !confirmed.contains(&reference),
                "accepted after it was confirmed: {}",
                frame.text
            );
        }
    }
    // Stored for an absent user: by then the group commits of the others are over.
    sender.store_for("ANZ-3", &["fence".to_owned()]).await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn each_message_is_accepted_once_and_in_the_order_sent() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..100 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..100 {
        let accepted = sender.next().await;
        assert_eq!(accepted.kind(), "MESSAGE_ACCEPTED");
        assert_eq!(accepted["data"]["reference"], format!("r{n}"));
    }
    sender.expect_quiet().await;
}

#[tokio::test]
async fn what_was_accepted_is_there_after_kill_9() {
    let mut node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(50);
    sender.store_for("ANZ-2", &references).await;
    node.kill9();
    node.start_again().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 50);
    let (page, left) = receiver.fetch(100).await;
    assert_eq!(left, 0);
    assert_eq!(references_of(&page), references);
}
