//! The switch of the bus in memory does to its nodes what happens to those of a real one.

use bytes::Bytes;
use linker_actors::adapter::memory::{MemoryBus, MemoryHub};
use linker_core::id::NodeInstance;
use linker_core::port::{Bus, BusError};
use linker_core::testkit::conformance::bus::Received;
use linker_core::testkit::sample::node;
use std::sync::Arc;

async fn open(hub: &MemoryHub, name: NodeInstance) -> (MemoryBus, Arc<Received>) {
    let (bus, received) = (hub.bus(), Received::new());
    bus.open(name, Arc::clone(&received) as _)
        .await
        .expect("an inbox");
    (bus, received)
}

fn is_away(answer: &Result<(), BusError>) -> bool {
    matches!(answer, Err(BusError::Away(_)))
}

#[tokio::test]
async fn a_node_that_is_cut_off_neither_sends_nor_receives_until_it_heals() {
    let hub = MemoryHub::new();
    let ((a, at_a), (b, at_b)) = (open(&hub, node(1)).await, open(&hub, node(2)).await);
    b.cut();
    let answer = a.send(node(2), Bytes::from_static(b"lost")).await;
    assert_eq!(answer, Err(BusError::NoSuchNode(node(2))));
    assert!(is_away(&b.send(node(1), Bytes::from_static(b"lost")).await));
    b.heal();
    assert_eq!(a.send(node(2), Bytes::from_static(b"again")).await, Ok(()));
    assert_eq!(b.send(node(1), Bytes::from_static(b"back")).await, Ok(()));
    assert_eq!(at_b.next().await, "again");
    assert_eq!(at_a.next().await, "back");
    let told = at_b.connection_changes(3).await;
    assert!(matches!(&told[..], [None, Some(_), None]), "{told:?}");
    assert_eq!(at_a.connection(), [None]);
}

#[tokio::test]
async fn a_node_that_starts_cut_off_opens_when_it_heals() {
    let hub = MemoryHub::new();
    let bus = Arc::new(hub.bus());
    bus.cut();
    let received = Received::new();
    let opening = tokio::spawn({
        let (bus, received) = (Arc::clone(&bus), Arc::clone(&received));
        async move { bus.open(node(1), received).await }
    });
    received.connection_changes(1).await;
    assert!(!opening.is_finished());
    bus.heal();
    assert_eq!(opening.await.expect("it does not panic"), Ok(()));
    let told = received.connection_changes(2).await;
    assert!(matches!(&told[..], [Some(_), None]), "{told:?}");
}

#[tokio::test]
async fn what_is_lost_was_taken() {
    let hub = MemoryHub::new();
    let ((a, _), (_b, at_b)) = (open(&hub, node(1)).await, open(&hub, node(2)).await);
    a.lose(true);
    assert_eq!(a.send(node(2), Bytes::from_static(b"lost")).await, Ok(()));
    a.lose(false);
    assert_eq!(a.send(node(2), Bytes::from_static(b"kept")).await, Ok(()));
    assert_eq!(at_b.take(1).await, ["kept"]);
}

#[tokio::test]
async fn the_inbox_of_a_receiver_that_does_not_keep_up_is_bounded() {
    let hub = MemoryHub::new();
    // This runtime has one thread, and nothing here yields to the receiver's task.
    let (a, received) = open(&hub, node(1)).await;
    let payload = Bytes::from(vec![0; 16 << 20]);
    for _ in 0..4 {
        assert_eq!(a.send(node(1), payload.clone()).await, Ok(()));
    }
    assert!(is_away(&a.send(node(1), payload.clone()).await));
    received.take(4).await;
    assert_eq!(a.send(node(1), payload).await, Ok(()));
}
