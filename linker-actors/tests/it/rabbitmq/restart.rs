//! The broker is killed, restarted, starved of memory, and closes connections: one test, since it takes half a minute to start.

use std::time::{Duration, Instant};

use linker_core::port::{Bus, BusError};
use linker_core::testkit::conformance::bus::Received;

use super::broker::Broker;
use super::fixture::{Node, bus_at, is_away, unique_domain};

const SOON: Duration = Duration::from_secs(40);

/// Both ways.
async fn they_talk(a: &Node, b: &Node, text: &'static str) {
    a.send_at_last(b, text, SOON).await;
    b.send_at_last(a, text, SOON).await;
    a.receive(text).await;
    b.receive(text).await;
}

/// What `received` was told last, once it was told `count` times in all.
async fn told(received: &std::sync::Arc<Received>, count: usize) -> Option<String> {
    let told = received.connection_changes(count).await;
    assert_eq!(told.len(), count, "told once a change: {told:?}");
    told.last().cloned().flatten()
}

async fn fails_fast(a: &Node, b: &Node) {
    let began = Instant::now();
    let answer: Result<(), BusError> = a.send(b, "lost").await;
    assert!(is_away(&answer), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_outlast_what_happens_to_their_broker() {
    let mut broker = Broker::start().await;
    let domain = unique_domain();
    let a = Node::open(bus_at(&broker.url(), &domain), 1).await;
    let b = Node::open(bus_at(&broker.url(), &domain), 2).await;
    they_talk(&a, &b, "at first").await;

    broker.kill();
    for node in [&a, &b] {
        assert!(told(&node.received, 2).await.is_some());
    }
    fails_fast(&a, &b).await;
    broker.start_again().await;
    for node in [&a, &b] {
        assert_eq!(told(&node.received, 3).await, None);
    }
    they_talk(&a, &b, "after it was killed").await;

    broker
        .control(&["set_vm_memory_high_watermark", "0.000001"])
        .await;
    // A connection is blocked by what it publishes, whose own fate is open.
    while !is_away(&a.send(&b, "squeezed").await) {}
    let why = told(&a.received, 4).await.expect("it is blocked");
    assert!(why.contains("takes nothing"), "{why}");
    // Longer than twice the heartbeat: to be blocked is not to be gone.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(12) {
        fails_fast(&a, &b).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    broker.control(&["set_vm_memory_high_watermark", "0.8"]).await;
    assert_eq!(told(&a.received, 5).await, None);
    they_talk(&a, &b, "after it was blocked").await;

    let before = [a.received.connection().len(), b.received.connection().len()];
    broker
        .control(&["close_all_connections", "--vhost", "/", "by the test"])
        .await;
    for (node, before) in [&a, &b].into_iter().zip(before) {
        let changes = node.received.connection_changes(before + 2).await;
        let why = changes[before].as_deref().unwrap_or_default();
        assert!(why.contains("by the test"), "{changes:?}");
        assert_eq!(changes[before + 1], None);
    }
    they_talk(&a, &b, "after it closed them").await;
    a.bus.close().await;
    b.bus.close().await;
}
