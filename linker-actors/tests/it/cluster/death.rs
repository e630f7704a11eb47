//! Nodes that die without a word.

use std::collections::HashSet;

use linker_actors::Event;
use serde_json::json;

use super::{Domain, Member};
use crate::harness::{Client, MASTER, Raw, WAIT, fetch, message_ack, referenced, references, user};

/// Ends a node's threads and cuts its bus at once: nothing is drained, nobody is told.
async fn kill(member: Member) {
    let Member { node, bus } = member;
    bus.cut();
    let crate::harness::Node { linker, server, .. } = node;
    drop(linker);
    server.stop().await;
}

#[tokio::test]
async fn what_a_dead_node_had_unproven_waits_for_its_recipient() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut master = Client::login(&a, MASTER).await;
    let mut silent = Raw::login(&b, "ANZ-2").await;
    assert_eq!(master.expect("USER_CONNECTED").await["data"]["userId"], "ANZ-2");
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..30 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for _ in 0..30 {
        silent.expect("MESSAGE").await;
    }
    kill(b).await;
    drop(silent);
    for reference in references(30) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    domain.await_missing(&a, "ANZ-2", 30).await;
    assert_eq!(
        master.expect("USER_DISCONNECTED").await["data"]["userId"],
        "ANZ-2"
    );
    let mut back = Client::login(&a, "ANZ-2").await;
    let (page, left) = back.fetch(100).await;
    assert_eq!((page.len(), left), (30, 0));
    for reference in references(30) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn what_a_dead_node_had_unproven_goes_to_where_its_recipient_is_now() {
    let domain = Domain::new();
    let (a, b, c) = (
        domain.node("a").await,
        domain.node("b").await,
        domain.node("c").await,
    );
    let mut silent = Raw::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    for n in 0..30 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for _ in 0..30 {
        silent.expect("MESSAGE").await;
    }
    kill(b).await;
    let mut back = Client::login(&c, "ANZ-2").await;
    for n in 30..60 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut seen = HashSet::new();
    while seen.len() < 60 {
        seen.insert(back.expect("MESSAGE").await["reference"].to_string());
    }
    for reference in references(60) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    back.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn guests_of_a_dead_node_are_inherited_and_proven_once() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut careful = Client::login_with(&b, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    let _elsewhere = Client::login(&a, "ANZ-9").await;
    for n in 0..30 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(careful.expect("MESSAGE").await.id().to_owned());
    }
    for reference in references(30) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    let mut events = b.handle.subscribe();
    kill(a).await;
    let mut sender = Client::login(&b, "ANZ-1").await;
    domain.await_missing(&b, "ANZ-2", 0).await;
    // Routers are told that a node is dead before what it left in the registry is removed, and that before anybody hears of its users.
    let seen_dead = async { while events.next().await != Some(Event::UserDisconnected(user("ANZ-9"))) {} };
    tokio::time::timeout(WAIT, seen_dead)
        .await
        .expect("it is seen that the node is dead");
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    careful.send(message_ack(&ids));
    for reference in references(30) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
    careful.expect_quiet().await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn guests_proven_while_their_node_was_dead_and_not_yet_seen_dead_come_no_second_time() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut careful = Client::login_with(&b, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..30 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.push(careful.expect("MESSAGE").await.id().to_owned());
    }
    for reference in references(30) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    kill(a).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    careful.send(message_ack(&ids));
    careful.fence().await;
    let mut sender = Client::login(&b, "ANZ-1").await;
    for reference in references(30) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
    careful.expect_quiet().await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn what_only_the_dead_node_moved_is_taken_over() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let c = domain.node("c").await;
    let mut receiver = Client::login(&c, "ANZ-2").await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    sender.delivery_fence("ANZ-2", "before").await;
    receiver.expect("MESSAGE").await;
    a.bus.cut();
    for n in 0..30 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for reference in references(30) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    kill(a).await;
    let mut sender = Client::login(&b, "ANZ-1").await;
    let mut seen = HashSet::new();
    while seen.len() < 30 {
        seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
    }
    for reference in references(30) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
    receiver.send(fetch(10));
    assert_eq!(receiver.next().await.kind(), "FETCH_MISSING_MESSAGES_COMPLETE");
}
