//! The nodes that live, this one aside.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use linker_core::id::{NodeInstance, SessionId};
use linker_core::trace::Sampling;

use super::Peer;

#[derive(Default)]
pub(crate) struct Peers {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    of: HashMap<NodeInstance, Arc<Peer>>,
    by_id: HashMap<SessionId, Arc<Peer>>,
    next: u32,
}

impl Peers {
    pub(crate) fn of(&self, instance: &NodeInstance) -> Option<Arc<Peer>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.of.get(instance).cloned()
    }

    pub(crate) fn by_id(&self, id: SessionId) -> Option<Arc<Peer>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_id.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.of.values().cloned().collect()
    }

    /// The peer, and whether it is new.
    pub(super) fn add(
        &self,
        me: &NodeInstance,
        instance: &NodeInstance,
        sampling: Sampling,
    ) -> (Arc<Peer>, bool) {
        if let Some(known) = self.of(instance) {
            return (known, false);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = known.of.get(instance) {
            return (Arc::clone(peer), false);
        }
        known.next += 1;
        let peer = Peer::new(me, instance.clone(), known.next, sampling);
        known.of.insert(instance.clone(), Arc::clone(&peer));
        known.by_id.insert(peer.id, Arc::clone(&peer));
        (peer, true)
    }

    pub(super) fn remove(&self, peer: &Peer) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.of.remove(&peer.instance);
        known.by_id.remove(&peer.id);
    }
}
