//! What was sent and what arrived, so that many processes together can tell whether anything is missing.
//!
//! No process knows both ends of a message. Each adds up a hash of every message that it sent and of every one that
//! arrived first; when all have ended, both sums over all processes are equal exactly if what arrived is what was sent.

use std::collections::{BTreeMap, HashSet};

use crate::sockets::ClientId;

/// Names a message: the client that sends it, by its number in this process, and which of its messages it is.
pub(super) type Key = (ClientId, u32);

/// A message that has not been confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnderWay {
    /// The recipient's number in the whole crowd.
    pub(super) to: u32,
    pub(super) time_ns: u64,
}

/// How many messages there were, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) hashes: u64,
}

impl Sum {
    fn add(&mut self, sender: u32, sequence: u32, to: u32) {
        self.count += 1;
        let identity = u64::from(sender) << 32 | u64::from(sequence);
        self.hashes = self.hashes.wrapping_add(mixed(mixed(identity) ^ u64::from(to)));
    }
}

/// The ledger of one process. Clients are numbered from 0 here, users from `first` in the whole crowd.
pub(super) struct Ledger {
    first: u32,
    sequences: Vec<u32>,
    under_way: BTreeMap<Key, UnderWay>,
    heard: HashSet<u64>,
    pub(super) sent: Sum,
    pub(super) arrived: Sum,
}

impl Ledger {
    pub(super) fn new(first: u32, clients: u32) -> Self {
        Self {
            first,
            sequences: vec![0; clients as usize],
            under_way: BTreeMap::new(),
            heard: HashSet::new(),
            sent: Sum::default(),
            arrived: Sum::default(),
        }
    }

    /// Notes a new message of `id`'s, and says which it is.
    pub(super) fn send(&mut self, id: ClientId, to: u32, time_ns: u64) -> u32 {
        let Some(next) = self.sequences.get_mut(id as usize) else {
            return 0;
        };
        let sequence = *next;
        *next += 1;
        self.sent.add(self.first + id, sequence, to);
        self.under_way.insert((id, sequence), UnderWay { to, time_ns });
        sequence
    }

    /// Notes an arrival at `id`; false if it is a repetition.
    pub(super) fn arrive(&mut self, id: ClientId, sender: u32, sequence: u32) -> bool {
        let new = self.heard.insert(u64::from(sender) << 32 | u64::from(sequence));
        if new {
            self.arrived.add(sender, sequence, self.first + id);
        }
        new
    }

    /// Notes a confirmation that came to `id`; `None` if nothing was waiting for it.
    pub(super) fn confirm(&mut self, id: ClientId, sender: u32, sequence: u32) -> Option<UnderWay> {
        (sender == self.first + id)
            .then(|| self.under_way.remove(&(id, sequence)))
            .flatten()
    }

    /// What `id` has sent and got no confirmation of, in order.
    pub(super) fn unconfirmed(&self, id: ClientId) -> impl Iterator<Item = (Key, UnderWay)> + '_ {
        self.under_way
            .range((id, 0)..=(id, u32::MAX))
            .map(|(key, message)| (*key, *message))
    }

    /// What was sent before this time and is not confirmed.
    pub(super) fn overdue(&self, before_ns: u64) -> impl Iterator<Item = (Key, UnderWay)> + '_ {
        let all = self.under_way.iter();
        all.filter(move |(_, message)| message.time_ns < before_ns)
            .map(|(key, message)| (*key, *message))
    }

    pub(super) fn unconfirmed_one(&self, key: Key) -> Option<UnderWay> {
        self.under_way.get(&key).copied()
    }

    /// Messages without a confirmation.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// When the oldest of them was sent.
    pub(super) fn oldest_ns(&self) -> Option<u64> {
        self.under_way.values().map(|message| message.time_ns).min()
    }
}

/// The finalizer of splitmix64: every bit of the result depends on all of `value`.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ value >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ value >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_two_processes_are_equal_exactly_when_all_has_arrived_where_it_should() {
        let (mut one, mut two) = (Ledger::new(0, 2), Ledger::new(2, 2));
        let first = one.send(0, 3, 1);
        let second = one.send(0, 1, 2);
        assert_eq!((first, second), (0, 1));
        assert!(two.arrive(1, 0, first));
        assert!(!two.arrive(1, 0, first), "a repetition");
        let total = |one: &Ledger, two: &Ledger| {
            (
                one.arrived.count + two.arrived.count,
                one.arrived.hashes.wrapping_add(two.arrived.hashes),
            )
        };
        assert_ne!(
            total(&one, &two),
            (one.sent.count, one.sent.hashes),
            "one is missing"
        );
        let mut elsewhere = Ledger::new(2, 2);
        elsewhere.arrive(1, 0, first);
        elsewhere.arrive(0, 0, second);
        assert_ne!(
            total(&one, &elsewhere),
            (one.sent.count, one.sent.hashes),
            "one is with somebody else"
        );
        assert!(one.arrive(1, 0, second));
        assert_eq!(total(&one, &two), (one.sent.count, one.sent.hashes));
    }

    #[test]
    fn what_is_confirmed_is_not_sent_again() {
        let mut ledger = Ledger::new(10, 3);
        ledger.send(1, 0, 5);
        ledger.send(1, 0, 6);
        ledger.send(2, 0, 7);
        assert_eq!(ledger.oldest_ns(), Some(5));
        assert_eq!(ledger.confirm(2, 11, 0), None, "another's");
        assert_eq!(ledger.confirm(1, 11, 0).map(|message| message.time_ns), Some(5));
        assert_eq!(ledger.confirm(1, 11, 0), None, "twice");
        let left: Vec<Key> = ledger.unconfirmed(1).map(|(key, _)| key).collect();
        assert_eq!((left, ledger.under_way()), (vec![(1, 1)], 2));
    }
}
