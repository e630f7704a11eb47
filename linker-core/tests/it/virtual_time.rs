//! Time in a simulated world, and what is to happen in it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::id::MessageId;

/// When the clock of a world shows zero.
pub(crate) const EPOCH_MS: u64 = 1_700_000_000_000;

/// What a node's clocks show then.
pub(crate) fn clock_at(now: Duration) -> Now {
    Now {
        elapsed: now,
        unix_ms: EPOCH_MS + now.as_millis() as u64,
    }
}

pub(crate) fn next_id(counter: &mut u64, now: Now) -> MessageId {
    *counter += 1;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&counter.to_be_bytes());
    MessageId::new(now.unix_ms, random)
}

/// Events by time, then by when they were scheduled.
pub(crate) struct Agenda<E> {
    events: BinaryHeap<Scheduled<E>>,
    scheduled: u64,
}

pub(crate) struct Scheduled<E> {
    pub(crate) at: Duration,
    number: u64,
    /// Where the node is that it is meant for, and which run of it; `None`: for the world.
    pub(crate) of: Option<(usize, u32)>,
    pub(crate) event: E,
}

impl<E> Agenda<E> {
    pub(crate) fn new() -> Self {
        Self {
            events: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Duration, of: Option<(usize, u32)>, event: E) {
        self.scheduled += 1;
        self.events.push(Scheduled {
            at,
            number: self.scheduled,
            of,
            event,
        });
    }

    /// The next event, unless it is after `end`.
    pub(crate) fn next_until(&mut self, end: Duration) -> Option<Scheduled<E>> {
        if self.events.peek()?.at > end {
            return None;
        }
        self.events.pop()
    }
}

impl<E> PartialEq for Scheduled<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<E> Eq for Scheduled<E> {}

impl<E> PartialOrd for Scheduled<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Scheduled<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}
