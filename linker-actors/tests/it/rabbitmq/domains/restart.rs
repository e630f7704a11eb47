//! The neighbour's broker is killed, starved of memory, and lets the account do no more than it must: one test, since it takes half a minute to start.

use linker_core::port::LinkWay;

use super::fixture::{Domain, Node, PATIENCE, is_down};
use crate::rabbitmq::broker::Broker;
use crate::wait::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_with_few_rights_outlasts_what_happens_to_the_broker() {
    let mut broker = Broker::start().await;
    let domain = Domain::at(broker.url());

    // The rights that docs/OPERATIONS.md names.
    broker.control(&["add_user", "linker_node", "secret"]).await;
    let [configure, write, read] = [r"^linker\.", r"^(amq\.default$|linker\.)", r"^linker\."];
    broker
        .control(&[
            "set_permissions",
            "-p",
            "/",
            "linker_node",
            configure,
            write,
            read,
        ])
        .await;
    let url = broker.url().replace("guest:guest", "linker_node:secret");
    let mut node = Node::open(&url, domain.options(1)).await;

    // Here, too, and before that none.
    let url = broker.url().replace("guest:guest", "neighbour:secret");
    broker.control(&["add_user", "neighbour", "secret"]).await;
    broker
        .control(&["set_permissions", "-p", "/", "neighbour", "^$", "^$", "^$"])
        .await;
    let mut way = domain.link_by(&url);
    let why = way.down().await;
    assert!(
        why.contains("does not let user neighbour write to linker."),
        "{why}"
    );
    let write = format!(r"^linker\.{}\.ingress$", domain.name);
    broker
        .control(&["set_permissions", "-p", "/", "neighbour", "^$", &write, "^$"])
        .await;
    way.up().await;
    for kind in [LinkWay::Fast(0), LinkWay::States, LinkWay::Probe] {
        assert_eq!(way.send(kind, "x").await, Ok(()), "{kind:?}");
    }
    way.send_all(LinkWay::Reliable(0), ["a", "b"]).await;
    for _ in 0..2 {
        node.next().await;
    }
    let mut unsigned = node.take(2).await;
    unsigned.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!([&unsigned[0].0, &unsigned[1].0], ["a", "b"]);

    broker.kill();
    way.down().await;
    assert!(node.change().await.is_some());
    broker.start_again().await;
    assert_eq!(node.change().await, None);
    way.up().await;
    // What was confirmed is there still.
    assert_eq!(node.sign(2).await, ["a", "b"]);

    broker
        .control(&["set_vm_memory_high_watermark", "0.000001"])
        .await;
    way.watch(LinkWay::Reliable(0), "squeezed");
    let why = way.down().await;
    assert!(why.contains("takes nothing"), "{why}");
    assert!(is_down(&way.send(LinkWay::Reliable(0), "meanwhile").await));
    // One that begins then says the same.
    let mut other = domain.link_by(&url);
    let why = other.down().await;
    assert!(why.contains("takes nothing"), "{why}");
    other.is_told_nothing().await;
    broker.control(&["set_vm_memory_high_watermark", "0.8"]).await;
    way.up().await;
    other.up().await;
    eventually("it goes on", PATIENCE, async || {
        way.send(LinkWay::Reliable(0), "after it was blocked").await.ok()
    })
    .await;
    while node.sign_any().await != "after it was blocked" {}
    other.close().await;
    way.close().await;
    node.close().await;
}
