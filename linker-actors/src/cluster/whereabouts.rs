//! Which other nodes have a user: what presence answered lately, forgotten as soon as presence tells of a change.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::id::UserId;
use linker_core::port::PresenceWatcher;
use smallvec::SmallVec;

use super::Peer;

const STRIPES: usize = 64;
/// Users remembered in one stripe; then it starts over.
const STRIPE_MAX: usize = 1 << 14;

/// The other nodes that have a user.
pub(crate) type Located = SmallVec<[Arc<Peer>; 2]>;

#[derive(Default)]
struct Stripe {
    of: HashMap<UserId, Located>,
    /// Grows with everything that is forgotten: an answer that was asked for before is not remembered.
    forgotten: u64,
}

pub(crate) struct Whereabouts {
    stripes: Vec<Mutex<Stripe>>,
    hasher: RandomState,
}

impl Whereabouts {
    pub(super) fn new() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn stripe(&self, user: &UserId) -> MutexGuard<'_, Stripe> {
        let index = self.hasher.hash_one(user) as usize % STRIPES;
        self.stripes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered; if nothing, what [`Whereabouts::remember`] wants to be told with the answer of presence.
    pub(crate) fn find(&self, user: &UserId) -> Result<Located, u64> {
        let stripe = self.stripe(user);
        stripe.of.get(user).cloned().ok_or(stripe.forgotten)
    }

    pub(crate) fn remember(&self, user: UserId, located: &Located, asked: u64) {
        let mut stripe = self.stripe(&user);
        if stripe.forgotten != asked {
            return;
        }
        if stripe.of.len() >= STRIPE_MAX {
            stripe.of = HashMap::new();
        }
        stripe.of.insert(user, located.clone());
    }

    pub(crate) fn forget(&self, user: &UserId) {
        let mut stripe = self.stripe(user);
        stripe.of.remove(user);
        stripe.forgotten += 1;
    }

    pub(crate) fn forget_all(&self) {
        for stripe in &self.stripes {
            let mut stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            stripe.of = HashMap::new();
            stripe.forgotten += 1;
        }
    }
}

impl PresenceWatcher for Whereabouts {
    fn changed(&self, users: Vec<UserId>) {
        for user in users {
            self.forget(&user);
        }
    }

    fn all_changed(&self) {
        self.forget_all();
    }
}
