//! Senders whose messages the application does not take: set aside, so that they are in nobody's way. What they send waits in the store, each sender's for itself, and is tried again
//! after a while, so many senders at a time.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::id::UserId;

/// Senders that are set aside at most; what others send is held in memory while it is tried again.
const SENDERS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Nothing of it is handed over before.
    Resting(Duration),
    /// What it has in the store is being handed over; with a time, no more until then.
    Fed(Option<Duration>),
}

/// Whose turn it is.
#[derive(Debug)]
pub struct Aside {
    /// How many are fed at a time.
    at_once: usize,
    senders: HashMap<UserId, Place>,
    resting: BTreeSet<(Duration, UserId)>,
}

impl Aside {
    /// Nobody, and room for so many to be fed at a time.
    pub fn new(at_once: usize) -> Self {
        Self {
            at_once: at_once.max(1),
            senders: HashMap::new(),
            resting: BTreeSet::new(),
        }
    }

    /// Whether this one is set aside.
    pub fn contains(&self, sender: &UserId) -> bool {
        self.senders.contains_key(sender)
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.senders.len()
    }

    /// Nobody is.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Nothing of this sender is to be handed over before. False where there are too many already, and it is not set aside.
    pub fn rest(&mut self, sender: UserId, until: Duration) -> bool {
        match self.senders.get(&sender).copied() {
            Some(Place::Fed(_)) => drop(self.senders.insert(sender, Place::Fed(Some(until)))),
            None if self.senders.len() >= SENDERS_MAX => return false,
            before => {
                if let Some(Place::Resting(at)) = before {
                    self.resting.remove(&(at, sender));
                }
                self.put(sender, until);
            }
        }
        true
    }

    fn put(&mut self, sender: UserId, until: Duration) {
        self.senders.insert(sender, Place::Resting(until));
        self.resting.insert((until, sender));
    }

    fn is_fed_enough(&self) -> bool {
        self.senders.len() - self.resting.len() >= self.at_once
    }

    /// The next one whose rest is over; it is fed from now on, until [`Aside::fed`].
    pub fn next(&mut self, now: Duration) -> Option<UserId> {
        if self.is_fed_enough() {
            return None;
        }
        let next = self.resting.first().copied().filter(|(until, _)| *until <= now)?;
        self.resting.remove(&next);
        self.senders.insert(next.1, Place::Fed(None));
        Some(next.1)
    }

    /// When [`Aside::next`] may have somebody, if nothing else happens.
    pub fn deadline(&self) -> Option<Duration> {
        let (until, _) = self.resting.first()?;
        (!self.is_fed_enough()).then_some(*until)
    }

    /// Nothing is handed over from the store of this one any more. `all`: nothing waits there. Whether it is set aside no more.
    pub fn fed(&mut self, sender: UserId, all: bool, now: Duration) -> bool {
        match self.senders.get(&sender).copied() {
            Some(Place::Fed(None)) if all => {
                self.senders.remove(&sender);
                true
            }
            Some(Place::Fed(until)) => {
                self.put(sender, until.unwrap_or(now));
                false
            }
            Some(Place::Resting(_)) | None => false,
        }
    }

    /// The application was away for everybody: nobody is fed, and whoever rests has rested enough. Answers with those who were fed.
    pub fn wake(&mut self, now: Duration) -> Vec<UserId> {
        self.resting.clear();
        let mut fed = Vec::new();
        for (sender, place) in &mut self.senders {
            if let Place::Fed(_) = place {
                fed.push(*sender);
            }
            *place = Place::Resting(now);
            self.resting.insert((now, *sender));
        }
        fed
    }
}
