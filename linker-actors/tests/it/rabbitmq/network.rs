//! The network between a node and the broker breaks, stalls, and is slow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use linker_actors::adapter::rabbitmq::{RabbitBus, RabbitOptions, SEND_TIMEOUT};
use linker_core::port::{Bus, BusError};
use linker_core::testkit::conformance::bus::Received;
use linker_core::testkit::sample::node;

use super::fixture::{Node, bus_at, by_way_of, host_of, is_away, shared_broker, unique_domain};
use crate::proxy::Proxy;
#[cfg(all(target_os = "linux", feature = "hosted"))]
use crate::wait::eventually;

/// A node behind a proxy, and one beside it.
async fn two_nodes(heartbeat: Duration) -> (Proxy, Node, Node) {
    let url = shared_broker();
    let proxy = Proxy::to(&host_of(&url)).await;
    let domain = unique_domain();
    let options = RabbitOptions {
        heartbeat,
        ..RabbitOptions::new(domain.clone())
    };
    let behind = RabbitBus::open_url(&by_way_of(&url, proxy.address()), options).expect("a url");
    let behind = Node::open(behind, 1).await;
    let beside = Node::open(bus_at(&url, &domain), 2).await;
    (proxy, behind, beside)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_told_and_healed() {
    let (proxy, behind, beside) = two_nodes(Duration::from_secs(5)).await;
    proxy.cut();
    let told = behind.received.connection_changes(2).await;
    assert!(matches!(&told[..], [None, Some(_)]), "{told:?}");
    let began = Instant::now();
    assert!(is_away(&behind.send(&beside, "meanwhile").await));
    assert!(began.elapsed() < Duration::from_secs(2), "it fails fast");
    // As soon as the broker has noticed, too.
    let gone = Err(BusError::NoSuchNode(node(1)));
    while beside.send(&behind, "meanwhile").await != gone {
        assert!(began.elapsed() < Duration::from_secs(20), "its inbox stays");
    }
    proxy.heal();
    let told = behind.received.connection_changes(3).await;
    assert_eq!(told[2], None);
    assert_eq!(told.len(), 3, "told once a change, not once a try");
    // The inbox was there before that was told.
    assert_eq!(beside.send(&behind, "again").await, Ok(()));
    assert_eq!(behind.send(&beside, "again").await, Ok(()));
    behind.receive("again").await;
    beside.receive("again").await;
    behind.bus.close().await;
    beside.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_its_way_when_the_connection_breaks_is_answered() {
    let (proxy, behind, beside) = two_nodes(Duration::from_secs(5)).await;
    proxy.stall();
    let sent: Vec<_> = (0..100)
        .map(|_| behind.bus.send(node(2), Bytes::from_static(b"on its way")))
        .collect();
    proxy.cut();
    for answer in sent {
        assert!(is_away(&answer.await));
    }
    behind.bus.close().await;
    beside.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_link_is_noticed_by_its_heartbeat() {
    let (proxy, behind, beside) = two_nodes(Duration::from_secs(2)).await;
    proxy.stall();
    let began = Instant::now();
    let answer = behind.send(&beside, "into the void").await;
    assert!(is_away(&answer), "{answer:?}");
    let waited = began.elapsed();
    assert!(waited < SEND_TIMEOUT, "by the heartbeat: {waited:?}");
    let told = behind.received.connection_changes(2).await;
    assert!(told[1].is_some());
    let noticed = began.elapsed();
    assert!(
        noticed < Duration::from_secs(20),
        "by the heartbeat, and not by TCP: {noticed:?}"
    );
    proxy.heal();
    // The broker keeps the former connection's queue until it, too, has missed heartbeats.
    behind.received.connection_changes(3).await;
    behind
        .send_at_last(&beside, "again", Duration::from_secs(20))
        .await;
    beside.receive("again").await;
    behind.bus.close().await;
    beside.bus.close().await;
}

/// What is given up while the broker is only slow is sent to it once more, which makes it slower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_takes_seconds_to_confirm_is_waited_for() {
    let (proxy, behind, beside) = two_nodes(Duration::from_secs(5)).await;
    proxy.stall();
    let mut sending = behind.bus.send(node(2), Bytes::from_static(b"late"));
    let early = tokio::time::timeout(Duration::from_secs(4), &mut sending).await;
    assert!(early.is_err(), "given up: {early:?}");
    proxy.heal();
    assert_eq!(sending.await, Ok(()));
    beside.receive("late").await;
    assert_eq!(behind.received.connection(), [None], "it was there all the time");
    behind.bus.close().await;
    beside.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inbox_of_a_node_that_reads_nothing_is_bounded() {
    const PAYLOADS_MAX: usize = 1000;
    let url = shared_broker();
    let proxy = Proxy::to(&host_of(&url)).await;
    let domain = unique_domain();
    let options = RabbitOptions {
        inbox_bytes_max: 2 << 20,
        ..RabbitOptions::new(domain.clone())
    };
    let behind = RabbitBus::open_url(&by_way_of(&url, proxy.address()), options).expect("a url");
    let behind = Node::open(behind, 1).await;
    let beside = Node::open(bus_at(&url, &domain), 2).await;
    proxy.stall();
    let payload = Bytes::from(vec![0; 64 << 10]);
    let mut taken = 0;
    // What sockets hold, and the 200 payloads that the broker takes out for one, come on top.
    let refused = loop {
        match beside.bus.send(node(1), payload.clone()).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < PAYLOADS_MAX, "the broker holds them all");
    };
    assert_eq!(refused, BusError::Away("the inbox of that node is full".into()));
    assert_eq!(beside.received.connection(), [None], "others are not concerned");
    beside.bus.close().await;
    behind.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_link_delays_and_loses_nothing() {
    const COUNT: usize = 50;
    let (proxy, behind, beside) = two_nodes(Duration::from_secs(5)).await;
    proxy.delay(Duration::from_millis(30));
    let sent: Vec<_> = (0..COUNT)
        .map(|n| behind.bus.send(node(2), Bytes::from(n.to_string())))
        .collect();
    for answer in sent {
        assert_eq!(answer.await, Ok(()));
    }
    let expected: Vec<Bytes> = (0..COUNT).map(|n| Bytes::from(n.to_string())).collect();
    assert_eq!(beside.received.take(COUNT).await, expected);
    assert_eq!(behind.received.connection(), [None]);
    behind.bus.close().await;
    beside.bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_before_its_broker_waits_for_it() {
    let url = shared_broker();
    let proxy = Proxy::to(&host_of(&url)).await;
    proxy.cut();
    let bus = Arc::new(bus_at(&by_way_of(&url, proxy.address()), &unique_domain()));
    let received = Received::new();
    let opening = tokio::spawn({
        let (bus, received) = (Arc::clone(&bus), Arc::clone(&received));
        async move { bus.open(node(1), received).await }
    });
    let told = received.connection_changes(1).await;
    assert!(told[0].is_some());
    assert!(!opening.is_finished());
    proxy.heal();
    assert_eq!(opening.await.expect("it does not panic"), Ok(()));
    assert_eq!(received.connection_changes(2).await[1], None);
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_while_it_waits_for_its_broker() {
    let url = shared_broker();
    let proxy = Proxy::to(&host_of(&url)).await;
    // It takes connections and says nothing.
    proxy.stall();
    let bus = Arc::new(bus_at(&by_way_of(&url, proxy.address()), &unique_domain()));
    let opening = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.open(node(1), Received::new()).await }
    });
    proxy.reached(1).await;
    let began = Instant::now();
    bus.close().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "it does not wait for the attempt"
    );
    let answer = opening.await.expect("it does not panic");
    assert!(answer.is_err(), "{answer:?}");
}

/// lapin runs a thread for each connection, which waits for the socket as long as that says nothing.
#[cfg(all(target_os = "linux", feature = "hosted"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_given_up_leave_no_thread_behind() {
    const NAME: &str = "rabbitmq::network::attempts_given_up_leave_no_thread_behind";
    let alone = tokio::task::spawn_blocking(|| crate::harness::in_a_process_of_its_own(NAME));
    if !alone.await.expect("it does not panic") {
        return;
    }
    let url = shared_broker();
    let proxy = Proxy::to(&host_of(&url)).await;
    let domain = unique_domain();
    // One that was connected and is stalled, and one that never gets an answer.
    let node_behind = Node::open(bus_at(&by_way_of(&url, proxy.address()), &domain), 1).await;
    proxy.stall();
    let bus = Arc::new(bus_at(&by_way_of(&url, proxy.address()), &domain));
    let opening = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.open(node(2), Received::new()).await }
    });
    // The third and later connections are further attempts of the two.
    proxy.reached(4).await;
    assert!(threads("lapin-io-loop") <= 4, "two at work, two on their way out");
    node_behind.bus.close().await;
    bus.close().await;
    assert!(opening.await.expect("it does not panic").is_err());
    eventually("their threads end", Duration::from_secs(30), async || {
        (threads("lapin-io-loop") == 0).then_some(())
    })
    .await;
}

#[cfg(all(target_os = "linux", feature = "hosted"))]
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let names = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}
