//! Laws of turns: one node at a time serves the fetches of a user.

use super::{SharedRegistry, taken};
use crate::port::{Presence, Turn};
use crate::testkit::sample::{node, user};

const OURS: Turn = Turn::Ours { wanted: false };
const WANTED: Turn = Turn::Ours { wanted: true };

async fn begin<P: Presence + ?Sized>(presence: &P, by: u64) -> Turn {
    taken(presence.begin_turn(user(1), node(by)).await)
}

async fn end<P: Presence + ?Sized>(presence: &P, by: u64) {
    taken(presence.end_turn(user(1), node(by)).await);
}

/// Also where it has it already, and where it had it before.
pub async fn a_turn_that_nobody_else_wants_is_had_at_once<P: Presence + ?Sized>(presence: &P) {
    for _ in 0..2 {
        assert_eq!(begin(presence, 1).await, OURS);
        assert_eq!(begin(presence, 1).await, OURS);
        end(presence, 1).await;
        end(presence, 1).await;
    }
}

/// However often others ask, and whichever run of a name they are.
pub async fn a_turn_is_one_nodes_at_a_time<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    assert_eq!(begin(&*one, 1).await, OURS);
    for _ in 0..3 {
        assert_eq!(begin(&*other, 2).await, Turn::Theirs);
    }
    let next_run = super::nodes::next_run(1);
    let refused = taken(other.begin_turn(user(1), next_run).await);
    assert_eq!(refused, Turn::Theirs);
    assert_eq!(begin(&*one, 1).await, WANTED);
    end(&*one, 1).await;
    assert_eq!(begin(&*other, 2).await, OURS);
    assert_eq!(begin(&*one, 1).await, Turn::Theirs);
}

/// Not who had it, though that one asks first; nor who came later.
pub async fn who_waits_for_a_turn_is_next<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    assert_eq!(begin(&*presence, 1).await, OURS);
    assert_eq!(begin(&*presence, 2).await, Turn::Theirs);
    assert_eq!(begin(&*presence, 3).await, Turn::Theirs);
    end(&*presence, 1).await;
    assert_eq!(begin(&*presence, 1).await, Turn::Theirs);
    assert_eq!(begin(&*presence, 3).await, Turn::Theirs);
    assert_eq!(begin(&*presence, 2).await, OURS);
    assert_eq!(begin(&*presence, 3).await, Turn::Theirs);
    assert_eq!(begin(&*presence, 2).await, WANTED);
}

/// Nobody else's word ends it.
pub async fn a_turn_is_ended_by_who_has_it<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    assert_eq!(begin(&*one, 1).await, OURS);
    end(&*other, 2).await;
    assert_eq!(begin(&*other, 2).await, Turn::Theirs);
    end(&*other, 3).await;
    assert_eq!(begin(&*one, 1).await, WANTED);
}

/// A fetch that was given up keeps nobody waiting.
pub async fn who_waits_no_more_is_not_next<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    assert_eq!(begin(&*presence, 1).await, OURS);
    assert_eq!(begin(&*presence, 2).await, Turn::Theirs);
    end(&*presence, 2).await;
    assert_eq!(begin(&*presence, 1).await, OURS);
    end(&*presence, 1).await;
    assert_eq!(begin(&*presence, 3).await, OURS);
}

/// Whoever serves one keeps nobody from another.
pub async fn turns_of_several_users_are_apart<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    assert_eq!(begin(&*one, 1).await, OURS);
    let begun = other.begin_turn(user(2), node(2)).await;
    assert_eq!(taken(begun), OURS);
    taken(other.end_turn(user(2), node(1)).await);
    let begun = one.begin_turn(user(2), node(1)).await;
    assert_eq!(taken(begun), Turn::Theirs);
}

/// A registry that forgot who had it gives it to who asks.
pub async fn a_turn_is_lost_with_the_registry<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    assert_eq!(begin(&*presence, 1).await, OURS);
    domain.empty().await;
    assert_eq!(begin(&*presence, 2).await, OURS);
    assert_eq!(begin(&*presence, 1).await, Turn::Theirs);
}

/// Whoever asks, and however often.
pub async fn the_secret_is_the_one_proposed_first<P: Presence + ?Sized>(presence: &P) {
    let first: Vec<u8> = (0..=255).collect();
    for proposed in [first.clone(), b"another".to_vec(), first.clone()] {
        assert_eq!(taken(presence.secret(proposed).await), first);
    }
}
