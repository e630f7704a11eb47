//! The services that the nodes share die, restart and are cut off under load.

use std::time::Duration;

use serde_json::json;

use super::local::LocalUsers;
use crate::harness::{
    Broker, Cast, Client, Domain, Node, PrivatePostgres, PrivateRedis, Proxy, SECRET, Traffic, WAIT, auth,
    by_way_of, eventually, host_of, request_with, whole,
};

fn traffic(nodes: &[Node; 2], cast: Cast) -> Traffic {
    Traffic::start(nodes.iter().map(|node| node.ws).collect(), cast)
}

/// Nothing answered for this check, whose name stands in `/health/ready`.
async fn notice(nodes: &[Node; 2], part: &str) {
    for node in nodes {
        node.await_check(|ready, checks| !ready && checks[part] != "ok")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_is_filled_again() {
    let mut redis = PrivateRedis::start(&[]).await;
    let domain = Domain::new().await.with_presence(redis.url());
    let nodes = domain.pair().await;
    let local = LocalUsers::start(&nodes[0], 500).await;
    let traffic = traffic(&nodes, Cast::unordered());
    traffic.flows(100).await;
    redis.kill();
    notice(&nodes, "presence").await;
    redis.run();
    for node in &nodes {
        node.await_health().await;
        node.await_registry(WAIT).await;
    }
    whole(&nodes).await;
    traffic.flows(100).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}

/// Where the store is and what is wrong with it is for who runs the nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_in_is_not_told_what_is_wrong_with_the_store() {
    let mut postgres = PrivatePostgres::new();
    postgres.start();
    let url = postgres.url(SECRET);
    let domain = Domain::new().await.with_store(url.clone());
    let nodes = domain.pair().await;
    let login = json!({"appId": "app-id-343", "userId": "ANZ-1"}).to_string();
    let head = "POST /api/v1/login HTTP/1.1\r\nContent-Type: application/json";
    let token = request_with(nodes[0].ws, head, &login).await.unwrap();
    let mut frame = auth("ANZ-1");
    frame["data"]["token"] = token.json()["token"].clone();
    postgres.kill();
    notice(&nodes, "store").await;
    let reply = Client::refused(&nodes[0], frame).await;
    assert_eq!(reply.code(), "AUTH_UNAVAILABLE");
    assert!(!reply.text.contains("store is away"), "{}", reply.text);
    assert!(!reply.text.contains(&host_of(&url)), "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_killed_loses_nothing() {
    let mut postgres = PrivatePostgres::new();
    postgres.start();
    let domain = Domain::new().await.with_store(postgres.url(SECRET));
    let nodes = domain.pair().await;
    let local = LocalUsers::start(&nodes[0], 500).await;
    let traffic = traffic(&nodes, Cast::unordered());
    traffic.flows(100).await;
    postgres.kill();
    notice(&nodes, "store").await;
    postgres.start();
    eventually("PostgreSQL is back", WAIT, async || {
        // What is left of the killed one may still be ending.
        if postgres.has_ended() {
            postgres.start();
        }
        nodes[0]
            .health()
            .await
            .is_some_and(|(ready, _)| ready)
            .then_some(())
    })
    .await;
    whole(&nodes).await;
    traffic.flows(100).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_cut_and_slow_loses_nothing() {
    let plain = Domain::new().await;
    let proxy = Proxy::to(&host_of(&plain.urls.bus)).await;
    let bus = by_way_of(&plain.urls.bus, proxy.address());
    let domain = plain.with_bus(bus);
    let nodes = domain.pair().await;
    let local = LocalUsers::start(&nodes[0], 500).await;
    let traffic = traffic(&nodes, Cast::unordered());
    traffic.flows(100).await;
    proxy.cut();
    notice(&nodes, "bus").await;
    traffic.flows(20).await;
    proxy.heal();
    whole(&nodes).await;
    traffic.flows(100).await;
    proxy.delay(Duration::from_millis(60));
    traffic.flows(100).await;
    proxy.heal();
    whole(&nodes).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_cut_off_from_redis_goes_on_and_finds_back() {
    let domain = Domain::new().await;
    let proxy = Proxy::to(&host_of(&domain.urls.presence)).await;
    let a = domain.start("a").await;
    let b = domain
        .config("b")
        .set("presence.url", by_way_of(&domain.urls.presence, proxy.address()))
        .start()
        .await;
    b.await_health().await;
    let nodes = [a, b];
    whole(&nodes).await;
    let local = LocalUsers::start(&nodes[1], 500).await;
    let traffic = traffic(&nodes, Cast::unordered());
    traffic.flows(100).await;
    proxy.cut();
    nodes[1]
        .await_check(|ready, checks| !ready && checks["presence"] != "ok")
        .await;
    // The other one thinks it is dead, and its sessions gone.
    eventually("it is declared dead", WAIT, async || {
        nodes[0].log().contains("a node lives no more").then_some(())
    })
    .await;
    proxy.heal();
    whole(&nodes).await;
    traffic.flows(100).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_one_that_takes_nothing_lose_nothing() {
    let mut broker = Broker::start().await;
    let domain = Domain::new().await.with_bus(broker.url());
    let nodes = domain.pair().await;
    let local = LocalUsers::start(&nodes[0], 500).await;
    let traffic = traffic(&nodes, Cast::unordered());
    traffic.flows(100).await;
    broker.kill();
    notice(&nodes, "bus").await;
    broker.start_again().await;
    whole(&nodes).await;
    traffic.flows(100).await;
    broker
        .control(&["set_vm_memory_high_watermark", "0.000001"])
        .await;
    notice(&nodes, "bus").await;
    broker.control(&["set_vm_memory_high_watermark", "0.8"]).await;
    whole(&nodes).await;
    traffic.flows(100).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_slow_and_then_out_of_reach_loses_nothing() {
    let plain = Domain::new().await;
    let proxy = Proxy::to(&host_of(&plain.urls.store)).await;
    let store = by_way_of(&plain.urls.store, proxy.address());
    let domain = plain.with_store(store);
    let nodes = domain.pair().await;
    let local = LocalUsers::start(&nodes[0], 500).await;
    let traffic = traffic(&nodes, Cast::of_two_nodes());
    traffic.flows(100).await;
    proxy.delay(Duration::from_millis(80));
    traffic.flows(60).await;
    proxy.cut();
    notice(&nodes, "store").await;
    proxy.heal();
    whole(&nodes).await;
    traffic.flows(100).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_slow_delays_and_loses_nothing() {
    let plain = Domain::new().await;
    let proxy = Proxy::to(&host_of(&plain.urls.presence)).await;
    let presence = by_way_of(&plain.urls.presence, proxy.address());
    let nodes = {
        let config = |name| plain.config(name).set("presence.url", presence.as_str());
        let (a, b) = tokio::join!(config("a").start(), config("b").start());
        [a, b]
    };
    whole(&nodes).await;
    let local = LocalUsers::start(&nodes[0], 500).await;
    let traffic = traffic(&nodes, Cast::of_two_nodes());
    traffic.flows(100).await;
    proxy.delay(Duration::from_millis(80));
    traffic.readers_return();
    traffic.flows(100).await;
    proxy.heal();
    whole(&nodes).await;
    local.noticed_nothing().await;
    assert!(traffic.settle().await > 200);
}
