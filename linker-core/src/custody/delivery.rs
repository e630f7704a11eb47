//! A message on its way to one session.

use std::sync::Arc;

use crate::envelope::Envelope;

/// Names a pending message at the router that answers for it, for proofs and give-backs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Which router of the node.
    pub shard: u16,
    /// Place in its table.
    pub slot: u32,
    /// Tells earlier users of the place from this one.
    pub generation: u32,
}

/// What custody of a message takes besides the envelope: its place in the table of those pending, in the proof window, and among the references that are remembered.
const UNPROVEN_BYTES: usize = 448;

/// A message handed to a session.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub envelope: Arc<Envelope>,
    /// Where to report proof to; `None` where nobody wants to know.
    pub ticket: Option<Ticket>,
    /// It came though the session is behind, because another session of the user gets it too: it waits until this one has caught up.
    pub courtesy: bool,
}

impl Delivery {
    /// Bytes it counts for with its session: the memory it takes until it is proven, so that a session that proves nothing costs no more than its bound.
    pub fn cost(&self) -> usize {
        self.envelope.cost() + self.ticket.map_or(0, |_| UNPROVEN_BYTES)
    }
}
