//! Whether messages for another domain go to a link at once, or to the store behind those that wait there.

use std::sync::atomic::{AtomicU64, Ordering};

const OPEN: u64 = 0;
const SHUT: u64 = 1;
const PARKING: u64 = 2;
const MODE: u64 = 3;
/// Each message that is being stored counts so much.
const DIVERTED: u64 = 4;

/// What becomes of a message for that domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateMode {
    /// It goes to the link.
    Open,
    /// It is stored.
    Shut,
    /// It waits a moment: the last of what was stored is just going ahead.
    Parking,
}

/// The gate of the way to one other domain, shared by the routers of a node.
#[derive(Debug)]
pub struct Gate {
    /// The mode, and how many messages are being stored: it does not open before they are, or they would be left behind.
    state: AtomicU64,
}

impl Default for Gate {
    /// Shut: something may be in the store from before.
    fn default() -> Self {
        Self {
            state: AtomicU64::new(SHUT),
        }
    }
}

impl Gate {
    /// The mode.
    pub fn mode(&self) -> GateMode {
        match self.state.load(Ordering::Acquire) & MODE {
            OPEN => GateMode::Open,
            SHUT => GateMode::Shut,
            _ => GateMode::Parking,
        }
    }

    /// A message is about to be stored. False when the gate is not shut (any more), and nothing was noted; `anyhow`: noted all the same.
    pub fn divert(&self, anyhow: bool) -> bool {
        self.update(|state| (anyhow || state & MODE == SHUT).then_some(state + DIVERTED))
    }

    /// It is stored.
    pub fn stored(&self) {
        self.update(|state| state.checked_sub(DIVERTED));
    }

    /// Whether something is being stored.
    pub fn is_diverting(&self) -> bool {
        self.state.load(Ordering::Acquire) >= DIVERTED
    }

    /// From now on messages are stored. False where they were already.
    pub fn shut(&self) -> bool {
        self.update(|state| (state & MODE != SHUT).then_some((state & !MODE) | SHUT))
    }

    /// From now on messages wait until it is decided whether it opens. False where it was not shut.
    pub fn park(&self) -> bool {
        self.update(|state| (state & MODE == SHUT).then_some((state & !MODE) | PARKING))
    }

    /// From now on messages go to the link: unless the gate was shut, or something was diverted, meanwhile.
    pub fn open(&self) -> bool {
        let opened = self
            .state
            .compare_exchange(PARKING, OPEN, Ordering::AcqRel, Ordering::Acquire);
        opened.is_ok()
    }

    fn update(&self, change: impl FnMut(u64) -> Option<u64>) -> bool {
        let updated = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
        updated.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_only_when_nothing_is_being_stored() {
        let gate = Gate::default();
        assert!(gate.divert(false));
        assert!(gate.park());
        assert!(!gate.open());
        gate.stored();
        assert!(gate.open());
        assert_eq!(gate.mode(), GateMode::Open);
    }

    #[test]
    fn what_is_stored_while_it_is_open_keeps_it_from_opening_again() {
        let gate = Gate::default();
        assert!(gate.park() && gate.open());
        assert!(!gate.divert(false));
        assert!(gate.divert(true));
        assert_eq!(gate.mode(), GateMode::Open);
        assert!(gate.shut());
        assert!(gate.park());
        assert!(!gate.open());
        gate.stored();
        assert!(gate.open());
    }

    #[test]
    fn what_shuts_it_while_it_is_about_to_open_wins() {
        let gate = Gate::default();
        assert!(gate.park());
        assert!(gate.shut());
        assert!(!gate.open());
        assert_eq!(gate.mode(), GateMode::Shut);
    }
}
