//! `replay: true`: missed messages come at login, before any live one.

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, Raw, referenced, references};

#[tokio::test]
async fn missed_messages_come_at_login_oldest_first_and_then_the_completion() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(300);
    sender.store_for("ANZ-2", &references).await;
    let mut client = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for reference in &references {
        let message = client.next().await;
        assert_eq!(message.kind(), "MESSAGE", "{}", message.text);
        assert_eq!(message["reference"], *reference);
    }
    let complete = client.next().await;
    assert_eq!(complete.kind(), "FETCH_MISSING_MESSAGES_COMPLETE");
    assert_eq!(complete["data"]["leftMissingCount"], 0);
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
}

#[tokio::test]
async fn with_nothing_missed_the_completion_comes_at_once() {
    let node = Node::start().await;
    let mut client = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    let complete = client.next().await;
    assert_eq!(complete.kind(), "FETCH_MISSING_MESSAGES_COMPLETE");
    assert_eq!(complete["data"]["leftMissingCount"], 0);
    client.expect_quiet().await;
}

#[tokio::test]
async fn with_replay_the_order_holds_over_stored_and_live_messages() {
    let node = Node::start().await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..200 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    // The login comes while the first are being stored, and more are sent meanwhile.
    let login = Client::login_with(&node, "ANZ-2", json!({"replay": true}));
    let more = async {
        for n in 200..400 {
            sender.send(referenced("ANZ-2", n, &format!("r{n}")));
            tokio::task::yield_now().await;
        }
    };
    let (mut client, ()) = tokio::join!(login, more);
    for n in 0..400 {
        let message = client.expect("MESSAGE").await;
        assert_eq!(message["data"]["content"], n, "{}", message.text);
    }
}

#[tokio::test]
async fn a_replay_that_dies_unproven_is_replayed_again() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(20);
    sender.store_for("ANZ-2", &references).await;
    for _ in 0..2 {
        let dial = crate::harness::Dial::default();
        let mut dying = Raw::login_with(&node, "ANZ-2", json!({"replay": true}), &dial).await;
        for reference in &references[..10] {
            assert_eq!(dying.expect("MESSAGE").await["reference"], *reference);
        }
    }
    let mut client = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for reference in &references {
        client
            .find(reference, |frame| frame["reference"] == *reference)
            .await;
    }
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
}

/// What the replaced session had and did not prove is older than anything else, and it is kept for a moment after it was closed.
#[tokio::test]
async fn a_replay_has_what_the_session_that_it_replaces_did_not_prove() {
    let node = NodeConfig::new().set("limits.sessionsPerUser", 1).start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(5);
    for round in 0..3 {
        let user = format!("ANZ-{}", 2 + round);
        let mut silent = Raw::login(&node, &user).await;
        for reference in &references {
            sender.send(referenced(&user, reference.as_str(), reference));
        }
        sender.expect_for_all("MESSAGE_ACCEPTED", &references).await;
        for _ in &references {
            silent.expect("MESSAGE").await;
        }
        let mut client = Client::login_with(&node, &user, json!({"replay": true})).await;
        for reference in &references {
            let message = client.next().await;
            assert_eq!(message.kind(), "MESSAGE", "{}", message.text);
            assert_eq!(message["reference"], *reference);
        }
        client.expect("FETCH_MISSING_MESSAGES_COMPLETE").await;
    }
}

#[tokio::test]
async fn frames_sent_during_a_replay_are_processed() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(50);
    sender.store_for("ANZ-2", &references).await;
    let mut client = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    client.send(referenced("ANZ-1", "already here", "back"));
    client.expect_for("MESSAGE_CONFIRMATION", "back").await;
    assert_eq!(sender.expect("MESSAGE").await["data"]["content"], "already here");
}
