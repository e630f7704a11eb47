//! A registry that is away, or believes a node dead.

use std::collections::HashSet;
use std::time::Duration;

use linker_actors::core::port::Presence;
use serde_json::json;

use super::Domain;
use crate::harness::{Client, MASTER, WAIT, eventually, message, referenced, references, user};

#[tokio::test]
async fn without_presence_messages_for_other_nodes_are_kept_and_go_on_by_themselves() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    let mut neighbour = Client::login(&a, "ANZ-3").await;
    domain.presence.set_away(true);
    eventually("the node knows that presence is away", WAIT, async || {
        a.handle.health().checks["presence"].as_ref().map(|_| ())
    })
    .await;
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for reference in references(50) {
        sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
    }
    sender.send(referenced("ANZ-3", 1, "here"));
    neighbour.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "here").await;
    receiver.expect_quiet().await;
    domain.presence.set_away(false);
    let mut seen = HashSet::new();
    while seen.len() < 50 {
        seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
    }
    for reference in references(50) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn without_presence_what_was_for_nobody_waits_for_a_fetch_afterwards() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    domain.presence.set_away(true);
    sender.store_for("ANZ-2", &references(20)).await;
    domain.presence.set_away(false);
    domain.await_missing(&b, "ANZ-2", 20).await;
    let mut receiver = loop {
        let mut client = Client::connect(&b).await;
        client.send(crate::harness::auth("ANZ-2"));
        let reply = client.expect("AUTH_CLIENT_REPLY").await;
        if reply["data"]["isAuthenticated"] == true {
            break client;
        }
    };
    let mut got = 0;
    while got < 20 {
        got += receiver.fetch(100).await.0.len();
    }
    for reference in references(20) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
}

#[tokio::test]
async fn a_node_believed_dead_that_lives_is_put_right() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut master = Client::login(&a, MASTER).await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    master.expect("USER_CONNECTED").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    master.expect("USER_CONNECTED").await;
    sender.delivery_fence("ANZ-2", "before").await;
    receiver.expect("MESSAGE").await;
    let instance = domain.node_of("ANZ-2").await;
    for round in 0..3 {
        domain.registry.lapse(&instance);
        for n in 0..30 {
            sender.send(referenced("ANZ-2", n, &format!("{round}.{n}")));
        }
        let mut seen = HashSet::new();
        while seen.len() < 30 {
            match tokio::time::timeout(Duration::from_millis(500), receiver.next_or_closed()).await {
                Ok(frame) => {
                    let frame = frame.expect("the session lives");
                    if frame.kind() == "MESSAGE" {
                        seen.insert(frame["reference"].to_string());
                    }
                }
                // It was absent for the registry, for a moment.
                Err(_) => receiver.send(crate::harness::fetch(2000)),
            }
        }
        for n in 0..30 {
            sender
                .expect_for("MESSAGE_CONFIRMATION", &format!("{round}.{n}"))
                .await;
        }
        eventually("it is registered again", WAIT, async || {
            let found = domain.registry.lookup(vec![user("ANZ-2")]).await;
            found.is_ok_and(|found| found[0].len() == 1).then_some(())
        })
        .await;
    }
    domain.await_rows("ANZ-2", 0).await;
    sender.send(message("ANZ-2", "live"));
    while receiver.expect("MESSAGE").await["data"]["content"] != "live" {}
    master.fence().await;
}

#[tokio::test]
async fn a_registry_that_forgot_everything_is_filled_again() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    sender.delivery_fence("ANZ-2", "before").await;
    receiver.expect("MESSAGE").await;
    domain.registry.clear();
    eventually("all are registered again", WAIT, async || {
        let found = domain.registry.lookup(vec![user("ANZ-2"), user("ANZ-1")]).await;
        found
            .is_ok_and(|found| found.iter().all(|of| of.len() == 1))
            .then_some(())
    })
    .await;
    sender.delivery_fence("ANZ-2", "after").await;
    receiver.expect("MESSAGE").await;
}
