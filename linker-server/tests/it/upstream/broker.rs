//! The application behind a topic exchange.

use serde_json::json;

use super::exchange::Exchange;
use super::{referenced, upstream};
use crate::harness::{Client, Node, WAIT, eventually, with};

/// Until the node hands messages over, or does not.
pub(super) async fn await_upstream(node: &Node, there: bool) {
    node.await_check(|_, checks| (checks["upstream"] == "ok") == there)
        .await;
}

#[tokio::test]
async fn a_message_is_published_with_what_linker_knows_of_it_and_confirmed() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["ANZ.order.*"]).await;
    // Nothing is stored that the application takes in time, however busy the machine.
    let config = exchange.config().set("reliable.commitWindow", "10s");
    let node = config.set("node.name", "n1").start().await;
    await_upstream(&node, true).await;
    let mut client = Client::login_with(&node, "ANZ-5", json!({"accepted": true})).await;
    client.send(referenced("order.created", json!({"n": 1}), "r1"));
    let taken = queue.next().await;
    assert_eq!(taken.key(), "ANZ.order.created");
    let body = &taken.body;
    assert_eq!(body["type"], "order.created");
    assert_eq!(body["from"], "ANZ-5");
    assert_eq!(body["appName"], "ANZ");
    assert_eq!(body["domain"], exchange.domain.as_str());
    assert_eq!(body["node"], "n1");
    assert_eq!(body["reference"], "r1");
    assert_eq!(body["feature"], "RELIABLE");
    assert_eq!(body["content"], json!({"n": 1}));
    assert!(body["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    let properties = &taken.delivery.properties;
    let id = properties.message_id().as_ref().unwrap().as_str();
    assert_eq!(body["id"], id);
    assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
    assert_eq!(
        properties.content_type().as_ref().unwrap().as_str(),
        "application/json"
    );
    assert_eq!(properties.kind().as_ref().unwrap().as_str(), "order.created");
    assert_eq!(
        *properties.timestamp(),
        Some(body["timestamp"].as_u64().unwrap() / 1000)
    );
    let confirmed = client.next().await;
    assert_eq!(confirmed.kind(), "MESSAGE_CONFIRMATION");
    assert_eq!(confirmed["data"]["reference"], "r1");
    // Without a confirmation to come, it is accepted.
    client.send(with(
        referenced("order.paid", 2, "r2"),
        "confirmationEnabled",
        false,
    ));
    let accepted = client.next().await;
    assert_eq!(accepted.kind(), "MESSAGE_ACCEPTED");
    assert_eq!(accepted["data"]["id"], queue.next().await.body["id"]);
    let metrics = node.metrics().await;
    let of = |outcome: &str| {
        metrics.value(
            "linker_upstream_total",
            &[("kind", "message"), ("outcome", outcome)],
        )
    };
    assert_eq!((of("delivered"), of("refused"), of("dropped")), (2.0, 0.0, 0.0));
    let stored = [("feature", "RELIABLE"), ("outcome", "stored")];
    assert_eq!(metrics.value("linker_messages_total", &stored), 0.0);
    assert_eq!(metrics.value("linker_upstream_up", &[]), 1.0);
    exchange.clear().await;
}

#[tokio::test]
async fn each_senders_messages_come_in_the_order_sent() {
    const EACH: usize = 1500;
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let node = exchange.config().start().await;
    let senders = ["ANZ-1", "ANZ-2", "XYZ-1"];
    let mut clients = Vec::new();
    for sender in senders {
        clients.push(Client::login(&node, sender).await);
    }
    for n in 0..EACH {
        for client in &clients {
            client.send(upstream("n", n));
        }
    }
    let mut next = std::collections::HashMap::new();
    for _ in 0..EACH * senders.len() {
        let taken = queue.next().await;
        let from = taken.body["from"].as_str().unwrap().to_owned();
        let expected: &mut usize = next.entry(from).or_default();
        assert_eq!(taken.body["content"], *expected);
        *expected += 1;
    }
    exchange.clear().await;
}

#[tokio::test]
async fn what_was_accepted_while_the_broker_was_away_survives_kill_9_and_comes_in_order() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let mut node = exchange.config().start().await;
    await_upstream(&node, true).await;
    exchange.proxy.cut();
    await_upstream(&node, false).await;
    assert!(node.health().await.unwrap().0, "the node is ready all the same");
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..50 {
        client.send(referenced("n", n, &format!("r{n}")));
    }
    client
        .expect_for_all("MESSAGE_ACCEPTED", (0..50).map(|n| format!("r{n}")))
        .await;
    client.send(referenced("n", 0, "r0"));
    let repeated = client.expect_for("MESSAGE_ACCEPTED", "r0").await;
    let path = format!("/api/v1/messages/{}", repeated["data"]["id"].as_str().unwrap());
    let kept = node.admin_get(&path).await.json();
    assert_eq!(
        (&kept["state"], &kept["reason"]),
        (&json!("stored"), &json!("upstream"))
    );
    assert_eq!(kept.get("to"), None, "{kept}");
    eventually("the backlog is shown", WAIT, async || {
        let backlog = node.metrics().await.value("linker_upstream_backlog", &[]);
        (backlog == 50.0).then_some(())
    })
    .await;
    node.kill9();
    node.start_again().await;
    // What is newer goes behind what waits.
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 50..60 {
        client.send(referenced("n", n, &format!("r{n}")));
    }
    client
        .expect_for_all("MESSAGE_ACCEPTED", (50..60).map(|n| format!("r{n}")))
        .await;
    exchange.proxy.heal();
    assert_eq!(
        queue.contents(60).await,
        (0..60).map(|n| json!(n)).collect::<Vec<_>>()
    );
    client
        .expect_for_all("MESSAGE_CONFIRMATION", (0..60).map(|n| format!("r{n}")))
        .await;
    await_upstream(&node, true).await;
    // Live again, in order.
    client.send(upstream("n", 60));
    assert_eq!(queue.next().await.body["content"], 60);
    eventually("nothing is left", WAIT, async || {
        let backlog = node.metrics().await.value("linker_upstream_backlog", &[]);
        (backlog == 0.0).then_some(())
    })
    .await;
    exchange.clear().await;
}

#[tokio::test]
async fn kill_9_under_load_loses_nothing_that_was_promised() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let mut node = exchange.config().start().await;
    let mut promised = Vec::new();
    for round in 0..2 {
        let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
        for n in 0..400 {
            let reference = format!("{round}/{n}");
            client.send(referenced("n", reference.as_str(), &reference));
        }
        let mut heard = 0;
        while heard < 100 {
            let frame = client.next().await;
            if matches!(frame.kind(), "MESSAGE_ACCEPTED" | "MESSAGE_CONFIRMATION") {
                promised.push(frame["data"]["reference"].as_str().unwrap().to_owned());
                heard += 1;
            }
        }
        node.kill9();
        node.start_again().await;
    }
    let client = Client::login(&node, "ANZ-2").await;
    let mut got = std::collections::HashSet::new();
    await_upstream(&node, true).await;
    promised.sort();
    promised.dedup();
    client.send(upstream("fence", "fence"));
    while !promised.iter().all(|reference| got.contains(reference)) {
        let taken = queue.next().await;
        got.insert(taken.body["content"].as_str().unwrap().to_owned());
    }
    exchange.clear().await;
}

#[tokio::test]
async fn fast_ones_are_dropped_and_counted_while_the_broker_is_away_and_confirmed_while_it_is_there() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let node = exchange.config().start().await;
    await_upstream(&node, true).await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let fast = |n: usize| with(referenced("n", n, &format!("f{n}")), "feature", "FAST");
    client.send(fast(1));
    let taken = queue.next().await;
    assert_eq!(taken.body["feature"], "FAST");
    assert_eq!(*taken.delivery.properties.delivery_mode(), Some(1));
    client.expect_for("MESSAGE_CONFIRMATION", "f1").await;
    exchange.proxy.cut();
    await_upstream(&node, false).await;
    client.send(fast(2));
    client.expect_quiet().await;
    let dropped = [("kind", "message"), ("outcome", "dropped")];
    assert_eq!(node.metrics().await.value("linker_upstream_total", &dropped), 1.0);
    exchange.proxy.heal();
    await_upstream(&node, true).await;
    client.send(fast(3));
    assert_eq!(queue.next().await.body["content"], 3, "the one between is gone");
    exchange.clear().await;
}

#[tokio::test]
async fn what_no_queue_is_bound_for_waits_for_one_and_holds_up_nobody_else() {
    let exchange = Exchange::new().await;
    let mut bound = exchange.bind(&["ANZ.known"]).await;
    let node = exchange.config().start().await;
    let mut lonely = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    lonely.send(referenced("unknown", 1, "r1"));
    lonely.expect_for("MESSAGE_ACCEPTED", "r1").await;
    let mut other = Client::login(&node, "ANZ-2").await;
    other.send(referenced("known", 2, "r2"));
    assert_eq!(bound.next().await.body["content"], 2);
    other.expect_for("MESSAGE_CONFIRMATION", "r2").await;
    let mut late = exchange.bind(&["ANZ.unknown"]).await;
    assert_eq!(late.next().await.body["content"], 1);
    lonely.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    exchange.clear().await;
}

#[tokio::test]
async fn a_reference_that_comes_again_is_one_message_confirmed_twice() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let node = exchange.config().start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(referenced("n", 1, "r"));
    client.expect_for("MESSAGE_CONFIRMATION", "r").await;
    client.send(referenced("n", 1, "r"));
    client.expect_for("MESSAGE_CONFIRMATION", "r").await;
    client.send(upstream("n", "fence"));
    assert_eq!(queue.contents(2).await, [json!(1), json!("fence")]);
    exchange.clear().await;
}

#[tokio::test]
async fn a_node_that_stops_leaves_nothing_behind_that_the_store_does_not_have() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let mut node = exchange.config().start().await;
    await_upstream(&node, true).await;
    exchange.proxy.stall();
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    client.send(referenced("n", 1, "r"));
    client.expect_for("MESSAGE_ACCEPTED", "r").await;
    assert_eq!(node.terminate().await, 0, "{}", node.log());
    exchange.proxy.heal();
    node.start_again().await;
    assert_eq!(queue.next().await.body["content"], 1);
    exchange.clear().await;
}
