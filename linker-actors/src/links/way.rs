//! The way to one other domain: its gate, and the neighbour that is next on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use linker_core::id::DomainName;
use linker_core::link::Gate;
use tokio::sync::Notify;

use super::neighbour::Neighbour;

/// The way to one other domain, for all routers of the node.
pub(crate) struct Way {
    pub(super) home: DomainName,
    pub(super) gate: Gate,
    /// The neighbour to hand over to, while there is one whose link is up.
    hop: ArcSwapOption<Neighbour>,
    /// Grows when another neighbour is next: what the former one had may come back to the store.
    turns: AtomicU64,
    /// For whoever hands over what is stored.
    changed: Notify,
}

impl Way {
    pub(super) fn new(home: DomainName) -> Arc<Self> {
        Arc::new(Self {
            home,
            gate: Gate::default(),
            hop: ArcSwapOption::empty(),
            turns: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    pub(super) fn hop(&self) -> Option<Arc<Neighbour>> {
        self.hop.load_full()
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Without one the way is shut.
    pub(super) fn set_hop(&self, hop: Option<Arc<Neighbour>>) {
        let id = hop.as_ref().map(|hop| hop.id);
        let former = self.hop.swap(hop);
        if former.as_ref().map(|hop| hop.id) == id {
            return;
        }
        self.turns.fetch_add(1, Ordering::AcqRel);
        if id.is_none() {
            self.shut();
        }
        self.changed.notify_one();
    }

    /// The link of this neighbour is down.
    pub(super) fn lose(&self, neighbour: &Arc<Neighbour>) {
        let is_it = |hop: &Arc<Neighbour>| Arc::ptr_eq(hop, neighbour);
        if self.hop.load().as_ref().is_some_and(is_it) {
            self.set_hop(None);
        }
    }

    /// What was diverted is stored.
    pub(super) fn stored(&self) {
        self.gate.stored();
        self.changed.notify_one();
    }

    /// From now on messages are stored.
    pub(super) fn shut(&self) {
        if self.gate.shut() {
            self.changed.notify_one();
        }
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
