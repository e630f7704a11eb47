//! Puts messages that took different ways back into order.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use smallvec::SmallVec;

use super::pair_tails::PAIR_TIME;
use crate::clock::Now;
use crate::generations::Generations;
use crate::id::MessageId;

/// So long a message waits at most for the one that was sent before it: that may have been stored on its way, behind a link that was down for a while, and have come a
/// long way round.
pub const WAIT: Duration = Duration::from_secs(20);

/// Ids of one generation of those that have passed.
const GENERATION_MAX: usize = 1 << 16;
/// After this a generation is full however few it has.
const GENERATION_TIME: Duration = Duration::from_secs(60);
/// By so much the clocks of two domains may differ.
const SKEW: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Held<T> {
    id: MessageId,
    after: MessageId,
    item: T,
    cost: usize,
    deadline: Duration,
}

/// Keeps messages of one sender to one recipient in order although they came by different ways: each names the one `after` which it was sent, and is
/// held until that has passed here, or for [`WAIT`].
///
/// Each node of a way forwards in order, so nothing waits where all take the same way. Generic over what is held; what to do about
/// repetitions others decide.
#[derive(Debug)]
pub struct Sequencer<T> {
    started: Now,
    items_max: usize,
    bytes_max: usize,
    cost: fn(&T) -> usize,
    /// In the order they came, which is that of their deadlines.
    held: BTreeMap<u64, Held<T>>,
    /// The key of the next one held.
    next: u64,
    bytes: usize,
    /// Of what is held, the first copy of each.
    ids: HashMap<MessageId, u64>,
    /// Who waits for a message, in the order they came.
    waiting: HashMap<MessageId, SmallVec<[u64; 1]>>,
    passed: Generations<MessageId, ()>,
}

impl<T> Sequencer<T> {
    /// Holds at most `items_max` items that together `cost` at most `bytes_max` bytes; beyond that the oldest goes on before its time.
    pub fn new(items_max: usize, bytes_max: usize, cost: fn(&T) -> usize, now: Now) -> Self {
        Self {
            started: now,
            items_max,
            bytes_max,
            cost,
            held: BTreeMap::new(),
            next: 0,
            bytes: 0,
            ids: HashMap::new(),
            waiting: HashMap::new(),
            passed: Generations::new(GENERATION_MAX, GENERATION_TIME, now.elapsed),
        }
    }

    /// A message came in. Puts into `out` what goes on now, in order: it and what has waited for it, or nothing, or what has to make room.
    pub fn accept(
        &mut self,
        id: MessageId,
        after: Option<MessageId>,
        item: T,
        now: Duration,
        out: &mut Vec<T>,
    ) {
        let cost = (self.cost)(&item);
        let Some(after) = after.filter(|after| self.waits(&id, after)) else {
            return self.pass(id, item, now, out);
        };
        while !self.has_room(cost) {
            if !self.let_oldest_go(now, out) {
                return self.pass(id, item, now, out);
            }
        }
        // Perhaps it was among those that made room.
        if !self.waits(&id, &after) {
            return self.pass(id, item, now, out);
        }
        let key = self.next;
        self.next += 1;
        self.bytes += cost;
        self.waiting.entry(after).or_default().push(key);
        self.ids.entry(id).or_insert(key);
        let held = Held {
            id,
            after,
            item,
            cost,
            deadline: now.saturating_add(WAIT),
        };
        self.held.insert(key, held);
    }

    /// Puts into `out` what has waited long enough, and what has waited for that.
    pub fn due(&mut self, now: Duration, out: &mut Vec<T>) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            self.let_oldest_go(now, out);
        }
    }

    /// Puts the oldest into `out` before its time, and what has waited for it. False when nothing is held.
    pub fn make_room(&mut self, now: Duration, out: &mut Vec<T>) -> bool {
        self.let_oldest_go(now, out)
    }

    /// When [`Sequencer::due`] is to be called next.
    pub fn deadline(&self) -> Option<Duration> {
        let (_, oldest) = self.held.first_key_value()?;
        Some(oldest.deadline)
    }

    /// Items held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Nothing is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What the items held cost.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a message has to wait for the one before it.
    fn waits(&self, id: &MessageId, after: &MessageId) -> bool {
        // A repetition goes to where its first copy went. Nothing waits for itself.
        let passed = |id| self.passed.get(id).is_some();
        if id == after || passed(id) || passed(after) {
            return false;
        }
        // It may have passed before this node took over, or so long ago that it is forgotten.
        let sent = Duration::from_millis(after.unix_ms());
        let forgotten = sent.saturating_add(SKEW) < self.remembers_since();
        // When this one was sent it had long arrived, or was held up: then it is held up still.
        let own = Duration::from_millis(id.unix_ms());
        let long_ago = own.saturating_sub(sent) > WAIT + PAIR_TIME;
        !forgotten && !long_ago
    }

    /// Since the epoch, as ids tell the time.
    fn remembers_since(&self) -> Duration {
        let running = self.passed.since().saturating_sub(self.started.elapsed);
        Duration::from_millis(self.started.unix_ms).saturating_add(running)
    }

    fn has_room(&self, cost: usize) -> bool {
        self.held.len() < self.items_max && self.bytes.saturating_add(cost) <= self.bytes_max
    }

    /// Ends the wait of the oldest, with those before it that wait too: they are nearer to what is missing. False when there is none.
    fn let_oldest_go(&mut self, now: Duration, out: &mut Vec<T>) -> bool {
        let Some(oldest) = self.held.first_key_value().map(|(key, _)| *key) else {
            return false;
        };
        let first = self.first_of_line(oldest);
        if let Some(held) = self.take(first) {
            if let Some(others) = self.waiting.get_mut(&held.after) {
                others.retain(|other| *other != first);
                if others.is_empty() {
                    self.waiting.remove(&held.after);
                }
            }
            self.pass(held.id, held.item, now, out);
        }
        true
    }

    /// Of those held that must go before `key`, and itself, the one that waits for none of them.
    fn first_of_line(&self, key: u64) -> u64 {
        let mut first = key;
        // Messages that wait for each other in a circle have no first one.
        for _ in 0..self.held.len() {
            let before = self.held.get(&first).and_then(|held| self.ids.get(&held.after));
            match before {
                Some(before) => first = *before,
                None => return first,
            }
        }
        key
    }

    /// It is held no more; it may still be among those that are waiting.
    fn take(&mut self, key: u64) -> Option<Held<T>> {
        let held = self.held.remove(&key)?;
        self.bytes -= held.cost;
        if self.ids.get(&held.id) == Some(&key) {
            self.ids.remove(&held.id);
        }
        Some(held)
    }

    /// It goes on, and behind it what has waited for it, and what has waited for that.
    fn pass(&mut self, id: MessageId, item: T, now: Duration, out: &mut Vec<T>) {
        out.push(item);
        let mut gone = SmallVec::<[MessageId; 4]>::from_slice(&[id]);
        let mut next = 0;
        while let Some(id) = gone.get(next).copied() {
            next += 1;
            self.passed.insert(id, (), now);
            for key in self.waiting.remove(&id).unwrap_or_default() {
                if let Some(held) = self.take(key) {
                    out.push(held.item);
                    gone.push(held.id);
                }
            }
        }
    }
}
