//! A node that stands still for longer than its heartbeat, and goes on.

use crate::harness::{Cast, Client, Domain, Traffic, WAIT, eventually, referenced, whole};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_comes_back_and_nothing_that_was_promised_is_lost() {
    let domain = Domain::new().await;
    let nodes = domain.pair().await;
    let doors = nodes.iter().map(|node| node.ws).collect();
    let traffic = Traffic::start(doors, Cast::unordered());
    traffic.flows(100).await;
    nodes[1].signal("STOP");
    eventually("the other node sees that it lives no more", WAIT, async || {
        nodes[0].log().contains("a node lives no more").then_some(())
    })
    .await;
    traffic.flows(50).await;
    nodes[1].signal("CONT");
    whole(&nodes).await;
    traffic.flows(100).await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test]
async fn a_user_who_went_elsewhere_meanwhile_stays_there() {
    let domain = Domain::new().await;
    let nodes = domain.pair().await;
    let left_behind = Client::login(&nodes[1], "ANZ-1").await;
    let mut sender = Client::login(&nodes[0], "ANZ-2").await;
    nodes[1].signal("STOP");
    eventually("the other node sees that it lives no more", WAIT, async || {
        nodes[0].log().contains("a node lives no more").then_some(())
    })
    .await;
    let mut elsewhere = Client::login(&nodes[0], "ANZ-1").await;
    sender.delivery_fence("ANZ-1", "meanwhile").await;
    elsewhere.expect("MESSAGE").await;
    nodes[1].signal("CONT");
    whole(&nodes).await;
    // The old session ends now, and takes the newer one's entry with it neither in the registry nor in caches.
    drop(left_behind);
    nodes[1].await_registry(WAIT).await;
    let mut from_there = Client::login(&nodes[1], "ANZ-3").await;
    from_there.send(referenced("ANZ-1", "x", "there"));
    from_there.expect_for("MESSAGE_CONFIRMATION", "there").await;
    elsewhere.expect("MESSAGE").await;
    let metrics = nodes[0].metrics().await;
    assert_eq!(metrics.value("linker_presence_entries", &[]), 2.0);
    // Nothing of it waits: it was proven.
    elsewhere.close().await;
    tokio::time::timeout(WAIT, async {
        while Client::login(&nodes[0], "ANZ-1").await.missing() != 0 {}
    })
    .await
    .unwrap();
}
