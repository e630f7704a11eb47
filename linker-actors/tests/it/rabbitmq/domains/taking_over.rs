//! Nodes of a domain empty its ingress one at a time, and take over from each other.

use linker_core::port::{Ingress, LINK_SLOTS, LinkWay};

use super::fixture::{Domain, Node};
use crate::proxy::Proxy;

const TEXTS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// Node 1, behind a proxy, and node 2, which has nothing to do.
async fn two_nodes(domain: &Domain) -> (Proxy, Node, Node) {
    let (proxy, first) = domain.node_by_proxy(1).await;
    let second = domain.node(2).await;
    (proxy, first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_at_a_time_empties_a_queue() {
    let domain = Domain::new();
    let (_proxy, mut first, mut second) = two_nodes(&domain).await;
    let mut way = domain.link();
    way.up().await;
    for slot in 0..LINK_SLOTS {
        way.send_all(LinkWay::Reliable(slot), ["a", "b"]).await;
    }
    first.sign(2 * usize::from(LINK_SLOTS)).await;
    second.stays_quiet().await;
    way.close().await;
    second.close().await;
    first.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_that_stops_has_not_signed_comes_to_another_one() {
    let domain = Domain::new();
    let (_proxy, mut first, mut second) = two_nodes(&domain).await;
    let mut way = domain.link();
    way.up().await;
    way.send_all(LinkWay::Reliable(3), TEXTS).await;
    let taken = first.take(TEXTS.len()).await;
    for (text, arrival) in taken {
        // Also after a gap.
        if ["0", "1", "4"].contains(&text.as_str()) {
            arrival.receipt.expect("of RELIABLE").sign();
        }
    }
    first.close().await;
    assert_eq!(second.sign(5).await, ["2", "3", "5", "6", "7"]);
    second.stays_quiet().await;
    second.close().await;
    // And what is signed is gone for good.
    let mut third = domain.node(3).await;
    third.stays_quiet().await;
    third.close().await;
    way.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_that_loses_its_connection_has_not_signed_comes_to_another_one() {
    let domain = Domain::new();
    let (proxy, mut first, mut second) = two_nodes(&domain).await;
    let mut way = domain.link();
    way.up().await;
    way.send_all(LinkWay::Reliable(3), TEXTS).await;
    let taken = first.take(TEXTS.len()).await;
    proxy.cut();
    assert!(first.change().await.is_some());
    assert_eq!(second.sign(TEXTS.len()).await, TEXTS);
    // Too late, and of a channel that is gone.
    for (_, arrival) in taken {
        arrival.receipt.expect("of RELIABLE").sign();
    }
    proxy.heal();
    assert_eq!(first.change().await, None);
    way.send_all(LinkWay::Reliable(3), TEXTS).await;
    assert_eq!(second.sign(TEXTS.len()).await, TEXTS);
    first.stays_quiet().await;
    way.close().await;
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_a_lost_connection_mean_nothing() {
    let domain = Domain::new();
    let (proxy, mut node) = domain.node_by_proxy(1).await;
    let mut way = domain.link();
    way.up().await;
    way.send_all(LinkWay::Reliable(0), ["a", "b"]).await;
    let before = node.take(2).await;
    proxy.cut();
    assert!(node.change().await.is_some());
    proxy.heal();
    assert_eq!(node.change().await, None);
    let _again = node.take(2).await;
    for (_, arrival) in before {
        arrival.receipt.expect("of RELIABLE").sign();
    }
    node.stays_quiet().await;
    node.close().await;
    let mut other = domain.node(2).await;
    assert_eq!(other.sign(2).await, ["a", "b"]);
    way.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_closed_takes_nothing_more() {
    let domain = Domain::new();
    let node = domain.node(1).await;
    node.ingress.close().await;
    let mut way = domain.link();
    way.up().await;
    way.send_all(LinkWay::Reliable(0), ["a"]).await;
    let mut other = domain.node(2).await;
    assert_eq!(other.sign(1).await, ["a"]);
    way.close().await;
    other.close().await;
}
