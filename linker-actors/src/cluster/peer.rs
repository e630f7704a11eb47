//! Another node, as routers see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linker_core::bus::BusFrame;
use linker_core::custody::{NodeWord, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::{NodeInstance, SessionId};
use linker_core::trace::Sampling;

use super::outbox::Outbox;

/// What became of a message for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Sent,
    Gone,
    Away,
}

/// Another node of the domain.
pub(crate) struct Peer {
    pub(crate) instance: NodeInstance,
    /// Stands for it where a message's holders are listed.
    pub(crate) id: SessionId,
    gone: AtomicBool,
    pub(super) outbox: Outbox,
}

impl Peer {
    pub(super) fn new(
        me: &NodeInstance,
        instance: NodeInstance,
        number: u32,
        sampling: Sampling,
    ) -> Arc<Self> {
        Arc::new(Self {
            instance,
            id: SessionId::of_node(number),
            gone: AtomicBool::new(false),
            outbox: Outbox::new(me, sampling),
        })
    }

    /// Hands it a message for its sessions. `epoch`: the router knows of no loss since that began.
    pub(crate) fn offer(&self, envelope: &Arc<Envelope>, ticket: Option<Ticket>, epoch: u64) -> Offered {
        if self.is_gone() {
            return Offered::Gone;
        }
        match self.outbox.deliver(envelope, ticket, epoch) {
            true => Offered::Sent,
            false => Offered::Away,
        }
    }

    /// Tells it of a message. Nothing may depend on that it arrives.
    pub(crate) fn tell_word(&self, word: NodeWord) {
        self.tell(&match word {
            NodeWord::Proven(ticket, id) => BusFrame::Proven {
                tickets: vec![(ticket, id)],
            },
            NodeWord::Finish(id) => BusFrame::Finish { ids: vec![id] },
            NodeWord::NotHere(ticket) => BusFrame::NotHere {
                tickets: vec![ticket],
            },
            NodeWord::Behind {
                ticket,
                guest,
                replaying,
            } => BusFrame::Behind {
                ticket,
                guest,
                replaying,
            },
            NodeWord::Stored(guest) => BusFrame::Stored { guests: vec![guest] },
            NodeWord::Dismiss(guest) => BusFrame::Dismiss { guests: vec![guest] },
            NodeWord::Ask(ticket, id) => BusFrame::Ask {
                tickets: vec![(ticket, id)],
            },
        });
    }

    pub(crate) fn tell(&self, frame: &BusFrame) {
        if !self.is_gone() {
            self.outbox.tell(frame);
        }
    }

    /// Since when nothing is known to be lost on the way there.
    pub(crate) fn epoch(&self) -> u64 {
        self.outbox.epoch()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// It lives no more. Answers whether that is news.
    pub(super) fn set_gone(&self) -> bool {
        self.outbox.close();
        !self.gone.swap(true, Ordering::AcqRel)
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node {}", self.instance)
    }
}
