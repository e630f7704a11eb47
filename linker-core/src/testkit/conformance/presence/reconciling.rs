//! Laws of reconciling: afterwards the registry has what the node has.

use super::{SESSIONS_PER_USER, SharedRegistry, register, sessions_of, taken};
use crate::port::{Presence, Reconciled, SessionRef};
use crate::testkit::sample::{node, node_record, session, user};

async fn reconcile(presence: &dyn Presence, number: u64, sessions: &[SessionRef]) -> Reconciled {
    taken(presence.reconcile(node(number), sessions.to_vec()).await)
}

/// In a registry that lost everything, and beyond the limit too: whoever is connected is registered.
pub async fn reconciling_registers_what_is_missing<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    let mut sessions = vec![session(2, 1, 100)];
    sessions.extend((0..=SESSIONS_PER_USER as u64).map(|n| session(1, 1, n)));
    register(&*presence, &sessions).await;
    domain.empty().await;
    assert!(taken(presence.beat(node_record(1)).await).rejoined);
    let done = reconcile(&*presence, 1, &sessions).await;
    let all = sessions.len() as u64;
    assert_eq!(
        done,
        Reconciled {
            added: all,
            ..Reconciled::default()
        }
    );
    assert_eq!(sessions_of(&*presence, 1).await, sessions[1..]);
    assert_eq!(sessions_of(&*presence, 2).await, sessions[..1]);
    assert_eq!(taken(presence.entries(&node(1)).await), all);
}

/// More than one batch of whatever size.
pub async fn reconciling_many_sessions_is_complete<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    let sessions: Vec<SessionRef> = (0..2500).map(|n| session(n, 1, n)).collect();
    register(&*presence, &sessions[..1200]).await;
    let done = reconcile(&*presence, 1, &sessions).await;
    assert_eq!((done.added, done.removed), (1300, 0));
    assert_eq!(taken(presence.entries(&node(1)).await), 2500);
    let done = reconcile(&*presence, 1, &[]).await;
    assert_eq!((done.added, done.removed), (0, 2500));
    assert_eq!(done.gone.len(), 2500);
    assert_eq!(taken(presence.entries(&node(1)).await), 0);
}

/// And tells who is gone for that.
pub async fn reconciling_removes_what_is_no_session<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    taken(presence.join(node_record(2)).await);
    let kept = session(1, 1, 1);
    let others = [session(2, 2, 1), session(4, 2, 2)];
    register(&*presence, &[kept.clone(), session(2, 1, 2), session(3, 1, 3)]).await;
    register(&*presence, &others).await;
    register(&*presence, &[session(5, 1, 5)]).await;
    let new = session(5, 1, 6);
    let done = reconcile(&*presence, 1, &[kept.clone(), new.clone()]).await;
    assert_eq!((done.added, done.removed), (1, 3));
    assert_eq!(
        done.gone,
        [user(3)],
        "2 is on another node, 5 has a session again"
    );
    assert_eq!(done.back, []);
    assert_eq!(sessions_of(&*presence, 1).await, [kept]);
    assert_eq!(sessions_of(&*presence, 2).await, others[..1]);
    assert_eq!(sessions_of(&*presence, 3).await, []);
    assert_eq!(sessions_of(&*presence, 5).await, [new]);
    assert_eq!(taken(presence.entries(&node(2)).await), 2);
}

/// Neither order nor anything else.
pub async fn reconciling_twice_changes_nothing<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    taken(presence.join(node_record(2)).await);
    let all = [session(1, 1, 2), session(1, 2, 1), session(1, 1, 1)];
    register(&*presence, &all).await;
    let own = [all[2].clone(), all[0].clone()];
    for _ in 0..2 {
        assert_eq!(reconcile(&*presence, 1, &own).await, Reconciled::default());
        assert_eq!(sessions_of(&*presence, 1).await, all);
    }
    domain.lapse(&node(1)).await;
    assert!(taken(presence.beat(node_record(1)).await).rejoined);
    assert_eq!(reconcile(&*presence, 1, &own).await, Reconciled::default());
    assert_eq!(
        sessions_of(&*presence, 1).await,
        all,
        "nor having been dead in between"
    );
    assert_eq!(taken(presence.entries(&node(1)).await), 2);
    let last = taken(presence.farewell(own.to_vec()).await);
    assert_eq!(last, [false, false]);
    assert_eq!(taken(presence.entries(&node(1)).await), 0);
}

/// A node that stood still was swept, and goes on: it takes nothing newer away, and what it still has is there again.
pub async fn a_swept_node_comes_back<D: SharedRegistry + ?Sized>(domain: &D) {
    let (stopped, other) = (domain.adapter().await, domain.adapter().await);
    taken(stopped.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    register(&*stopped, &[session(1, 1, 1), session(2, 1, 2), session(3, 1, 3)]).await;
    domain.lapse(&node(1)).await;
    let mut gone = taken(other.sweep(100).await);
    gone.sort();
    assert_eq!(gone, [user(1), user(2), user(3)]);
    assert!(register(&*other, &[session(1, 2, 1)]).await[0].first);

    assert_eq!(
        taken(stopped.farewell(vec![session(3, 1, 3)]).await),
        [false],
        "it was told already"
    );
    assert!(taken(stopped.beat(node_record(1)).await).rejoined);
    let done = reconcile(&*stopped, 1, &[session(1, 1, 1), session(2, 1, 2)]).await;
    assert_eq!((done.added, done.removed), (2, 0));
    assert_eq!(done.gone, []);
    assert_eq!(done.back, [user(2)]);
    assert_eq!(
        sessions_of(&*other, 1).await,
        [session(1, 2, 1), session(1, 1, 1)]
    );
    assert_eq!(sessions_of(&*other, 2).await, [session(2, 1, 2)]);
    assert_eq!(sessions_of(&*other, 3).await, []);
    assert_eq!(taken(other.sweep(100).await), []);
}
