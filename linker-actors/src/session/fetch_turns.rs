//! Two fetches at once by one user are served one after the other, whichever sessions they come from.
//!
//! The sessions of this node queue here. Where there are other nodes, it is this node's turn in the domain besides: who is first in a queue starts its
//! keeper (`cluster/turns.rs`), and is served once that has opened it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::id::{SessionId, UserId};
use tokio::sync::Notify;

use super::{SessionEntry, ToSession};

/// Who is being served for each user, and who waits.
pub(crate) struct FetchTurns {
    shared: bool,
    of: Mutex<HashMap<UserId, Turns>>,
}

#[derive(Default)]
struct Turns {
    /// Who is served, if anybody, and who waits.
    queue: VecDeque<Arc<SessionEntry>>,
    served: Option<SessionId>,
    /// Who is first may be served.
    open: bool,
    /// Another node waits for its turn: nobody more is served in this one.
    wanted: bool,
    /// How its keeper learns that somebody was served.
    keeper: Option<Arc<Notify>>,
}

/// Whether a session may fetch.
pub(crate) enum FetchTurn {
    Now,
    /// It will be told.
    Later,
    /// The same, and the queue needs a keeper, which is to be told by this.
    Unkept(Arc<Notify>),
}

impl Turns {
    /// Who is first, if it was not being served already.
    fn serve_first(&mut self) -> Option<&Arc<SessionEntry>> {
        if !self.open || self.served.is_some() {
            return None;
        }
        let first = self.queue.front()?;
        self.served = Some(first.id);
        Some(first)
    }

    fn tell_first(&mut self) {
        if let Some(first) = self.serve_first() {
            // When its mailbox is full it asks again by itself before long; when it is gone it is about to release its place.
            let _ = first.post(ToSession::FetchGranted);
        }
    }
}

impl FetchTurns {
    /// `shared`: other nodes may have sessions of the same users.
    pub(crate) fn new(shared: bool) -> Self {
        Self {
            shared,
            of: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Turns>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a session, if it is not queued yet.
    pub(crate) fn acquire(&self, entry: &Arc<SessionEntry>) -> FetchTurn {
        let mut of = self.lock();
        let turns = of.entry(entry.user).or_default();
        if !turns.queue.iter().any(|waiting| waiting.id == entry.id) {
            turns.queue.push_back(Arc::clone(entry));
        }
        if !self.shared {
            turns.open = true;
        } else if turns.keeper.is_none() {
            let keeper = Arc::new(Notify::new());
            turns.keeper = Some(Arc::clone(&keeper));
            return FetchTurn::Unkept(keeper);
        }
        turns.serve_first();
        match turns.served == Some(entry.id) {
            true => FetchTurn::Now,
            false => FetchTurn::Later,
        }
    }

    /// A session has been served, or waits no more.
    pub(crate) fn release(&self, entry: &Arc<SessionEntry>) {
        let mut of = self.lock();
        let Some(turns) = of.get_mut(&entry.user) else {
            return;
        };
        let Some(place) = turns.queue.iter().position(|waiting| waiting.id == entry.id) else {
            return;
        };
        turns.queue.remove(place);
        if turns.served == Some(entry.id) {
            turns.served = None;
            turns.open &= !turns.wanted;
        }
        turns.tell_first();
        match &turns.keeper {
            Some(keeper) => keeper.notify_one(),
            None if turns.queue.is_empty() => drop(of.remove(&entry.user)),
            None => {}
        }
    }

    /// Its keeper: whether anybody is in the queue.
    pub(crate) fn is_wanted_here(&self, user: &UserId) -> bool {
        self.lock().get(user).is_some_and(|turns| !turns.queue.is_empty())
    }

    /// Its keeper: it is this node's turn. `wanted`: for one fetch.
    pub(crate) fn open(&self, user: &UserId, wanted: bool) {
        if let Some(turns) = self.lock().get_mut(user) {
            turns.open = true;
            turns.wanted = wanted;
            turns.tell_first();
        }
    }

    /// Its keeper: another node waits, so the fetch that is being served is the last of this turn.
    pub(crate) fn yield_next(&self, user: &UserId) {
        if let Some(turns) = self.lock().get_mut(user) {
            turns.wanted = true;
        }
    }

    /// Its keeper: whether a fetch is being served.
    pub(crate) fn is_serving(&self, user: &UserId) -> bool {
        self.lock().get(user).is_some_and(|turns| turns.served.is_some())
    }

    /// Its keeper: the turn is over, if nobody is being served. Answers whether it is.
    pub(crate) fn shut(&self, user: &UserId) -> bool {
        let mut of = self.lock();
        let Some(turns) = of.get_mut(user) else {
            return true;
        };
        let idle = turns.served.is_none();
        turns.open &= !idle;
        idle
    }

    /// Its keeper leaves, unless somebody waits. Answers whether it may.
    pub(crate) fn leave(&self, user: &UserId) -> bool {
        let mut of = self.lock();
        let left = of.get(user).is_none_or(|turns| turns.queue.is_empty());
        if left {
            of.remove(user);
        }
        left
    }
}
