//! Two fetches at once by one user are served one after the other, whichever sessions they come from.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use linker_core::id::UserId;

use super::{SessionEntry, ToSession};

/// Who is being served for each user, and who waits.
#[derive(Default)]
pub(crate) struct FetchTurns {
    of: Mutex<HashMap<UserId, VecDeque<Arc<SessionEntry>>>>,
}

impl FetchTurns {
    /// Queues a session, if it is not queued yet; true when it is its turn.
    pub(crate) fn acquire(&self, entry: &Arc<SessionEntry>) -> bool {
        let mut turns = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = turns.entry(entry.user).or_default();
        if !queue.iter().any(|waiting| waiting.id == entry.id) {
            queue.push_back(Arc::clone(entry));
        }
        queue.front().is_some_and(|first| first.id == entry.id)
    }

    /// A session has been served, or waits no more.
    pub(crate) fn release(&self, entry: &Arc<SessionEntry>) {
        let mut turns = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = turns.get_mut(&entry.user) else {
            return;
        };
        let served = queue.front().is_some_and(|first| first.id == entry.id);
        if let Some(place) = queue.iter().position(|waiting| waiting.id == entry.id) {
            queue.remove(place);
        }
        if served && let Some(next) = queue.front() {
            // When its mailbox is full it asks again by itself before long; when it is gone it is about to release its place.
            let _ = next.post(ToSession::FetchGranted);
        }
        if queue.is_empty() {
            turns.remove(&entry.user);
        }
    }
}
