//! What was lately, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Remembers what was noted within the last one or two generations: when the young one is full, or is old enough, it becomes the old one, and what was in
/// that is forgotten.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_since: Duration,
    old_since: Duration,
    keys_max: usize,
    time: Duration,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    /// `keys_max` and `time` are those of one generation.
    pub(crate) fn new(keys_max: usize, time: Duration, now: Duration) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_since: now,
            old_since: now,
            keys_max,
            time,
        }
    }

    pub(crate) fn insert(&mut self, key: K, value: V, now: Duration) {
        if self.young.len() >= self.keys_max || self.young_since.saturating_add(self.time) <= now {
            self.old = std::mem::take(&mut self.young);
            self.old_since = self.young_since;
            self.young_since = now;
        }
        self.young.insert(key, value);
    }

    /// What was noted last for `key`, as far as it is remembered.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// All that was noted since then is remembered.
    pub(crate) fn since(&self) -> Duration {
        self.old_since
    }
}
