//! Recipients who come back to another node before what they had is given back.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use super::{Domain, in_order_dropping_repetitions};
use crate::harness::{Client, Raw, WAIT, referenced, references};

/// Sends to a session on the second node that proves nothing, which then logs in on the node `to`: nothing is lost, and only ids repeat.
async fn moves_to(to: usize, options: serde_json::Value) {
    let domain = Domain::new();
    let nodes = [
        domain.node("a").await,
        domain.node("b").await,
        domain.node("c").await,
    ];
    let mut sender = Client::login_with(&nodes[0], "ANZ-1", json!({"accepted": true})).await;
    let mut silent = Raw::login(&nodes[1], "ANZ-2").await;
    let mut seen = HashSet::new();
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for _ in 0..50 {
        silent.expect("MESSAGE").await;
    }
    // Still there, for the node; the link is dead.
    let mut back = Client::login_with(&nodes[to], "ANZ-2", options.clone()).await;
    for n in 50..100 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    drop(silent);
    for n in 100..150 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let replays = options["replay"] == true;
    let mut all = HashSet::new();
    while all.len() < 150 {
        // A replay needs no fetch; it may wait for what the other session gives back.
        let patience = match replays && all.is_empty() {
            true => WAIT,
            false => Duration::from_millis(300),
        };
        let frame = match tokio::time::timeout(patience, back.next_or_closed()).await {
            Ok(frame) => frame.expect("the session lives"),
            Err(_) => {
                assert!(!replays || !all.is_empty(), "a replay needs no fetch");
                back.send(crate::harness::fetch(2000));
                continue;
            }
        };
        if frame.kind() == "MESSAGE" {
            all.insert(frame["reference"].as_str().expect("it has one").to_owned());
            seen.insert(frame.id().to_owned());
        }
    }
    assert_eq!(seen.len(), 150, "a repetition has the same id");
    for reference in references(150) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn to_the_node_of_the_sender() {
    moves_to(0, json!({})).await;
}

#[tokio::test]
async fn to_a_third_node() {
    moves_to(2, json!({})).await;
}

#[tokio::test]
async fn to_the_same_node_again() {
    moves_to(1, json!({})).await;
}

#[tokio::test]
async fn to_a_third_node_with_a_replay() {
    moves_to(2, json!({"replay": true})).await;
}

#[tokio::test]
async fn a_user_who_moves_again_and_again_loses_nothing() {
    let domain = Domain::new();
    let nodes = [
        domain.node("a").await,
        domain.node("b").await,
        domain.node("c").await,
    ];
    let mut sender = Client::login_with(&nodes[0], "ANZ-1", json!({"accepted": true})).await;
    let mut seen = HashSet::new();
    let mut sent = 0;
    for round in 0..12 {
        let home = &nodes[(round + 1) % 3];
        let mut client = Client::login_with(home, "ANZ-2", json!({"replay": true})).await;
        for _ in 0..20 {
            sender.send(referenced("ANZ-2", sent, &format!("r{sent}")));
            sent += 1;
        }
        // Gone in the middle of it.
        for _ in 0..10 {
            seen.insert(client.expect("MESSAGE").await["reference"].to_string());
        }
        let rest = client.vanish().await;
        seen.extend(
            rest.iter()
                .filter(|frame| frame.kind() == "MESSAGE")
                .map(|frame| frame["reference"].to_string()),
        );
    }
    let mut last = Client::login_with(&nodes[2], "ANZ-2", json!({"replay": true})).await;
    while seen.len() < sent {
        seen.insert(last.expect("MESSAGE").await["reference"].to_string());
    }
    for reference in references(sent) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn live_again_on_another_node_in_order() {
    let domain = Domain::new();
    let nodes = [domain.node("a").await, domain.node("b").await];
    let mut sender = Client::login(&nodes[0], "ANZ-1").await;
    let mut seen = HashSet::new();
    let mut next = 0;
    for round in 0..6 {
        let mut client = Client::login_with(&nodes[round % 2], "ANZ-2", json!({"replay": true})).await;
        for n in next..next + 50 {
            sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        }
        in_order_dropping_repetitions(&mut client, &mut seen, next..next + 50).await;
        next += 50;
        for n in next - 50..next {
            sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
        }
        client.close().await;
        domain.await_offline("ANZ-2").await;
    }
}
