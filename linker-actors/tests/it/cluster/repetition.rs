//! The same reference by way of another node.

use serde_json::json;

use super::Domain;
use crate::harness::{Client, message_ack, referenced};

#[tokio::test]
async fn after_the_proof_it_is_confirmed_again_and_not_delivered_again() {
    let domain = Domain::new();
    let (a, b, c) = (
        domain.node("a").await,
        domain.node("b").await,
        domain.node("c").await,
    );
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    sender.send(referenced("ANZ-2", 1, "r"));
    receiver.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    sender.close().await;
    domain.await_offline("ANZ-1").await;
    for node in [&c, &a, &b] {
        let mut again = Client::login(node, "ANZ-1").await;
        again.send(referenced("ANZ-2", 1, "r"));
        again.expect_for("MESSAGE_CONFIRMATION", "r").await;
        again.expect_quiet().await;
        again.close().await;
        domain.await_offline("ANZ-1").await;
    }
    receiver.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn before_the_proof_it_is_delivered_once_and_confirmed() {
    let domain = Domain::new();
    let (a, b, c) = (
        domain.node("a").await,
        domain.node("b").await,
        domain.node("c").await,
    );
    let mut receiver = Client::login_with(&b, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("ANZ-2", 1, "r"));
    let frame = receiver.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_ACCEPTED", "r").await;
    drop(sender);
    let mut again = Client::login_with(&c, "ANZ-1", json!({"accepted": true})).await;
    again.send(referenced("ANZ-2", 1, "r"));
    again.expect_for("MESSAGE_ACCEPTED", "r").await;
    receiver.expect_quiet().await;
    receiver.send(message_ack(&[frame.id()]));
    again.expect_for("MESSAGE_CONFIRMATION", "r").await;
    receiver.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn while_both_are_in_flight_it_is_delivered_once() {
    let domain = Domain::new();
    let (a, b, c) = (
        domain.node("a").await,
        domain.node("b").await,
        domain.node("c").await,
    );
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut on_a = Client::login(&a, "ANZ-1").await;
    let mut on_c = Client::login(&c, "ANZ-1").await;
    for n in 0..200 {
        on_a.send(referenced("ANZ-2", n, &format!("r{n}")));
        on_c.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..200 {
        on_a.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
        on_c.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let frame = receiver.expect("MESSAGE").await;
        assert!(
            seen.insert(frame["reference"].to_string()),
            "twice: {}",
            frame.text
        );
    }
    domain.await_rows("ANZ-2", 0).await;
    receiver.expect_quiet().await;
}

#[tokio::test]
async fn of_a_stored_message_it_is_known_on_all_nodes() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("ANZ-2", 1, "r"));
    let first = sender.expect_for("MESSAGE_ACCEPTED", "r").await;
    let mut again = Client::login_with(&b, "ANZ-1", json!({"accepted": true})).await;
    again.send(referenced("ANZ-2", 1, "r"));
    let second = again.expect_for("MESSAGE_ACCEPTED", "r").await;
    assert_eq!(first["data"]["id"], second["data"]["id"]);
    let mut receiver = Client::login(&b, "ANZ-2").await;
    assert_eq!(receiver.fetch(10).await.0.len(), 1);
    again.expect_for("MESSAGE_CONFIRMATION", "r").await;
}
