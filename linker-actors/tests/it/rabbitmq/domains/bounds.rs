//! What is not taken stays bounded everywhere.

use linker_actors::adapter::rabbitmq::{IngressOptions, RabbitIngress};
use linker_core::port::{BusError, Ingress, LinkError, LinkWay};

use super::fixture::{Domain, Node, PATIENCE, text_of};
use crate::wait::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsigned_payloads_are_bounded_and_each_receipt_makes_room() {
    let domain = Domain::new();
    let options = IngressOptions {
        prefetch: 3,
        ..domain.options(1)
    };
    let mut node = Node::open(&domain.url, options).await;
    let mut way = domain.link();
    way.up().await;
    way.send_all(LinkWay::Reliable(0), ["0", "1", "2", "3", "4"])
        .await;
    let mut taken = node.take(3).await;
    node.stays_quiet().await;
    // One that is not the oldest.
    let (_, arrival) = taken.remove(1);
    arrival.receipt.expect("of RELIABLE").sign();
    assert_eq!(text_of(&node.next().await), "3");
    node.stays_quiet().await;
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_takes_again_when_it_has_room() {
    const PAYLOADS_MAX: usize = 500;
    let domain = Domain::new();
    let options = IngressOptions {
        prefetch: 1,
        reliable_bytes_max: 20_000,
        ..domain.options(1)
    };
    let mut node = Node::open(&domain.url, options).await;
    let mut way = domain.link();
    way.up().await;
    let text = "x".repeat(1000);
    let mut taken = 0;
    let refused = loop {
        match way.send(LinkWay::Reliable(0), &text).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < PAYLOADS_MAX, "the broker takes them all");
    };
    assert!(matches!(refused, LinkError::Full(_)), "{refused:?}");
    // Neither another queue nor the link is concerned.
    assert_eq!(way.send(LinkWay::Reliable(1), "beside").await, Ok(()));
    assert_eq!(node.next().await.way, LinkWay::Reliable(0));
    way.is_told_nothing().await;
    node.close().await;
    let mut other = domain_node_of(&domain).await;
    other.sign(taken + 1).await;
    eventually("there is room", PATIENCE, async || {
        way.send(LinkWay::Reliable(0), "again").await.ok()
    })
    .await;
    assert_eq!(other.sign(1).await, ["again"]);
    way.close().await;
    other.close().await;
}

async fn domain_node_of(domain: &Domain) -> Node {
    let options = IngressOptions {
        reliable_bytes_max: 20_000,
        ..domain.options(2)
    };
    Node::open(&domain.url, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fast_payloads_that_nobody_takes_give_way_to_newer_ones() {
    let domain = Domain::new();
    let with_number = |number| IngressOptions {
        fast_bytes_max: 5_000,
        ..domain.options(number)
    };
    Node::open(&domain.url, with_number(1)).await.close().await;
    let mut way = domain.link();
    way.up().await;
    let texts: Vec<String> = (0..20).map(|n| format!("{n:01000}")).collect();
    way.send_all(LinkWay::Fast(0), texts.iter().map(String::as_str))
        .await;
    // When it is closed, the broker has taken them up.
    way.close().await;
    let mut node = Node::open(&domain.url, with_number(2)).await;
    for expected in &texts[15..] {
        assert_eq!(&text_of(&node.next().await), expected);
    }
    node.stays_quiet().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_made_with_other_bounds_are_named_at_once() {
    let domain = Domain::new();
    domain.node(1).await.close().await;
    let options = IngressOptions {
        reliable_bytes_max: 1 << 20,
        ..domain.options(2)
    };
    let ingress = RabbitIngress::open_url(&domain.url, options).expect("a url");
    let answer = ingress.open(std::sync::Arc::new(Deaf)).await;
    let Err(BusError::Refused(why)) = answer else {
        panic!("{answer:?}")
    };
    let queue = domain.reliable_queues().swap_remove(0);
    assert!(
        why.contains(&queue) && why.contains("x-max-length-bytes"),
        "{why}"
    );
}

struct Deaf;

impl linker_core::port::IngressReceiver for Deaf {
    fn receive(&self, _: linker_core::port::Arrival) {}

    fn connection(&self, _: Option<String>) {}
}
