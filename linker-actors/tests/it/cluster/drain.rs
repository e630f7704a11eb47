//! Nodes that stop in order while others go on.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Domain, Member};
use crate::harness::{Client, message_ack, referenced, references};

/// Well below the drain timeout.
const SOON: Duration = Duration::from_secs(15);

async fn stop(member: Member) {
    let began = Instant::now();
    let crate::harness::Node { linker, server, .. } = member.node;
    assert!(linker.stop().await, "everything was made safe");
    assert!(began.elapsed() < SOON, "it took {:?}", began.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn a_recipients_node_drains_under_load_and_nothing_is_lost() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let sender = Client::login(&a, "ANZ-1").await;
    for n in 0..300 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut seen = HashSet::new();
    while seen.len() < 50 {
        seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
    }
    let (_, code) = tokio::join!(stop(b), receiver.closed());
    assert_eq!(code, Some(1001));
    while let Some(frame) = receiver.next_or_closed().await {
        if frame.kind() == "MESSAGE" {
            seen.insert(frame["reference"].to_string());
        }
    }
    let mut back = Client::login_with(&a, "ANZ-2", json!({"replay": true})).await;
    while seen.len() < 300 {
        seen.insert(back.expect("MESSAGE").await["reference"].to_string());
    }
    let mut sender = sender;
    for reference in references(300) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn a_senders_node_drains_while_another_has_its_messages_unproven() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut careful = Client::login_with(&b, "ANZ-2", json!({"ack": "client"})).await;
    let sender = Client::login(&a, "ANZ-1").await;
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(careful.expect("MESSAGE").await.id().to_owned());
    }
    stop(a).await;
    let mut sender = Client::login(&b, "ANZ-1").await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    careful.send(message_ack(&ids));
    for reference in references(50) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
    careful.expect_quiet().await;
}

#[tokio::test]
async fn nodes_are_replaced_one_after_the_other_under_load() {
    let domain = Domain::new();
    let (a, mut old) = domain.two().await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut seen = HashSet::new();
    let mut sent = 0;
    for name in ["c", "d", "e"] {
        let new = domain.node(name).await;
        let mut receiver = Client::login_with(&old, "ANZ-2", json!({"replay": true})).await;
        for _ in 0..100 {
            sender.send(referenced("ANZ-2", sent, &format!("r{sent}")));
            sent += 1;
        }
        seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
        let stopping = std::mem::replace(&mut old, new);
        let (_, code) = tokio::join!(stop(stopping), receiver.closed());
        assert_eq!(code, Some(1001));
        while let Some(frame) = receiver.next_or_closed().await {
            if frame.kind() == "MESSAGE" {
                seen.insert(frame["reference"].to_string());
            }
        }
    }
    let mut back = Client::login_with(&old, "ANZ-2", json!({"replay": true})).await;
    while seen.len() < sent {
        seen.insert(back.expect("MESSAGE").await["reference"].to_string());
    }
    for reference in references(sent) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn a_quiet_node_stops_at_once() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    sender.delivery_fence("ANZ-2", "r").await;
    receiver.expect("MESSAGE").await;
    let began = Instant::now();
    stop(b).await;
    assert!(began.elapsed() < SOON / 2, "it took {:?}", began.elapsed());
    assert_eq!(receiver.closed().await, Some(1001));
    stop(a).await;
}
