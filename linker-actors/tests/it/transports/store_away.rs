//! The store is away: what is live goes on, what cannot be kept is refused, and it recovers by itself.

use std::sync::Arc;

use linker_actors::adapter::memory::{Fault, FaultSwitch, FaultyStore, MemoryStore};
use serde_json::json;

use crate::harness::{Client, Node, NodeSpec, Transport, WAIT, eventually, fast, referenced};

async fn node(transport: Transport, max_pending_bytes: usize) -> (Node, FaultSwitch) {
    let (store, switch) = FaultyStore::new(MemoryStore::new());
    let node = NodeSpec::new(transport)
        .config(|config| config.max_pending_bytes = max_pending_bytes)
        .build(|builder| builder.store(Arc::new(store)))
        .start()
        .await;
    (node, switch)
}

async fn until_ready(node: &Node, ready: bool) {
    eventually("the health follows the store", WAIT, async || {
        (node.handle.health().is_ready() == ready).then_some(())
    })
    .await;
}

pub(super) async fn a_store_that_is_away_holds_up_no_live_message(transport: Transport) {
    let (node, switch) = node(transport, 256 << 20).await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    switch.set(Fault::Away);
    sender.send(referenced("ANZ-9", "for later", "late"));
    until_ready(&node, false).await;
    // Logins work too, though nobody can say what waits.
    let mut receiver = Client::login(&node, "ANZ-2").await;
    for n in 0..50 {
        sender.delivery_fence("ANZ-2", &format!("r{n}")).await;
        receiver.expect("MESSAGE").await;
    }
    // Who comes gets what was kept for them, store or not.
    let mut late = Client::login(&node, "ANZ-9").await;
    assert_eq!(late.expect("MESSAGE").await["reference"], "late");
    switch.set(Fault::None);
    sender.expect_for("MESSAGE_CONFIRMATION", "late").await;
    until_ready(&node, true).await;
}

pub(super) async fn without_a_store_messages_are_kept_to_the_bound_then_refused_and_it_recovers(
    transport: Transport,
) {
    let (node, switch) = node(transport, 64 * 1024).await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    switch.set(Fault::Away);
    sender.send(referenced("ANZ-9", "x".repeat(1000), "r0"));
    until_ready(&node, false).await;
    for n in 1..200 {
        sender.send(referenced("ANZ-9", "x".repeat(1000), &format!("r{n}")));
    }
    // By then all are kept or refused, though word of a refusal may come after the fence's.
    let mut answers = sender.fence().await;
    // What needs no store goes on.
    sender.send(fast("ANZ-2", "still here"));
    assert_eq!(receiver.expect("MESSAGE").await["data"]["content"], "still here");
    switch.set(Fault::None);
    while answers.len() < 200 {
        answers.push(sender.next().await);
    }
    let mut refused = Vec::new();
    for frame in answers.iter().filter(|frame| frame.kind() == "ERROR") {
        assert_eq!(frame.code(), "UNAVAILABLE");
        refused.push(
            frame["reference"]
                .as_str()
                .expect("it names the frame")
                .to_owned(),
        );
    }
    assert!(
        (100..199).contains(&refused.len()),
        "{} of 200 were refused",
        refused.len()
    );
    let kept: Vec<String> = (0..200)
        .map(|n| format!("r{n}"))
        .filter(|reference| !refused.contains(reference))
        .collect();
    for frame in answers.iter().filter(|frame| frame.kind() != "ERROR") {
        assert_eq!(frame.kind(), "MESSAGE_ACCEPTED");
    }
    until_ready(&node, true).await;
    sender.store_for("ANZ-9", &refused).await;
    let mut late = Client::login(&node, "ANZ-9").await;
    let (page, left) = late.fetch(1000).await;
    assert_eq!(left, 0);
    let arrived: Vec<&str> = page
        .iter()
        .filter_map(|frame| frame["reference"].as_str())
        .collect();
    let wanted: Vec<&str> = kept.iter().chain(&refused).map(String::as_str).collect();
    assert_eq!(arrived, wanted);
}
