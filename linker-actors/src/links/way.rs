//! The way to one other domain: open, so that messages go to the link at once, or shut, so that they are stored behind those that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use linker_core::id::DomainName;
use tokio::sync::Notify;

use super::neighbour::Neighbour;

const OPEN: u64 = 0;
const SHUT: u64 = 1;
const PARKING: u64 = 2;
const MODE: u64 = 3;
/// Each message that is being stored for this way counts so much.
const DIVERTED: u64 = 4;

/// What becomes of a message for that domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It goes to the link.
    Open,
    /// It is stored.
    Shut,
    /// It waits a moment: the last of what was stored is just going ahead.
    Parking,
}

/// The way to one other domain, for all routers of the node.
pub(crate) struct Way {
    pub(super) home: DomainName,
    /// The mode, and how many messages are being stored for it: it does not open before they are, or they would be left behind.
    gate: AtomicU64,
    /// The neighbour to hand over to, while there is one whose link is up.
    hop: ArcSwapOption<Neighbour>,
    /// For whoever hands over what is stored.
    changed: Notify,
}

impl Way {
    /// Shut: something may be in the store from before.
    pub(super) fn new(home: DomainName) -> Arc<Self> {
        Arc::new(Self {
            home,
            gate: AtomicU64::new(SHUT),
            hop: ArcSwapOption::empty(),
            changed: Notify::new(),
        })
    }

    pub(super) fn mode(&self) -> Mode {
        match self.gate.load(Ordering::Acquire) & MODE {
            OPEN => Mode::Open,
            SHUT => Mode::Shut,
            _ => Mode::Parking,
        }
    }

    pub(super) fn hop(&self) -> Option<Arc<Neighbour>> {
        self.hop.load_full()
    }

    /// Without one the way is shut.
    pub(super) fn set_hop(&self, hop: Option<Arc<Neighbour>>) {
        let is_gone = hop.is_none();
        let former = self.hop.swap(hop);
        if is_gone && former.is_some() {
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

    /// A message is about to be stored. False when the way is not shut (any more), and nothing was noted; `anyhow`: noted all the same.
    pub(super) fn divert(&self, anyhow: bool) -> bool {
        let noted = |gate: u64| (anyhow || gate & MODE == SHUT).then_some(gate + DIVERTED);
        self.gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, noted)
            .is_ok()
    }

    /// It is stored.
    pub(super) fn stored(&self) {
        self.gate.fetch_sub(DIVERTED, Ordering::AcqRel);
        self.changed.notify_one();
    }

    pub(super) fn is_being_diverted(&self) -> bool {
        self.gate.load(Ordering::Acquire) >= DIVERTED
    }

    /// From now on messages are stored.
    pub(super) fn shut(&self) {
        let shut = |gate: u64| (gate & MODE != SHUT).then_some((gate & !MODE) | SHUT);
        if self
            .gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, shut)
            .is_ok()
        {
            self.changed.notify_one();
        }
    }

    /// From now on messages wait until it is decided whether it opens.
    pub(super) fn park(&self) -> bool {
        let park = |gate: u64| (gate & MODE == SHUT).then_some((gate & !MODE) | PARKING);
        self.gate
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, park)
            .is_ok()
    }

    /// From now on messages go to the link: unless something was shut or diverted meanwhile.
    pub(super) fn open(&self) -> bool {
        let opened = self
            .gate
            .compare_exchange(PARKING, OPEN, Ordering::AcqRel, Ordering::Acquire);
        opened.is_ok()
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way() -> Arc<Way> {
        Way::new("domain-02".parse().unwrap())
    }

    #[test]
    fn it_opens_only_when_nothing_is_being_stored_for_it() {
        let way = way();
        assert!(way.divert(false));
        assert!(way.park());
        assert!(!way.open());
        way.stored();
        assert!(way.open());
        assert_eq!(way.mode(), Mode::Open);
    }

    #[test]
    fn what_is_stored_while_it_is_open_keeps_it_from_opening_again() {
        let way = way();
        assert!(way.park() && way.open());
        assert!(!way.divert(false));
        assert!(way.divert(true));
        assert_eq!(way.mode(), Mode::Open);
        way.shut();
        assert!(way.park());
        assert!(!way.open());
        way.stored();
        assert!(way.open());
    }

    #[test]
    fn what_shuts_it_while_it_is_about_to_open_wins() {
        let way = way();
        assert!(way.park());
        way.shut();
        assert!(!way.open());
        assert_eq!(way.mode(), Mode::Shut);
    }
}
