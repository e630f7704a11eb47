//! How often each of many may do something: users, apps, addresses.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Remembered at one time in each stripe; beyond it those that have rested are forgotten, and then all.
const KEYS_MAX: usize = 4096;
/// Threads that ask for different keys do not wait for each other.
const STRIPES: usize = 16;

/// A bucket for each key, with room for a second's worth, in bounded memory.
pub struct Attempts<K> {
    /// 0: no limit.
    per_second: AtomicU32,
    /// When the bucket would be full again.
    full_at: [Mutex<HashMap<K, Instant>>; STRIPES],
    hasher: RandomState,
}

impl<K: Hash + Eq> Attempts<K> {
    /// So many a second for each; 0: no limit.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: AtomicU32::new(per_second),
            full_at: Default::default(),
            hasher: RandomState::new(),
        }
    }

    /// Another rate, from now on.
    pub fn set_per_second(&self, per_second: u32) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Whether one more is all right now; if it is, it counts.
    pub fn take(&self, key: K, now: Instant) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return true;
        }
        let one = Duration::from_secs(1) / per_second;
        let stripe = self.hasher.hash_one(&key) as usize % STRIPES;
        let mut full_at = self.full_at[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= KEYS_MAX && !full_at.contains_key(&key) {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= KEYS_MAX {
                full_at.clear();
            }
        }
        let at = full_at.entry(key).or_insert(now);
        let then = (*at).max(now) + one;
        // Under a rate that was lowered a moment ago what was taken before may reach further.
        let has_room = then <= now + Duration::from_secs(1);
        if has_room {
            *at = then;
        }
        has_room
    }
}

impl<K> fmt::Debug for Attempts<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_at_once_and_then_as_they_come() {
        let attempts = Attempts::new(5);
        let start = Instant::now();
        let taken = |at: Duration| (0..10).filter(|_| attempts.take(1, start + at)).count();
        assert_eq!(taken(Duration::ZERO), 5);
        assert_eq!(taken(Duration::from_millis(410)), 2);
        assert!(attempts.take(2, start), "others have their own");
        assert_eq!(taken(Duration::from_secs(60)), 5);
        let unlimited = Attempts::new(0);
        assert!((0..1000).all(|_| unlimited.take(1, start)));
    }

    #[test]
    fn another_rate_counts_from_now_on() {
        let attempts = Attempts::new(2);
        let start = Instant::now();
        let taken = |at: Duration| (0..10).filter(|_| attempts.take(1, start + at)).count();
        assert_eq!(taken(Duration::ZERO), 2);
        attempts.set_per_second(4);
        assert_eq!(taken(Duration::from_millis(1000)), 4);
        attempts.set_per_second(0);
        assert_eq!(taken(Duration::from_millis(1000)), 10);
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let attempts = Attempts::new(1);
        let now = Instant::now();
        for n in 0..(KEYS_MAX * STRIPES * 2) as u32 {
            assert!(attempts.take(n, now));
        }
        for stripe in &attempts.full_at {
            assert!(stripe.lock().unwrap().len() <= KEYS_MAX);
        }
    }
}
