//! What goes to the registry at once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::messages::PresenceOp;
use crate::session::SessionEntry;

/// Changes looked at for one batch, and at most in it.
pub(super) const BATCH_MAX: usize = 512;

/// Sessions that come and sessions that go, each in order. No user has both, so that the two may be told in any order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) coming: Vec<Arc<SessionEntry>>,
    pub(super) going: Vec<Arc<SessionEntry>>,
}

impl Batch {
    /// Takes the next ones out of `waiting`. Where clients come and go all the time, sorts alternate, so that runs of one sort would be short; only of
    /// the same user must nothing be overtaken.
    pub(super) fn take(waiting: &mut VecDeque<PresenceOp>) -> Self {
        let mut batch = Self::default();
        let (mut coming, mut going, mut held) = (HashSet::new(), HashSet::new(), HashSet::new());
        let looked_at = waiting.len().min(BATCH_MAX);
        let mut kept = Vec::new();
        for op in waiting.drain(..looked_at) {
            let (entry, list, users, others) = match &op {
                PresenceOp::Register(entry) => (entry, &mut batch.coming, &mut coming, &going),
                PresenceOp::Farewell(entry) => (entry, &mut batch.going, &mut going, &coming),
            };
            if others.contains(&entry.user) {
                held.insert(entry.user);
            }
            if held.contains(&entry.user) {
                kept.push(op);
            } else {
                users.insert(entry.user);
                list.push(Arc::clone(entry));
            }
        }
        for op in kept.into_iter().rev() {
            waiting.push_front(op);
        }
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.coming.is_empty() && self.going.is_empty()
    }
}
