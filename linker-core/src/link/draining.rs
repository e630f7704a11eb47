//! From shut to open: all that waits in the store for another domain is handed over, oldest first, before anything goes there at once.

use super::gate::{Gate, GateMode};
use crate::custody::AdoptedForward;

/// What whoever drains has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainStep {
    /// Read the next page, of rows behind [`Draining::after_seq`].
    Page,
    /// The same, in a moment: somebody else has the next row, or something is just being stored.
    PageSoon,
    /// The gate is open, and routers are to be told: what was parked goes on.
    Opened,
    /// The gate is open, as others know.
    Done,
}

/// One run from the oldest row to an open gate.
///
/// Rows become visible in the order of their sequence only for one recipient, so the last pass begins at the oldest again, with the gate
/// [`GateMode::Parking`], lest anything comes behind it: when it finds nothing that was not handed over before, and nothing was being stored when it began, nothing is left.
#[derive(Debug)]
pub struct Draining {
    after_seq: u64,
    handed: usize,
    /// Something was being stored when the pass began: it may have passed that by.
    is_unsure: bool,
    /// The pass began while nothing could come behind it.
    is_last: bool,
}

impl Draining {
    /// Begins with the oldest row.
    pub fn begin(gate: &Gate) -> Self {
        Self {
            after_seq: 0,
            handed: 0,
            is_unsure: gate.is_diverting(),
            is_last: gate.mode() == GateMode::Parking,
        }
    }

    /// Only rows behind this one are of interest.
    pub fn after_seq(&self) -> u64 {
        self.after_seq
    }

    /// A page was read and handed over as far as `adopted` tells. `exhausted`: no row was left out. `is_light`: so little is under way that reading it
    /// again costs nothing.
    pub fn on_page(
        &mut self,
        gate: &Gate,
        adopted: AdoptedForward,
        exhausted: bool,
        is_light: bool,
    ) -> DrainStep {
        self.handed += adopted.handed;
        self.after_seq = adopted.last_seq.unwrap_or(self.after_seq);
        if adopted.stopped {
            return DrainStep::PageSoon;
        }
        if !exhausted {
            return DrainStep::Page;
        }
        match gate.mode() {
            GateMode::Open => DrainStep::Done,
            GateMode::Shut if !is_light => DrainStep::PageSoon,
            GateMode::Shut => {
                gate.park();
                *self = Self::begin(gate);
                DrainStep::Page
            }
            GateMode::Parking if self.is_last && self.handed == 0 && !self.is_unsure && gate.open() => {
                DrainStep::Opened
            }
            GateMode::Parking => {
                let soon = self.is_unsure;
                *self = Self::begin(gate);
                match soon {
                    true => DrainStep::PageSoon,
                    false => DrainStep::Page,
                }
            }
        }
    }
}
