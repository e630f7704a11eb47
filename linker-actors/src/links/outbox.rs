//! What waits for one link, slot by slot: collected into batches, which grow while others are under way.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use linker_core::bus::{BatchWriter, BusFrame};
use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::NodeInstance;
use linker_core::port::{LINK_SLOTS, LinkWay, slot_of};

/// A batch is closed when it has grown to this.
pub(super) const BATCH_BYTES: usize = 64 * 1024;
/// RELIABLE messages are taken for one link until so much waits for it; then they wait in the store.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The same of FAST ones; then they are dropped.
const FAST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Some messages on their way to the neighbour.
pub(super) struct Batch {
    pub(super) way: LinkWay,
    pub(super) payload: Bytes,
    /// Whom to tell what becomes of them; none of FAST ones.
    pub(super) tickets: Vec<Ticket>,
}

struct Slot {
    way: LinkWay,
    writer: BatchWriter,
    tickets: Vec<Ticket>,
    ready: VecDeque<(Bytes, Vec<Ticket>)>,
}

impl Slot {
    fn new(me: &NodeInstance, way: LinkWay) -> Self {
        Self {
            way,
            writer: BatchWriter::new(me),
            tickets: Vec::new(),
            ready: VecDeque::new(),
        }
    }

    fn push(&mut self, frame: &BusFrame, ticket: Option<Ticket>, batch_bytes: usize) -> usize {
        let before = self.writer.len();
        self.writer.push(frame);
        self.tickets.extend(ticket);
        let added = self.writer.len() - before;
        if self.writer.len() >= batch_bytes {
            let tickets = std::mem::take(&mut self.tickets);
            self.ready.push_back((self.writer.take(), tickets));
        }
        added
    }

    fn next(&mut self) -> Option<Batch> {
        let (payload, tickets) = match self.ready.pop_front() {
            Some(batch) => batch,
            None if self.writer.is_empty() => return None,
            None => (self.writer.take(), std::mem::take(&mut self.tickets)),
        };
        Some(Batch {
            way: self.way,
            payload,
            tickets,
        })
    }

    fn clear(&mut self) {
        self.writer.take();
        self.tickets.clear();
        self.ready.clear();
    }
}

/// Collects for one link.
pub(super) struct Outbox {
    /// Grows when what was handed over may be lost: whoever does not know of it yet hands nothing over.
    pub(super) epoch: u64,
    reliable: Vec<Slot>,
    fast: Vec<Slot>,
    reliable_bytes: usize,
    fast_bytes: usize,
    /// Whose turn it is: no slot waits for ever.
    turn: usize,
    pub(super) batch_bytes: usize,
}

impl Outbox {
    pub(super) fn new(me: &NodeInstance) -> Self {
        let slots = |way: fn(u8) -> LinkWay| (0..LINK_SLOTS).map(|slot| Slot::new(me, way(slot))).collect();
        Self {
            epoch: 1,
            reliable: slots(LinkWay::Reliable),
            fast: slots(LinkWay::Fast),
            reliable_bytes: 0,
            fast_bytes: 0,
            turn: 0,
            batch_bytes: BATCH_BYTES,
        }
    }

    pub(super) fn waiting_bytes(&self) -> usize {
        self.reliable_bytes
    }

    /// False where too much waits already.
    pub(super) fn push(&mut self, envelope: Arc<Envelope>, ticket: Ticket) -> bool {
        if self.reliable_bytes > WAITING_BYTES_MAX {
            return false;
        }
        let slot = usize::from(slot_of(&envelope.from, &envelope.to));
        let frame = BusFrame::Deliver {
            ticket: None,
            envelope,
        };
        self.reliable_bytes += self.reliable[slot].push(&frame, Some(ticket), self.batch_bytes);
        true
    }

    /// False where too much waits already.
    pub(super) fn push_fast(&mut self, slot: u8, frame: &BusFrame) -> bool {
        if self.fast_bytes > FAST_BYTES_MAX {
            return false;
        }
        self.fast_bytes += self.fast[usize::from(slot)].push(frame, None, self.batch_bytes);
        true
    }

    pub(super) fn next_reliable(&mut self) -> Option<Batch> {
        for step in 0..self.reliable.len() {
            let slot = (self.turn + step) % self.reliable.len();
            if let Some(batch) = self.reliable[slot].next() {
                self.turn = slot + 1;
                self.reliable_bytes = self.reliable_bytes.saturating_sub(batch.payload.len());
                return Some(batch);
            }
        }
        self.reliable_bytes = 0;
        None
    }

    pub(super) fn next_fast(&mut self) -> Option<Batch> {
        let batch = self.fast.iter_mut().find_map(Slot::next);
        match &batch {
            Some(batch) => self.fast_bytes = self.fast_bytes.saturating_sub(batch.payload.len()),
            None => self.fast_bytes = 0,
        }
        batch
    }

    /// What waits and what was handed over is given up.
    pub(super) fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.reliable
            .iter_mut()
            .chain(&mut self.fast)
            .for_each(Slot::clear);
        self.reliable_bytes = 0;
        self.fast_bytes = 0;
    }
}
