//! What the application is told of users and messages.

use serde_json::json;

use super::broker::await_upstream;
use super::exchange::Exchange;
use crate::harness::{Client, MASTER, message, referenced};

#[tokio::test]
async fn it_is_told_of_first_and_last_sessions_masters_included() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["*.event.#"]).await;
    let config = exchange
        .config()
        .set("upstream.events", json!(["connected", "disconnected"]));
    let node = config.set("node.name", "n1").start().await;
    for user in ["ANZ-7", MASTER] {
        let first = Client::login(&node, user).await;
        let connected = queue.next().await;
        assert_eq!(connected.key(), "ANZ.event.connected");
        assert_eq!(connected.body["event"], "connected");
        assert_eq!(connected.body["userId"], user);
        assert_eq!(connected.body["appName"], "ANZ");
        assert_eq!(connected.body["node"], "n1");
        assert_eq!(connected.body["domain"], exchange.domain.as_str());
        assert!(connected.body["timestamp"].is_u64());
        assert!(connected.body.get("from").is_none() && connected.body.get("content").is_none());
        let second = Client::login(&node, user).await;
        first.close().await;
        second.close().await;
        let disconnected = queue.next().await;
        assert_eq!(disconnected.key(), "ANZ.event.disconnected");
        assert_eq!(disconnected.body["userId"], user);
        assert_ne!(disconnected.body["id"], connected.body["id"]);
    }
    exchange.clear().await;
}

#[tokio::test]
async fn it_is_told_of_messages_that_are_delivered_and_stored() {
    let exchange = Exchange::new().await;
    let mut delivered = exchange.bind(&["*.event.delivered"]).await;
    let mut stored = exchange.bind(&["*.event.stored"]).await;
    let mut others = exchange.bind(&["*.event.connected"]).await;
    let events = json!(["delivered", "stored"]);
    let node = exchange.config().set("upstream.events", events).start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("XYZ-2", "x", "r1"));
    let accepted = sender.expect_for("MESSAGE_ACCEPTED", "r1").await;
    let told = stored.next().await;
    assert_eq!(told.key(), "ANZ.event.stored", "of the sender's app");
    for (key, expected) in [
        ("event", json!("stored")),
        ("messageId", accepted["data"]["id"].clone()),
        ("from", json!("ANZ-1")),
        ("to", json!("XYZ-2")),
        ("reference", json!("r1")),
    ] {
        assert_eq!(told.body[key], expected, "{key}");
    }
    let mut receiver = Client::login(&node, "XYZ-2").await;
    assert_eq!(receiver.fetch(10).await.0.len(), 1);
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    let told = delivered.next().await;
    assert_eq!(told.body["messageId"], accepted["data"]["id"]);
    assert_eq!(told.body["event"], "delivered");
    // Of one without a reference too; and not of what was not asked for.
    sender.send(message("XYZ-2", "y"));
    let told = delivered.next().await;
    assert_eq!(told.body["to"], "XYZ-2");
    assert_eq!(told.body.get("reference"), None);
    let counted = [("kind", "event"), ("outcome", "delivered")];
    assert!(node.metrics().await.value("linker_upstream_total", &counted) >= 3.0);
    let unasked = tokio::time::timeout(std::time::Duration::from_millis(100), others.next()).await;
    assert!(unasked.is_err(), "nothing told of connections");
    exchange.clear().await;
}

#[tokio::test]
async fn events_wait_in_the_store_while_the_broker_is_away_and_survive_kill_9() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["*.event.#"]).await;
    let config = exchange.config().set("upstream.events", json!(["connected"]));
    let mut node = config.start().await;
    await_upstream(&node, true).await;
    exchange.proxy.cut();
    await_upstream(&node, false).await;
    let mut client = Client::login_with(&node, "ANZ-7", json!({"accepted": true})).await;
    // The event is stored before what the same user sends after it.
    client.send(super::referenced("n", 1, "r"));
    client.expect_for("MESSAGE_ACCEPTED", "r").await;
    crate::harness::eventually("it is stored", crate::harness::WAIT, async || {
        let backlog = node.metrics().await.value("linker_upstream_backlog", &[]);
        (backlog >= 2.0).then_some(())
    })
    .await;
    node.kill9();
    exchange.proxy.heal();
    node.start_again().await;
    assert_eq!(queue.next().await.body["userId"], "ANZ-7");
    exchange.clear().await;
}
