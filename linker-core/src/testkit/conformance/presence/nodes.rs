//! Laws of nodes: names, heartbeats, and who counts as living.

use super::{SharedRegistry, register, sessions_of, taken};
use crate::id::NodeInstance;
use crate::port::{NodeState, PresenceError};
use crate::testkit::sample::{node, node_record, record_of, session};

/// The same name, started again.
pub(super) fn next_run(number: u64) -> NodeInstance {
    NodeInstance {
        incarnation: 1000 + number,
        ..node(number)
    }
}

/// Only the instance that has a name may have it, until it leaves.
pub async fn a_name_is_taken_while_its_node_lives<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    let refused = other.join(record_of(next_run(1))).await;
    assert_eq!(refused, Err(PresenceError::NameTaken(node(1))));
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    taken(other.leave(next_run(1)).await);
    let refused = other.join(record_of(next_run(1))).await;
    assert_eq!(
        refused,
        Err(PresenceError::NameTaken(node(1))),
        "who has no name frees none"
    );
    taken(one.leave(node(1)).await);
    taken(other.join(record_of(next_run(1))).await);
}

/// A node that was killed can be started again.
pub async fn a_name_is_free_once_its_node_is_dead<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    domain.lapse(&node(1)).await;
    taken(presence.join(record_of(next_run(1))).await);
}

/// A node that stood still for so long that it was started a second time.
pub async fn a_node_whose_name_was_taken_learns_it<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    domain.lapse(&node(1)).await;
    taken(other.join(record_of(next_run(1))).await);
    let refused = one.beat(node_record(1)).await;
    assert_eq!(refused, Err(PresenceError::NameTaken(next_run(1))));
    taken(one.leave(node(1)).await);
    let cluster = taken(other.beat(record_of(next_run(1))).await);
    assert!(!cluster.rejoined, "a former run takes nothing away");
}

/// Each node's newest record, by name.
pub async fn beats_tell_who_lives<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(other.join(node_record(2)).await);
    taken(one.join(node_record(1)).await);
    let cluster = taken(one.beat(node_record(1)).await);
    assert_eq!(cluster.nodes, [node_record(1), node_record(2)]);
    assert!(!cluster.rejoined);
    let mut draining = node_record(2);
    draining.state = NodeState::Draining;
    draining.sessions = 7;
    taken(other.beat(draining.clone()).await);
    let cluster = taken(one.beat(node_record(1)).await);
    assert_eq!(cluster.nodes, [node_record(1), draining]);
    domain.lapse(&node(2)).await;
    let cluster = taken(one.beat(node_record(1)).await);
    assert_eq!(cluster.nodes, [node_record(1)]);
    taken(one.leave(node(1)).await);
    let cluster = taken(other.beat(node_record(2)).await);
    assert_eq!(cluster.nodes, [node_record(2)]);
}

/// Whatever made the registry forget it, once.
pub async fn a_forgotten_node_learns_it<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    assert!(!taken(presence.beat(node_record(1)).await).rejoined);
    domain.lapse(&node(1)).await;
    assert!(taken(presence.beat(node_record(1)).await).rejoined);
    assert!(!taken(presence.beat(node_record(1)).await).rejoined);
    domain.empty().await;
    assert!(taken(presence.beat(node_record(1)).await).rejoined);
    assert!(!taken(presence.beat(node_record(1)).await).rejoined);
}

/// For nodes that knew the dead one, and for those that never did.
pub async fn sessions_of_dead_nodes_are_absent<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    taken(presence.join(node_record(2)).await);
    register(
        &*presence,
        &[session(1, 1, 1), session(1, 2, 1), session(2, 2, 2)],
    )
    .await;
    assert_eq!(sessions_of(&*presence, 1).await.len(), 2);
    domain.lapse(&node(2)).await;
    taken(presence.beat(node_record(1)).await);
    for presence in [presence, domain.adapter().await] {
        assert_eq!(sessions_of(&*presence, 1).await, [session(1, 1, 1)]);
        assert_eq!(sessions_of(&*presence, 2).await, []);
    }
}

/// Also by nodes whose last beat was before.
pub async fn sessions_of_a_new_node_are_seen_at_once<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(one.beat(node_record(1)).await);
    assert_eq!(sessions_of(&*one, 1).await, []);
    taken(other.join(node_record(2)).await);
    register(&*other, &[session(1, 2, 1)]).await;
    assert_eq!(sessions_of(&*one, 1).await, [session(1, 2, 1)]);
}

/// At once too, though it was known to be dead, and nobody has swept meanwhile.
pub async fn sessions_of_a_node_that_comes_back_are_seen_again<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    register(&*other, &[session(1, 2, 1)]).await;
    domain.lapse(&node(2)).await;
    taken(one.beat(node_record(1)).await);
    assert_eq!(sessions_of(&*one, 1).await, []);
    assert!(taken(other.beat(node_record(2)).await).rejoined);
    assert_eq!(sessions_of(&*one, 1).await, [session(1, 2, 1)]);
}

/// Nobody is turned out for the sake of a session that is none.
pub async fn sessions_of_dead_nodes_go_before_living_ones<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    taken(presence.join(node_record(2)).await);
    register(
        &*presence,
        &[session(1, 1, 1), session(1, 2, 2), session(1, 2, 3)],
    )
    .await;
    domain.lapse(&node(2)).await;
    taken(presence.beat(node_record(1)).await);
    let answers = register(&*presence, &[session(1, 1, 4)]).await;
    assert_eq!(answers[0].evicted, [session(1, 2, 2)]);
    assert!(!answers[0].first, "what is not swept yet still counts");
    assert_eq!(
        sessions_of(&*presence, 1).await,
        [session(1, 1, 1), session(1, 1, 4)]
    );
}
