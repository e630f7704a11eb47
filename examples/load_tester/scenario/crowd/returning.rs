//! Who has lost the connection, and when each tries again: later after every failure, and not all at once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::clock::{MS, SECOND};
use crate::random::Random;
use crate::sockets::ClientId;

/// Within this time after a connection's end the first attempt is made.
const FIRST_WITHIN_NS: u64 = SECOND;
/// No attempt is further from the one before.
const WITHIN_MAX_NS: u64 = 16 * SECOND;
/// Nor nearer to it.
const PAUSE_NS: u64 = 20 * MS;

#[derive(Clone, Copy, Debug)]
struct Absence {
    since_ns: u64,
    attempts: u32,
}

/// Clients on their way back.
#[derive(Debug, Default)]
pub(super) struct Returning {
    absent: HashMap<ClientId, Absence>,
    due: BinaryHeap<Reverse<(u64, ClientId)>>,
}

impl Returning {
    /// `id` has no connection (any more).
    pub(super) fn lose(&mut self, id: ClientId, random: &mut Random, now: u64) {
        let absence = self.absent.entry(id).or_insert(Absence {
            since_ns: now,
            attempts: 0,
        });
        let within_ns = (FIRST_WITHIN_NS << absence.attempts.min(8)).min(WITHIN_MAX_NS);
        absence.attempts += 1;
        let wait_ns = within_ns / 1024 * u64::from(random.below(1024));
        self.due.push(Reverse((now + PAUSE_NS + wait_ns, id)));
    }

    /// Who shall try now.
    pub(super) fn next(&mut self, now: u64) -> Option<ClientId> {
        match self.due.peek() {
            Some(Reverse((due_ns, _))) if *due_ns <= now => self.due.pop().map(|Reverse((_, id))| id),
            _ => None,
        }
    }

    /// When somebody tries next.
    pub(super) fn next_ns(&self) -> u64 {
        self.due.peek().map_or(u64::MAX, |Reverse((due_ns, _))| *due_ns)
    }

    /// `id` is back; says since when it was away, unless it was not.
    pub(super) fn back(&mut self, id: ClientId) -> Option<u64> {
        self.absent.remove(&id).map(|absence| absence.since_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_spread_and_grow_apart_up_to_a_bound() {
        let mut random = Random::seeded(1);
        let mut returning = Returning::default();
        for id in 0..1000 {
            returning.lose(id, &mut random, 0);
        }
        assert_eq!(returning.next(PAUSE_NS - 1), None);
        let mut early = 0;
        while returning.next(PAUSE_NS + FIRST_WITHIN_NS / 2).is_some() {
            early += 1;
        }
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
        while returning.next(PAUSE_NS + FIRST_WITHIN_NS).is_some() {}
        assert_eq!(returning.next_ns(), u64::MAX, "all have tried");
        for attempt in 1..50 {
            returning.lose(0, &mut random, 0);
            let bound = (FIRST_WITHIN_NS << attempt.min(8)).min(WITHIN_MAX_NS);
            assert!(returning.next_ns() <= PAUSE_NS + bound);
            assert_eq!(returning.next(u64::MAX), Some(0));
        }
    }

    #[test]
    fn an_absence_counts_from_its_beginning() {
        let mut random = Random::seeded(2);
        let mut returning = Returning::default();
        returning.lose(3, &mut random, 100);
        returning.lose(3, &mut random, 900);
        assert_eq!(returning.back(3), Some(100));
        assert_eq!(returning.back(3), None);
        returning.lose(3, &mut random, 2000);
        assert_eq!(returning.back(3), Some(2000));
    }
}
