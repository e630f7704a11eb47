//! Several nodes of one domain.

use serde_json::json;

use super::broker::await_upstream;
use super::exchange::Exchange;
use super::hook::{Hook, SECRET};
use super::referenced;
use super::troubled::{assert_in_order, await_aside, numbers_taken, stumbling};
use crate::harness::{Client, Domain, Node, whole};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_node_left_is_handed_over_by_those_that_live() {
    let domain = Domain::new().await;
    let exchange = Exchange::of(domain.name.clone()).await;
    let mut queue = exchange.bind(&["#"]).await;
    let start = |name: &'static str| domain.config(name).set("upstream.url", exchange.url()).start();
    let (a, b) = tokio::join!(start("a"), start("b"));
    let mut nodes = [a, b];
    whole(&nodes).await;
    await_upstream(&nodes[0], true).await;
    exchange.proxy.cut();
    for node in &nodes {
        await_upstream(node, false).await;
    }
    let mut client = Client::login_with(&nodes[0], "ANZ-1", json!({"accepted": true})).await;
    for n in 0..20 {
        client.send(referenced("n", n, &format!("r{n}")));
    }
    client
        .expect_for_all("MESSAGE_ACCEPTED", (0..20).map(|n| format!("r{n}")))
        .await;
    nodes[0].kill9();
    exchange.proxy.heal();
    assert_eq!(
        queue.contents(20).await,
        (0..20).map(|n| json!(n)).collect::<Vec<_>>()
    );
    // The confirmations wait for the sender, who comes to the other node.
    let mut client = Client::login_with(&nodes[1], "ANZ-1", json!({"replay": true})).await;
    client
        .expect_for_all("MESSAGE_CONFIRMATION", (0..20).map(|n| format!("r{n}")))
        .await;
    exchange.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_whom_a_dead_node_had_set_aside_is_set_aside_by_one_that_lives() {
    let domain = Domain::new().await;
    let (hook, stumbles) = stumbling().await;
    let start = |name: &'static str| {
        let config = domain.config(name).set("upstream.url", hook.url());
        config.set("upstream.secret", SECRET).start()
    };
    let (a, b) = tokio::join!(start("a"), start("b"));
    let mut nodes = [a, b];
    whole(&nodes).await;
    let mut client = Client::login_with(&nodes[0], "ANZ-1", json!({"accepted": true})).await;
    for n in 0..200 {
        client.send(referenced("n", json!({"n": n}), &format!("r{n}")));
    }
    client
        .expect_for_all("MESSAGE_ACCEPTED", (0..200).map(|n| format!("r{n}")))
        .await;
    await_aside(&nodes[0], 1.0).await;
    await_aside(&nodes[1], 0.0).await;
    others_go_on_at(&nodes[1], &hook).await;
    nodes[0].kill9();
    await_aside(&nodes[1], 1.0).await;
    others_go_on_at(&nodes[1], &hook).await;
    stumbles.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_in_order(&numbers_taken(&hook, 200).await, 200);
    let mut client = Client::login_with(&nodes[1], "ANZ-1", json!({"replay": true})).await;
    client
        .expect_for_all("MESSAGE_CONFIRMATION", (0..200).map(|n| format!("r{n}")))
        .await;
    await_aside(&nodes[1], 0.0).await;
}

async fn others_go_on_at(node: &Node, hook: &Hook) {
    let mut other = Client::login(node, "ANZ-2").await;
    let reference = format!("o{}", hook.posts().len());
    other.send(referenced("n", 1, &reference));
    other.expect_for("MESSAGE_CONFIRMATION", &reference).await;
}
