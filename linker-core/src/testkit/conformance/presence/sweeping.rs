//! Laws of sweeping: what dead nodes left goes once, and nothing else does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::domain::all_at_once;
use super::nodes::next_run;
use super::{SharedRegistry, register, sessions_of, taken};
use crate::id::UserId;
use crate::port::{Presence, SessionRef};
use crate::testkit::sample::{node, node_record, record_of, session, user};

/// More than any law leaves behind.
const ALL: u32 = 10_000;

async fn left(presence: &dyn Presence, number: u64) -> u64 {
    taken(presence.entries(&node(number)).await)
}

/// Sweeps until nothing of node `number` is left; answers who was told gone, every time it was told.
async fn sweep_all(presence: &dyn Presence, number: u64, max: u32) -> Vec<UserId> {
    let mut gone = Vec::new();
    while left(presence, number).await > 0 {
        gone.extend(taken(presence.sweep(max).await));
    }
    gone
}

/// However many sweep at the same time.
pub async fn each_user_of_a_dead_node_is_told_to_one_sweeper<D: SharedRegistry + ?Sized>(domain: &D) {
    let mut sweepers: Vec<Arc<dyn Presence>> = Vec::new();
    for number in 0..3 {
        let sweeper = domain.adapter().await;
        taken(sweeper.join(node_record(number)).await);
        sweepers.push(sweeper);
    }
    let dead = domain.adapter().await;
    taken(dead.join(node_record(9)).await);
    let sessions: Vec<SessionRef> = (0..500).map(|n| session(n, 9, n)).collect();
    register(&*dead, &sessions).await;
    domain.lapse(&node(9)).await;
    let sweeping = sweepers.iter().map(|sweeper| {
        let sweeper = Arc::clone(sweeper);
        Box::pin(async move { sweep_all(&*sweeper, 9, 40).await }) as _
    });
    let mut gone: Vec<UserId> = all_at_once(sweeping.collect())
        .await
        .into_iter()
        .flatten()
        .collect();
    gone.sort();
    let users: Vec<UserId> = (0..500).map(user).collect();
    assert_eq!(gone, users);
}

/// On a living node, or on a dead one that is swept later.
pub async fn users_with_another_session_are_not_gone<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    for number in 1..=3 {
        taken(presence.join(node_record(number)).await);
    }
    let sessions = [
        session(1, 1, 1),
        session(1, 2, 1),
        session(2, 2, 2),
        session(3, 2, 3),
        session(3, 3, 3),
    ];
    register(&*presence, &sessions).await;
    domain.lapse(&node(2)).await;
    domain.lapse(&node(3)).await;
    taken(presence.beat(node_record(1)).await);
    let mut gone = sweep_all(&*presence, 2, ALL).await;
    gone.extend(sweep_all(&*presence, 3, ALL).await);
    gone.sort();
    assert_eq!(gone, [user(2), user(3)]);
    assert_eq!(sessions_of(&*presence, 1).await, [session(1, 1, 1)]);
}

/// Not while it beats, and not when it beats again.
pub async fn nothing_of_a_living_node_is_swept<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    register(&*other, &[session(1, 2, 1), session(2, 2, 2)]).await;
    assert_eq!(taken(one.sweep(ALL).await), []);
    domain.lapse(&node(2)).await;
    taken(one.beat(node_record(1)).await);
    assert!(taken(other.beat(node_record(2)).await).rejoined);
    assert_eq!(taken(one.sweep(ALL).await), []);
    assert_eq!(left(&*one, 2).await, 2);
    assert_eq!(sessions_of(&*one, 1).await, [session(1, 2, 1)]);
}

/// However the steps of both fall together: the node is found dead, and then it comes back and reconciles while it is swept.
pub async fn a_late_sweeper_removes_nothing_newer<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    let sessions: Vec<SessionRef> = (0..300).map(|n| session(n, 2, n)).collect();
    register(&*other, &sessions).await;
    for round in 0..8_usize {
        domain.lapse(&node(2)).await;
        let sweeping = Box::pin(async {
            for _ in 0..8 {
                taken(one.sweep(100).await);
            }
        });
        let coming_back = Box::pin(async {
            for _ in 0..round {
                // Ever later than the sweeper.
                left(&*other, 2).await;
            }
            assert!(taken(other.beat(node_record(2)).await).rejoined);
            taken(other.reconcile(node(2), sessions.clone()).await);
        });
        all_at_once(vec![sweeping as _, coming_back as _]).await;
        assert_eq!(taken(one.sweep(ALL).await), []);
        assert_eq!(left(&*one, 2).await, 300);
        let found = taken(one.lookup((0..300).map(user).collect()).await);
        let found: Vec<SessionRef> = found.into_iter().flatten().collect();
        assert_eq!(found, sessions, "round {round}");
    }
}

/// At once, without waiting for its heartbeat to lapse.
pub async fn what_a_node_leaves_behind_is_swept<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    register(&*other, &[session(1, 2, 1)]).await;
    taken(other.leave(node(2)).await);
    assert_eq!(sessions_of(&*one, 1).await, []);
    assert_eq!(sweep_all(&*one, 2, ALL).await, [user(1)]);
}

/// The new run has the name, and yet nothing of the former.
pub async fn the_former_run_of_a_node_is_swept<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    register(&*presence, &[session(1, 1, 1), session(2, 1, 2)]).await;
    domain.lapse(&node(1)).await;
    let again = next_run(1);
    taken(presence.join(record_of(again.clone())).await);
    let newer = SessionRef {
        node: again.clone(),
        ..session(1, 1, 1)
    };
    register(&*presence, std::slice::from_ref(&newer)).await;
    assert_eq!(sessions_of(&*presence, 1).await, std::slice::from_ref(&newer));
    assert_eq!(sweep_all(&*presence, 1, ALL).await, [user(2)]);
    assert_eq!(sessions_of(&*presence, 1).await, [newer]);
    assert_eq!(taken(presence.entries(&again).await), 1);
}

/// So that a sweep of a large node goes on in steps.
pub async fn sweeping_keeps_to_its_bound<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    taken(presence.join(node_record(2)).await);
    let sessions: Vec<SessionRef> = (0..10).map(|n| session(n, 1 + n % 2, n)).collect();
    register(&*presence, &sessions).await;
    domain.lapse(&node(1)).await;
    domain.lapse(&node(2)).await;
    let mut gone = BTreeSet::new();
    for step in 1..=3 {
        gone.extend(taken(presence.sweep(3).await));
        assert_eq!(gone.len(), step * 3);
        assert_eq!(
            left(&*presence, 1).await + left(&*presence, 2).await,
            10 - 3 * step as u64
        );
    }
    gone.extend(taken(presence.sweep(3).await));
    assert_eq!(gone, (0..10).map(user).collect());
    assert_eq!(taken(presence.sweep(0).await), []);
}

/// A node of the same instance that joins after it was swept finds a clean table, and is told from one that was forgotten.
pub async fn sweeping_leaves_no_node_behind<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    register(&*presence, &[session(1, 1, 1)]).await;
    domain.lapse(&node(1)).await;
    assert_eq!(sweep_all(&*presence, 1, ALL).await, [user(1)]);
    assert_eq!(taken(presence.sweep(ALL).await), []);
    taken(presence.join(node_record(1)).await);
    assert!(!taken(presence.beat(node_record(1)).await).rejoined);
    assert_eq!(left(&*presence, 1).await, 0);
    assert!(register(&*presence, &[session(1, 1, 1)]).await[0].first);
}
