//! Laws of watching: who keeps what it looked up learns when that is true no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::{SharedRegistry, register, taken};
use crate::id::UserId;
use crate::port::PresenceWatcher;
use crate::testkit::sample::{node, node_record, session, user};

/// No registry takes so long to tell.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what it is told.
#[derive(Default)]
struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    users: HashMap<UserId, u64>,
    all: u64,
    expired: bool,
    waker: Option<Waker>,
}

impl Told {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn times(&self, number: u64) -> u64 {
        let state = self.lock();
        state.all + state.users.get(&user(number)).copied().unwrap_or(0)
    }

    fn all(&self) -> u64 {
        self.lock().all
    }

    async fn until(self: &Arc<Self>, what: &str, holds: impl Fn(&Self) -> bool) {
        let clock = Arc::clone(self);
        let waiting = Arc::downgrade(&clock);
        // No runtime here, and no law may hang.
        std::thread::spawn(move || {
            std::thread::sleep(PATIENCE);
            if let Some(told) = waiting.upgrade() {
                told.change(|state| state.expired = true);
            }
        });
        std::future::poll_fn(|context| {
            if holds(&clock) {
                return Poll::Ready(());
            }
            let mut state = clock.lock();
            assert!(!state.expired, "not told: {what}");
            state.waker = Some(context.waker().clone());
            drop(state);
            // It may have changed in between.
            if holds(&clock) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl PresenceWatcher for Told {
    fn changed(&self, users: Vec<UserId>) {
        self.change(|state| {
            for user in users {
                *state.users.entry(user).or_default() += 1;
            }
        });
    }

    fn all_changed(&self) {
        self.change(|state| state.all += 1);
    }
}

/// Of users who come, and of users who go.
pub async fn watchers_learn_of_changes_by_others<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(other.join(node_record(2)).await);
    let told = Arc::new(Told::default());
    one.watch(Arc::clone(&told) as _);
    register(&*other, &[session(1, 2, 1)]).await;
    told.until("a session came", |told| told.times(1) >= 1).await;
    for number in 2..6 {
        let before = told.times(1);
        register(&*other, &[session(1, 2, number)]).await;
        told.until("one more came", |told| told.times(1) > before).await;
        let before = told.times(1);
        taken(other.farewell(vec![session(1, 2, number)]).await);
        told.until("a session went", |told| told.times(1) > before).await;
    }
    assert!(told.times(2) <= told.all(), "nothing happened to others");
}

/// The dead node's users are looked up anew.
pub async fn watchers_learn_of_sweeping<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    register(&*other, &[session(1, 2, 1)]).await;
    let told = Arc::new(Told::default());
    one.watch(Arc::clone(&told) as _);
    domain.lapse(&node(2)).await;
    let before = told.times(1);
    taken(one.sweep(100).await);
    told.until("a session was swept", |told| told.times(1) > before)
        .await;
}

/// And of a return: no entry changed, and yet what is looked up does.
pub async fn watchers_learn_of_a_death<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(one.join(node_record(1)).await);
    taken(other.join(node_record(2)).await);
    taken(one.beat(node_record(1)).await);
    let told = Arc::new(Told::default());
    one.watch(Arc::clone(&told) as _);
    domain.lapse(&node(2)).await;
    let before = told.all();
    taken(one.beat(node_record(1)).await);
    told.until("a node died", |told| told.all() > before).await;
    let before = told.all();
    taken(other.beat(node_record(2)).await);
    taken(one.beat(node_record(1)).await);
    told.until("it came back", |told| told.all() > before).await;
}

/// Nothing that was looked up before is true any more.
pub async fn watchers_learn_that_all_was_lost<D: SharedRegistry + ?Sized>(domain: &D) {
    let presence = domain.adapter().await;
    taken(presence.join(node_record(1)).await);
    register(&*presence, &[session(1, 1, 1)]).await;
    let told = Arc::new(Told::default());
    presence.watch(Arc::clone(&told) as _);
    let before = told.times(1);
    domain.empty().await;
    told.until("all was lost", |told| told.times(1) > before).await;
}

/// Nothing that is looked up changes by them.
pub async fn watchers_are_not_told_of_turns<D: SharedRegistry + ?Sized>(domain: &D) {
    let (one, other) = (domain.adapter().await, domain.adapter().await);
    taken(other.join(node_record(2)).await);
    let told = Arc::new(Told::default());
    one.watch(Arc::clone(&told) as _);
    taken(other.begin_turn(user(1), node(2)).await);
    taken(other.begin_turn(user(1), node(3)).await);
    taken(other.end_turn(user(1), node(2)).await);
    register(&*other, &[session(2, 2, 1)]).await;
    told.until("a session came", |told| told.times(2) > told.all())
        .await;
    assert_eq!(told.times(1), told.all());
}
