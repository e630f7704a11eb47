//! The order in which messages are handed to the application: each sender's own, with as many senders at a time as the sink takes, and those that were not taken again after a while.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::envelope::Feature;
use crate::id::{MessageId, UserId};
use crate::port::UpstreamPace;

/// How long a message waits after it was not taken; twice as long each time, and between half of it and all of it by chance.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// A message that was not taken so often, over so long a time, while others were, is given up.
const ATTEMPTS_MAX: u32 = 8;
const ATTEMPTS_OVER: Duration = Duration::from_secs(30);
/// A message that was not taken so often is left in the store until it is tried again, and with it what waits behind it.
const ATTEMPTS_IN_MEMORY: u32 = 3;
/// The same of one of whose sender more than this is held.
const BYTES_OF_ONE_MAX: usize = 256 * 1024;
/// A sender of whom more than this is held stands in the others' way where more than half of what there is room for is held.
const BYTES_CROWDING: usize = 512 * 1024;
/// Messages whose failures are remembered while they, or all, wait in the store.
const TROUBLED_MAX: usize = 32 * 1024;

/// Messages of one sender and feature go one behind the other.
pub type LaneKey = (UserId, Feature);

/// One to be handed over now.
#[derive(Debug)]
pub struct Next<T> {
    /// Whose.
    pub key: LaneKey,
    /// Tells it from others of the lane.
    pub number: u64,
    /// The message.
    pub item: T,
}

/// What becomes of a message that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is handed over again, after this time.
    Again(Duration),
    /// The same: but it has been held for long enough, and is to wait in the store. See [`Lanes::take`]; what is not taken goes on as with [`Verdict::Again`].
    Aside(Duration),
    /// Others are taken and this one is not, again and again: whoever waits behind it has waited long enough. It is in no lane any more.
    GiveUp,
}

#[derive(Debug)]
struct Entry<T> {
    number: u64,
    id: MessageId,
    cost: usize,
    item: T,
    /// Not taken, and to be handed over again.
    failed: bool,
}

#[derive(Debug)]
struct Lane<T> {
    waiting: VecDeque<Entry<T>>,
    /// Handed over, in that order: under way, or failed while others are still under way.
    out: VecDeque<Entry<T>>,
    under_way: usize,
    /// What all of these cost.
    bytes: usize,
    /// Nothing is handed over before.
    paused_until: Duration,
    /// Something of it was not taken: until something is, one is tried at a time.
    is_troubled: bool,
    is_queued: bool,
}

impl<T> Lane<T> {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            out: VecDeque::new(),
            under_way: 0,
            bytes: 0,
            paused_until: Duration::ZERO,
            is_troubled: false,
            is_queued: false,
        }
    }

    fn is_ready(&self, of_one_sender: usize, now: Duration) -> bool {
        let failing = self.out.len() > self.under_way;
        let room = match self.is_troubled {
            true => 1,
            false => of_one_sender,
        };
        !failing && !self.waiting.is_empty() && self.under_way < room && self.paused_until <= now
    }

    /// What has failed goes before what waits, once nothing is under way that could still overtake it.
    fn gather(&mut self) {
        if self.under_way == 0 {
            while let Some(mut entry) = self.out.pop_back() {
                entry.failed = false;
                self.waiting.push_front(entry);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    attempts: u32,
    since: Duration,
}

/// Messages on their way to the application.
#[derive(Debug)]
pub struct Lanes<T> {
    pace: UpstreamPace,
    lanes: HashMap<LaneKey, Lane<T>>,
    /// Lanes that may have something to hand over, in turn.
    ready: VecDeque<LaneKey>,
    /// Lanes that wait for a time.
    paused: Vec<LaneKey>,
    /// Of RELIABLE lanes, those that may stand in others' way.
    large: HashSet<LaneKey>,
    under_way: usize,
    number: u64,
    troubled: HashMap<MessageId, Trouble>,
    taken_at: Option<Duration>,
}

impl<T: Clone> Lanes<T> {
    /// For a sink that takes so many.
    pub fn new(pace: UpstreamPace) -> Self {
        Self {
            pace,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            paused: Vec::new(),
            large: HashSet::new(),
            under_way: 0,
            number: 0,
            troubled: HashMap::new(),
            taken_at: None,
        }
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Adds a message of this [`cost`](crate::envelope::Envelope::cost) behind those of its sender.
    pub fn push(&mut self, key: LaneKey, id: MessageId, cost: usize, item: T) {
        self.number += 1;
        let entry = Entry {
            number: self.number,
            id,
            cost,
            item,
            failed: false,
        };
        let lane = self.lanes.entry(key).or_insert_with(Lane::new);
        lane.bytes += cost;
        if lane.bytes > BYTES_CROWDING && key.1 == Feature::Reliable {
            self.large.insert(key);
        }
        lane.waiting.push_back(entry);
        self.queue(key);
    }

    /// Whether anything of this lane is here.
    pub fn has(&self, key: &LaneKey) -> bool {
        self.lanes.contains_key(key)
    }

    /// The lane that keeps others from being taken, if one does: `bytes` is all that is held, `bytes_max` what there is room for.
    pub fn crowding(&self, bytes: usize, bytes_max: usize) -> Option<LaneKey> {
        if bytes <= bytes_max / 2 {
            return None;
        }
        let bytes_of = |key: &LaneKey| self.lanes.get(key).map(|lane| lane.bytes);
        self.large.iter().copied().max_by_key(bytes_of)
    }

    /// Takes out what is not under way of a lane, in its order.
    pub fn take(&mut self, key: LaneKey) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return Vec::new();
        };
        let out = std::mem::take(&mut lane.out);
        let (mut left, under_way): (VecDeque<_>, _) = out.into_iter().partition(|entry| entry.failed);
        lane.out = under_way;
        left.append(&mut lane.waiting);
        lane.bytes -= left.iter().map(|entry| entry.cost).sum::<usize>();
        self.settle(key);
        left.into_iter().map(|entry| entry.item).collect()
    }

    fn queue(&mut self, key: LaneKey) {
        if let Some(lane) = self.lanes.get_mut(&key)
            && !lane.is_queued
        {
            lane.is_queued = true;
            self.ready.push_back(key);
        }
    }

    /// The next one to hand over, if there is one and `at_once` or the sink's own bound leave room for it.
    pub fn next(&mut self, at_once: usize, now: Duration) -> Option<Next<T>> {
        if !self.paused.is_empty() {
            self.wake(now);
        }
        if self.under_way >= at_once.min(self.pace.at_once) {
            return None;
        }
        while let Some(key) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            lane.is_queued = false;
            if !lane.is_ready(self.pace.of_one_sender, now) {
                continue;
            }
            let Some(entry) = lane.waiting.pop_front() else {
                continue;
            };
            let next = Next {
                key,
                number: entry.number,
                item: entry.item.clone(),
            };
            lane.out.push_back(entry);
            lane.under_way += 1;
            self.under_way += 1;
            // Its turn comes again when all others have had theirs.
            self.queue(key);
            return Some(next);
        }
        None
    }

    fn wake(&mut self, now: Duration) {
        let due: Vec<LaneKey> = self
            .paused
            .extract_if(.., |key| {
                let lane = self.lanes.get(key);
                lane.is_none_or(|lane| lane.paused_until <= now)
            })
            .collect();
        for key in due {
            self.queue(key);
        }
    }

    /// When a lane that waits may go on, at the earliest.
    pub fn deadline(&self) -> Option<Duration> {
        let until = |key| self.lanes.get(key).map(|lane: &Lane<T>| lane.paused_until);
        self.paused.iter().filter_map(until).min()
    }

    /// It was taken, or refused for good: the application is there. Answers with it.
    pub fn done(&mut self, key: LaneKey, number: u64, now: Duration) -> Option<T> {
        self.taken_at = Some(now);
        let entry = self.take_out(key, number)?;
        self.troubled.remove(&entry.id);
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.is_troubled = false;
        }
        self.settle(key);
        Some(entry.item)
    }

    /// It was not taken, and is gone. Answers with it.
    pub fn drop_failed(&mut self, key: LaneKey, number: u64) -> Option<T> {
        let entry = self.take_out(key, number)?;
        self.settle(key);
        Some(entry.item)
    }

    /// It was not taken. `chance`: a random number from 0 to 1. `None` of one that is not under way any more.
    pub fn failed(&mut self, key: LaneKey, number: u64, chance: f64, now: Duration) -> Option<(Verdict, T)> {
        let lane = self.lanes.get_mut(&key)?;
        let entry = lane
            .out
            .iter_mut()
            .find(|entry| entry.number == number && !entry.failed)?;
        if self.troubled.len() >= TROUBLED_MAX && !self.troubled.contains_key(&entry.id) {
            // They begin to be counted anew.
            self.troubled.clear();
        }
        let trouble = self.troubled.entry(entry.id).or_insert(Trouble {
            attempts: 0,
            since: now,
        });
        trouble.attempts += 1;
        let others_are_taken = self.taken_at.is_some_and(|at| at > trouble.since);
        if trouble.attempts >= ATTEMPTS_MAX && now >= trouble.since + ATTEMPTS_OVER && others_are_taken {
            let id = entry.id;
            let entry = self.take_out(key, number)?;
            self.troubled.remove(&id);
            self.settle(key);
            return Some((Verdict::GiveUp, entry.item));
        }
        let doubled = RETRY_FIRST.saturating_mul(1 << (trouble.attempts - 1).min(16));
        let pause = doubled
            .min(RETRY_LONGEST)
            .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        let is_held_enough = trouble.attempts >= ATTEMPTS_IN_MEMORY;
        let item = entry.item.clone();
        entry.failed = true;
        let verdict = match is_held_enough || lane.bytes > BYTES_OF_ONE_MAX {
            true => Verdict::Aside(pause),
            false => Verdict::Again(pause),
        };
        lane.under_way -= 1;
        lane.is_troubled = true;
        lane.paused_until = lane.paused_until.max(now + pause);
        self.under_way -= 1;
        if !self.paused.contains(&key) {
            self.paused.push(key);
        }
        self.settle(key);
        Some((verdict, item))
    }

    fn take_out(&mut self, key: LaneKey, number: u64) -> Option<Entry<T>> {
        let lane = self.lanes.get_mut(&key)?;
        let place = lane
            .out
            .iter()
            .position(|entry| entry.number == number && !entry.failed)?;
        lane.under_way -= 1;
        self.under_way -= 1;
        let entry = lane.out.remove(place)?;
        lane.bytes -= entry.cost;
        Some(entry)
    }

    fn settle(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        if lane.bytes <= BYTES_CROWDING {
            self.large.remove(&key);
        }
        lane.gather();
        if lane.waiting.is_empty() && lane.out.is_empty() {
            self.lanes.remove(&key);
        } else {
            self.queue(key);
        }
    }

    /// Everything is given up, in the order of each lane; what is under way is not known here any more.
    pub fn clear(&mut self) -> Vec<T> {
        self.ready.clear();
        self.paused.clear();
        self.large.clear();
        self.under_way = 0;
        let lanes = std::mem::take(&mut self.lanes);
        let entries = lanes
            .into_values()
            .flat_map(|lane| lane.out.into_iter().chain(lane.waiting));
        entries.map(|entry| entry.item).collect()
    }
}
