//! What waits for one link, lane by lane: collected into batches, which grow while others are under way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::bus::{BatchWriter, BusFrame};
use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::NodeInstance;
use linker_core::port::{LinkWay, slot_of};
use tokio::time::Instant;

use crate::trace::Carried;

/// A batch is closed when it has grown to this.
pub(super) const BATCH_BYTES: usize = 64 * 1024;
/// RELIABLE messages are taken for one link until so much waits for it; then they wait in the store.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The same of FAST ones; then they are dropped.
const FAST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Slots that share one are batched together: a payload costs as much as dozens of messages in it, so few lanes with large batches are cheaper than many with small ones.
const LANES: u8 = 4;
/// While a lane has something under way, what comes up for it waits for company: until that is confirmed, a batch is full, or so much time has passed since; twice as much for
/// each payload more. So a distant neighbour has a few under way, and a busy one large ones.
const COMPANY: Duration = Duration::from_millis(2);
/// How often that is doubled at most.
const DOUBLED_MAX: usize = 6;
/// FAST payloads sent within [`COMPANY`]; what comes up then waits for more.
const FAST_AT_ONCE: usize = 4;

/// Some messages on their way to the neighbour.
pub(super) struct Batch {
    pub(super) way: LinkWay,
    pub(super) payload: Bytes,
    /// Whom to tell what becomes of them; none of FAST ones.
    pub(super) tickets: Vec<Ticket>,
    /// The traced ones among them.
    pub(super) traced: Vec<Carried>,
}

/// A payload that is full, as in [`Batch`].
struct Full {
    payload: Bytes,
    tickets: Vec<Ticket>,
    traced: Vec<Carried>,
}

struct Lane {
    way: LinkWay,
    writer: BatchWriter,
    tickets: Vec<Ticket>,
    traced: Vec<Carried>,
    ready: VecDeque<Full>,
    under_way: usize,
    /// When the last ones were sent, [`FAST_AT_ONCE`] at most.
    sent: VecDeque<Instant>,
}

impl Lane {
    fn new(me: &NodeInstance, way: LinkWay) -> Self {
        Self {
            way,
            writer: BatchWriter::new(me),
            tickets: Vec::new(),
            traced: Vec::new(),
            ready: VecDeque::new(),
            under_way: 0,
            sent: VecDeque::with_capacity(FAST_AT_ONCE),
        }
    }

    fn push(
        &mut self,
        frame: &BusFrame,
        ticket: Option<Ticket>,
        traced: Option<Carried>,
        batch_bytes: usize,
    ) -> usize {
        let before = self.writer.len();
        self.writer.push(frame);
        self.tickets.extend(ticket);
        self.traced.extend(traced);
        let added = self.writer.len() - before;
        if self.writer.len() >= batch_bytes {
            let full = self.take();
            self.ready.push_back(full);
        }
        added
    }

    fn take(&mut self) -> Full {
        Full {
            payload: self.writer.take(),
            tickets: std::mem::take(&mut self.tickets),
            traced: std::mem::take(&mut self.traced),
        }
    }

    /// Until when it waits for company, if it does.
    fn held_until(&self) -> Option<Instant> {
        if self.writer.is_empty() || !self.ready.is_empty() {
            return None;
        }
        match self.way {
            LinkWay::Fast(_) if self.sent.len() < FAST_AT_ONCE => None,
            LinkWay::Fast(_) => self.sent.front().map(|at| *at + COMPANY),
            _ if self.under_way == 0 => None,
            _ => {
                let doubled = (self.under_way - 1).min(DOUBLED_MAX);
                self.sent.back().map(|at| *at + COMPANY * (1 << doubled))
            }
        }
    }

    fn next(&mut self, now: Instant) -> Option<Batch> {
        if self.held_until().is_some_and(|until| now < until) {
            return None;
        }
        let Full {
            payload,
            tickets,
            traced,
        } = match self.ready.pop_front() {
            Some(full) => full,
            None if self.writer.is_empty() => return None,
            None => self.take(),
        };
        self.under_way += 1;
        if self.sent.len() == FAST_AT_ONCE {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        Some(Batch {
            way: self.way,
            payload,
            tickets,
            traced,
        })
    }

    fn clear(&mut self) {
        self.writer.take();
        self.tickets.clear();
        self.traced.clear();
        self.ready.clear();
        self.under_way = 0;
        self.sent.clear();
    }
}

/// Collects for one link.
pub(super) struct Outbox {
    /// Grows when what was handed over may be lost: whoever does not know of it yet hands nothing over.
    pub(super) epoch: u64,
    reliable: Vec<Lane>,
    /// What may be lost: nobody confirms it, and one lane is batched best.
    fast: Lane,
    reliable_bytes: usize,
    fast_bytes: usize,
    /// Whose turn it is: no lane waits for ever.
    turn: usize,
    pub(super) batch_bytes: usize,
}

impl Outbox {
    pub(super) fn new(me: &NodeInstance) -> Self {
        Self {
            epoch: 1,
            reliable: (0..LANES)
                .map(|lane| Lane::new(me, LinkWay::Reliable(lane)))
                .collect(),
            fast: Lane::new(me, LinkWay::Fast(0)),
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
    pub(super) fn push(&mut self, envelope: Arc<Envelope>, ticket: Ticket, traced: Option<Carried>) -> bool {
        if self.reliable_bytes > WAITING_BYTES_MAX {
            return false;
        }
        let lane = usize::from(slot_of(&envelope.from, &envelope.to) % LANES);
        let frame = BusFrame::Deliver {
            ticket: None,
            envelope,
        };
        self.reliable_bytes += self.reliable[lane].push(&frame, Some(ticket), traced, self.batch_bytes);
        true
    }

    /// False where too much waits already.
    pub(super) fn push_fast(&mut self, frame: &BusFrame, traced: Option<Carried>) -> bool {
        if self.fast_bytes > FAST_BYTES_MAX {
            return false;
        }
        self.fast_bytes += self.fast.push(frame, None, traced, self.batch_bytes);
        true
    }

    pub(super) fn next_reliable(&mut self, now: Instant) -> Option<Batch> {
        for step in 0..self.reliable.len() {
            let lane = (self.turn + step) % self.reliable.len();
            if let Some(batch) = self.reliable[lane].next(now) {
                self.turn = lane + 1;
                self.reliable_bytes = self.reliable_bytes.saturating_sub(batch.payload.len());
                return Some(batch);
            }
        }
        None
    }

    pub(super) fn next_fast(&mut self, now: Instant) -> Option<Batch> {
        let batch = self.fast.next(now)?;
        self.fast_bytes = self.fast_bytes.saturating_sub(batch.payload.len());
        Some(batch)
    }

    /// A payload is confirmed.
    pub(super) fn confirmed(&mut self, way: LinkWay) {
        let mut lanes = self.reliable.iter_mut();
        if let Some(lane) = lanes.find(|lane| lane.way == way) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
    }

    /// When something that waits for company has waited long enough.
    pub(super) fn held_until(&self) -> Option<Instant> {
        let lanes = self.reliable.iter().chain([&self.fast]);
        lanes.filter_map(Lane::held_until).min()
    }

    /// What waits and what was handed over is given up.
    pub(super) fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.reliable
            .iter_mut()
            .chain([&mut self.fast])
            .for_each(Lane::clear);
        self.reliable_bytes = 0;
        self.fast_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use linker_core::testkit::sample;

    use super::*;

    fn push(outbox: &mut Outbox, n: u64) {
        let ticket = Ticket {
            shard: 0,
            slot: n as u32,
            generation: 0,
        };
        let envelope = Arc::new(sample::message(n, sample::user(1), sample::user(2)));
        assert!(outbox.push(envelope, ticket, None));
    }

    fn tickets(batch: Option<Batch>) -> Vec<u32> {
        let batch = batch.expect("a batch");
        batch.tickets.iter().map(|ticket| ticket.slot).collect()
    }

    #[test]
    fn what_comes_up_behind_something_under_way_waits_for_company() {
        let now = Instant::now();
        let mut outbox = Outbox::new(&sample::node(1));
        push(&mut outbox, 1);
        assert_eq!(outbox.held_until(), None);
        let first = outbox.next_reliable(now).expect("at once");
        push(&mut outbox, 2);
        push(&mut outbox, 3);
        assert!(outbox.next_reliable(now).is_none());
        assert_eq!(outbox.held_until(), Some(now + COMPANY));
        outbox.confirmed(first.way);
        assert_eq!(tickets(outbox.next_reliable(now)), [2, 3]);
        push(&mut outbox, 4);
        push(&mut outbox, 5);
        let later = now + COMPANY;
        assert_eq!(tickets(outbox.next_reliable(later)), [4, 5]);
        assert_eq!(outbox.held_until(), None);
        push(&mut outbox, 6);
        assert_eq!(
            outbox.held_until(),
            Some(later + 2 * COMPANY),
            "with two under way"
        );
    }

    #[test]
    fn a_full_batch_waits_for_nobody() {
        let now = Instant::now();
        let mut outbox = Outbox::new(&sample::node(1));
        outbox.batch_bytes = 1;
        for n in 1..=3 {
            push(&mut outbox, n);
            assert_eq!(tickets(outbox.next_reliable(now)), [n as u32]);
        }
        assert_eq!(outbox.waiting_bytes(), 0);
    }

    #[test]
    fn fast_ones_wait_for_company_once_a_few_were_sent() {
        let now = Instant::now();
        let mut outbox = Outbox::new(&sample::node(1));
        let frame = |n| BusFrame::Deliver {
            ticket: None,
            envelope: Arc::new(sample::message(n, sample::user(n), sample::user(2))),
        };
        for n in 0..FAST_AT_ONCE as u64 {
            assert!(outbox.push_fast(&frame(n), None));
            assert!(outbox.next_fast(now).is_some());
        }
        outbox.push_fast(&frame(7), None);
        outbox.push_fast(&frame(8), None);
        assert!(outbox.next_fast(now).is_none());
        assert_eq!(outbox.held_until(), Some(now + COMPANY));
        assert!(outbox.next_fast(now + COMPANY).is_some());
        assert!(outbox.next_fast(now + COMPANY).is_none(), "both went");
        assert_eq!(outbox.held_until(), None);
    }

    #[test]
    fn an_epoch_begins_with_nothing_under_way() {
        let now = Instant::now();
        let mut outbox = Outbox::new(&sample::node(1));
        push(&mut outbox, 1);
        let lost = outbox.next_reliable(now).expect("a batch");
        push(&mut outbox, 2);
        outbox.begin_epoch();
        assert_eq!((outbox.held_until(), outbox.waiting_bytes()), (None, 0));
        push(&mut outbox, 3);
        assert_eq!(tickets(outbox.next_reliable(now)), [3]);
        // Word of what was given up comes late.
        outbox.confirmed(lost.way);
        push(&mut outbox, 4);
        assert!(outbox.next_reliable(now).is_some());
    }
}
