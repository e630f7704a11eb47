//! The way to one other domain: its gate, and the neighbour that is next on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use linker_core::custody::Forwarding;
use linker_core::id::{DomainName, SessionId};
use linker_core::link::{Gate, GateMode};
use tokio::sync::Notify;

/// Who takes what goes along a way.
pub(crate) trait Hop: Send + Sync + 'static {
    /// Stands for it where a message's holders are listed.
    fn id(&self) -> SessionId;

    fn is_up(&self) -> bool;

    /// RELIABLE bytes that it has and has not confirmed.
    fn load(&self) -> usize;

    /// Until something was confirmed, or it went away.
    fn room(&self) -> impl Future<Output = ()> + Send;

    /// How much of what waits it is handed at a time.
    fn portion(&self) -> Portion {
        Portion::LARGE
    }
}

/// What is read from the store together, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion {
    pub(crate) max_rows: u32,
    pub(crate) max_bytes: usize,
    /// No more is read while more than this has not been confirmed.
    pub(crate) load_max: usize,
}

impl Portion {
    pub(crate) const LARGE: Self = Self {
        max_rows: 512,
        max_bytes: 1024 * 1024,
        load_max: 2 * 1024 * 1024,
    };
}

/// The way to one other domain, or to the application, for all routers of the node.
pub(crate) struct Way<H> {
    pub(crate) home: DomainName,
    pub(crate) gate: Gate,
    /// The neighbour to hand over to, while there is one whose link is up.
    hop: ArcSwapOption<H>,
    /// Grows when another neighbour is next: what the former one had may come back to the store.
    turns: AtomicU64,
    /// For whoever hands over what is stored.
    changed: Notify,
}

impl<H: Hop> Way<H> {
    pub(crate) fn new(home: DomainName) -> Arc<Self> {
        Arc::new(Self {
            home,
            gate: Gate::default(),
            hop: ArcSwapOption::empty(),
            turns: AtomicU64::new(0),
            changed: Notify::new(),
        })
    }

    pub(crate) fn hop(&self) -> Option<Arc<H>> {
        self.hop.load_full()
    }

    /// What becomes of a RELIABLE message that wants to go along. `first`: it has waited in the store, and nothing is ahead of it. `offer`: whether the next hop takes it.
    pub(crate) fn hand_over(&self, first: bool, offer: impl FnOnce(&Arc<H>) -> bool) -> Forwarding {
        match self.gate.mode() {
            GateMode::Shut if !first => return Forwarding::Shut,
            GateMode::Parking if !first => return Forwarding::Parked,
            GateMode::Open | GateMode::Shut | GateMode::Parking => {}
        }
        match self.hop() {
            Some(hop) if offer(&hop) => Forwarding::Sent(hop.id()),
            _ => {
                self.shut();
                Forwarding::Shut
            }
        }
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Acquire)
    }

    /// Without one the way is shut.
    pub(crate) fn set_hop(&self, hop: Option<Arc<H>>) {
        let id = hop.as_ref().map(|hop| hop.id());
        let former = self.hop.swap(hop);
        if former.as_ref().map(|hop| hop.id()) == id {
            return;
        }
        self.turns.fetch_add(1, Ordering::AcqRel);
        if id.is_none() {
            self.shut();
        }
        self.changed.notify_one();
    }

    /// The link of this neighbour is down.
    pub(super) fn lose(&self, neighbour: &Arc<H>) {
        let is_it = |hop: &Arc<H>| Arc::ptr_eq(hop, neighbour);
        if self.hop.load().as_ref().is_some_and(is_it) {
            self.set_hop(None);
        }
    }

    /// What was diverted is stored.
    pub(crate) fn stored(&self) {
        self.gate.stored();
        self.changed.notify_one();
    }

    /// From now on messages are stored.
    pub(crate) fn shut(&self) {
        if self.gate.shut() {
            self.changed.notify_one();
        }
    }

    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }
}
