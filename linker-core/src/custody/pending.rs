//! The table of pending messages.

use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use smallvec::SmallVec;

use super::dedupe::DedupeKey;
use super::delivery::Ticket;
use super::effect::Origin;
use crate::envelope::{Envelope, Feature};
use crate::id::{DomainName, MessageId, SessionId};
use crate::port::WaitReason;

/// Places an idle table may keep.
const IDLE_CAPACITY_MAX: usize = 1024;

/// Where a pending message's row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    None,
    /// Handed to the store; its answer is awaited.
    Queued(WaitReason),
    /// It is in the store, and says that it waits for this.
    Stored(WaitReason),
    /// Another node answers for it, and knows. `claimed`: pages pass it over.
    Guest {
        claimed: bool,
    },
    /// It repeats this message, and the store is asked whether that one still waits. It is offered to nobody.
    Asked(MessageId),
}

impl Row {
    pub(super) fn is_guest(self) -> bool {
        matches!(self, Self::Guest { .. })
    }

    /// The same where the recipient's home has changed: it waits for [`WaitReason::Forward`] to where nobody is to take it.
    pub(super) fn of_another_home(self) -> Self {
        match self {
            Self::Queued(WaitReason::Forward) => Self::Queued(WaitReason::Fault),
            Self::Stored(WaitReason::Forward) => Self::Stored(WaitReason::Fault),
            other => other,
        }
    }

    pub(super) fn is_stored(self) -> bool {
        matches!(self, Self::Stored(_))
    }
}

/// Who was told to expect a message from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Diverted<S> {
    Session(S),
    /// Sessions of that node, by its own ticket.
    Guest(S, Ticket),
}

/// A message somebody has to prove.
#[derive(Debug)]
pub(super) struct Pending<S> {
    pub(super) generation: u32,
    pub(super) envelope: Arc<Envelope>,
    pub(super) origin: Origin<S>,
    pub(super) accepted: bool,
    pub(super) settled: bool,
    pub(super) taken_at: Duration,
    pub(super) key: Option<DedupeKey>,
    /// Sessions, and other nodes, that have it unproven.
    pub(super) holders: SmallVec<[SessionId; 2]>,
    /// Sessions that are behind and were told to expect it from the store.
    pub(super) diverted: SmallVec<[Diverted<S>; 1]>,
    /// Presence is asked where else the recipient is.
    pub(super) sought: bool,
    /// When it was seen to be in the store.
    pub(super) stored_at: Duration,
    /// Presence was asked once more after it was stored.
    pub(super) looked_once_more: bool,
    /// Nodes that answered that they have nobody.
    pub(super) refused_by: SmallVec<[SessionId; 1]>,
    /// When other nodes were last sent it, or asked for it.
    pub(super) asked_at: Duration,
    /// They were asked since they were sent it: who does not have it may never have got it.
    pub(super) asked: bool,
    pub(super) row: Row,
    /// Its content is in the store only.
    pub(super) stripped: bool,
    /// Sessions of another node that are behind are to find it in the store: its row has to say so.
    pub(super) wants_behind: bool,
    /// It is in its recipient's line.
    pub(super) in_line: bool,
    /// Where its recipient lives, in another domain; as it was when it was last tried.
    pub(super) home: Option<DomainName>,
    /// The way there is about to open.
    pub(super) parked: bool,
    /// The way to this domain stays shut until it is stored. Its recipient may live elsewhere by then.
    pub(super) diverted_forward: Option<DomainName>,
    /// The stored message that this confirmation is for: its row goes when this one is stored, or proven.
    pub(super) replaces: Option<MessageId>,
}

impl<S> Pending<S> {
    pub(super) fn feature_is_reliable(&self) -> bool {
        self.envelope.feature == Feature::Reliable
    }

    /// Somebody has it, or may be found who takes it.
    pub(super) fn is_held(&self) -> bool {
        !self.holders.is_empty() || self.sought || self.parked
    }
}

/// Pending messages of one router, found by ticket in one step.
#[derive(Debug)]
pub(super) struct PendingTable<S> {
    shard: u16,
    generation: u32,
    slots: Slab<Pending<S>>,
}

impl<S> PendingTable<S> {
    pub(super) fn new(shard: u16) -> Self {
        Self {
            shard,
            generation: 0,
            slots: Slab::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn insert(&mut self, mut pending: Pending<S>) -> Ticket {
        self.generation = self.generation.wrapping_add(1);
        pending.generation = self.generation;
        let slot = self.slots.insert(pending) as u32;
        Ticket {
            shard: self.shard,
            slot,
            generation: self.generation,
        }
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Pending<S>> {
        let pending = self.slots.get_mut(ticket.slot as usize)?;
        (pending.generation == ticket.generation && ticket.shard == self.shard).then_some(pending)
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Pending<S>> {
        self.get_mut(ticket)?;
        let pending = self.slots.try_remove(ticket.slot as usize)?;
        // A burst must not keep its memory for ever.
        if self.slots.is_empty() && self.slots.capacity() > IDLE_CAPACITY_MAX {
            self.slots = Slab::new();
        }
        Some(pending)
    }

    /// The message of this id. Walks through all.
    pub(super) fn find(&self, id: &MessageId) -> Option<&Pending<S>> {
        self.slots
            .iter()
            .map(|(_, pending)| pending)
            .find(|pending| pending.envelope.id == *id)
    }

    /// All, oldest first.
    pub(super) fn tickets(&self) -> Vec<Ticket> {
        let ticket = |(slot, pending): (usize, &Pending<S>)| Ticket {
            shard: self.shard,
            slot: slot as u32,
            generation: pending.generation,
        };
        let mut tickets: Vec<Ticket> = self.slots.iter().map(ticket).collect();
        // From the one that will be given next, so that it holds also where the numbers begin anew.
        tickets
            .sort_unstable_by_key(|ticket| ticket.generation.wrapping_sub(self.generation).wrapping_sub(1));
        tickets
    }

    /// Takes out everything, oldest first.
    pub(super) fn drain(&mut self) -> Vec<Pending<S>> {
        let mut all: Vec<_> = self.slots.drain().collect();
        all.sort_by_key(|pending| pending.generation);
        self.slots = Slab::new();
        all
    }
}
