//! Which sessions are on this node: one map for all threads.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::id::{AppName, SessionId, UserId};
use smallvec::SmallVec;

use super::SessionEntry;
use crate::runtime::by_user::{ByUser, OfUser};

const STRIPES: usize = 64;

type Stripe = ByUser<Arc<SessionEntry>>;

impl OfUser for Arc<SessionEntry> {
    fn user(&self) -> &UserId {
        &self.user
    }
}

/// Logged-in sessions by user, oldest first.
pub(crate) struct SessionTable {
    stripes: Vec<Mutex<Stripe>>,
    hasher: RandomState,
    len: AtomicUsize,
    by_app: Mutex<HashMap<AppName, usize>>,
}

impl SessionTable {
    pub(crate) fn new() -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::default()).collect();
        Self {
            stripes,
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
            by_app: Mutex::default(),
        }
    }

    fn stripe(&self, user: &UserId) -> MutexGuard<'_, Stripe> {
        let index = self.hasher.hash_one(user) as usize % STRIPES;
        self.stripes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room: an app has at most `max_of_app` sessions, 0 is no limit.
    #[must_use]
    pub(crate) fn insert(&self, entry: Arc<SessionEntry>, max_of_app: usize) -> bool {
        if !self.count(entry.user.app(), max_of_app) {
            return false;
        }
        self.stripe(&entry.user).push(entry);
        self.len.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn apps(&self) -> MutexGuard<'_, HashMap<AppName, usize>> {
        self.by_app.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, app: &AppName, max: usize) -> bool {
        let mut apps = self.apps();
        let known = apps.entry(*app).or_default();
        let has_room = max == 0 || *known < max;
        *known += usize::from(has_room);
        has_room
    }

    fn discount(&self, app: &AppName, sessions: usize) {
        let mut apps = self.apps();
        if let Some(known) = apps.get_mut(app) {
            *known = known.saturating_sub(sessions);
            if *known == 0 {
                apps.remove(app);
            }
        }
    }

    pub(crate) fn remove(&self, entry: &SessionEntry) {
        entry.close();
        let (gone, _) = self
            .stripe(&entry.user)
            .retain(&entry.user, |known| known.id != entry.id);
        if gone > 0 {
            self.len.fetch_sub(gone, Ordering::Relaxed);
            self.discount(entry.user.app(), gone);
        }
    }

    pub(crate) fn of(&self, user: &UserId) -> SmallVec<[Arc<SessionEntry>; 2]> {
        self.stripe(user).of(user).iter().cloned().collect()
    }

    pub(crate) fn find(&self, user: &UserId, session: SessionId) -> Option<Arc<SessionEntry>> {
        self.stripe(user)
            .of(user)
            .iter()
            .find(|entry| entry.id == session)
            .cloned()
    }

    /// The sessions of all users that are `meant`. One part of the table is locked at a time.
    pub(crate) fn of_users(&self, meant: impl Fn(&UserId) -> bool) -> Vec<Arc<SessionEntry>> {
        let mut found = Vec::new();
        for stripe in &self.stripes {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(stripe.all().filter(|entry| meant(&entry.user)).cloned());
        }
        found
    }

    /// How many do not keep up, and those that are behind the longest, at most `max` of them.
    pub(crate) fn slow(&self, max: usize) -> (usize, Vec<Arc<SessionEntry>>) {
        let (mut total, mut found) = (0, Vec::new());
        let keep_longest = |found: &mut Vec<Arc<SessionEntry>>| {
            found.sort_by_key(|entry| entry.behind_since_ms());
            found.truncate(max);
        };
        for stripe in &self.stripes {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in stripe.all().filter(|entry| entry.is_slow()) {
                total += 1;
                if max > 0 {
                    found.push(Arc::clone(entry));
                }
                // What there are thousands of is not kept.
                if found.len() > 2 * max {
                    keep_longest(&mut found);
                }
            }
        }
        keep_longest(&mut found);
        (total, found)
    }

    pub(crate) fn all(&self) -> Vec<Arc<SessionEntry>> {
        let mut all = Vec::with_capacity(self.len());
        for stripe in &self.stripes {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(stripe.all().cloned());
        }
        all
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}
