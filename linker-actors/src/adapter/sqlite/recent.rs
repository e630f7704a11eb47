//! Which references were stored lately: a filter in memory, so that hardly any insert has to be looked up in the file.
//!
//! An index by hash would do without it, at the price of a random page written for every row (measured: 19 000 instead of 30 000 rows a second into
//! a store of half a million). Instead the inbox entries carry the hash, and are searched by recipient when this filter says "perhaps".

/// Bits of one generation, a power of two: 4 MiB, at most one wrong "perhaps" in 400 with two million references in it.
const BITS: usize = 1 << 25;
/// Bits set for a reference.
const PROBES: u64 = 4;

#[derive(Debug)]
struct Generation {
    words: Vec<u64>,
    /// Arrival of the newest reference in it, ms since the epoch; 0 for none.
    newest_ms: u64,
}

impl Generation {
    fn new() -> Self {
        Self {
            words: Vec::new(),
            newest_ms: 0,
        }
    }

    fn bits(hash: i64) -> impl Iterator<Item = usize> {
        let hash = hash.cast_unsigned();
        let step = (hash >> 32) | 1;
        (0..PROBES).map(move |n| hash.wrapping_add(n.wrapping_mul(step)) as usize % BITS)
    }

    fn insert(&mut self, hash: i64, stored_ms: u64) {
        if self.words.is_empty() {
            self.words = vec![0; BITS / 64];
        }
        for bit in Self::bits(hash) {
            self.words[bit / 64] |= 1 << (bit % 64);
        }
        self.newest_ms = self.newest_ms.max(stored_ms);
    }

    fn may_contain(&self, hash: i64) -> bool {
        !self.words.is_empty() && Self::bits(hash).all(|bit| self.words[bit / 64] & (1 << (bit % 64)) != 0)
    }
}

/// Remembers the hashes of all references stored since some time, and perhaps more.
#[derive(Debug)]
pub(super) struct RecentReferences {
    young: Generation,
    old: Generation,
    /// Every reference that arrived then or later was inserted here.
    complete_since_ms: u64,
}

impl RecentReferences {
    /// Knows `hashes`, the newest of which arrived at `newest_ms`, and which are all that arrived at `complete_since_ms` or later.
    pub(super) fn of(complete_since_ms: u64, hashes: impl Iterator<Item = i64>, newest_ms: u64) -> Self {
        let mut young = Generation::new();
        for hash in hashes {
            young.insert(hash, newest_ms);
        }
        Self {
            young,
            old: Generation::new(),
            complete_since_ms,
        }
    }

    /// Before the commit, so that a lost answer does not make it forget.
    pub(super) fn insert(&mut self, hash: i64, stored_ms: u64) {
        self.young.insert(hash, stored_ms);
    }

    /// False: no such reference has arrived at `since_ms` or later.
    pub(super) fn may_contain(&self, hash: i64, since_ms: u64) -> bool {
        since_ms < self.complete_since_ms || self.young.may_contain(hash) || self.old.may_contain(hash)
    }

    /// Forgets the older generation when nobody will ask for it any more: everything in it arrived before `since_ms`.
    pub(super) fn forget_before(&mut self, since_ms: u64) {
        if self.old.newest_ms < since_ms && !self.young.words.is_empty() {
            // By arrival time, not by age: a clock may have stepped back.
            self.complete_since_ms = self.complete_since_ms.max(self.old.newest_ms + 1);
            self.old = std::mem::replace(&mut self.young, Generation::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: i64) -> i64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed())
            .rotate_left(17)
    }

    #[test]
    fn what_was_inserted_is_found_as_long_as_it_may_be_asked_for() {
        let mut recent = RecentReferences::of(0, std::iter::empty(), 0);
        let window = 100;
        for now in 1..2000_u64 {
            let since = now.saturating_sub(window);
            recent.forget_before(since);
            recent.insert(hash(now as i64), now);
            for asked in since.max(1)..=now {
                assert!(recent.may_contain(hash(asked as i64), since), "{asked} at {now}");
            }
        }
        assert!(!recent.may_contain(hash(1), 1900), "forgotten");
        assert!(!recent.may_contain(hash(5000), 1900), "never inserted");
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut recent = RecentReferences::of(0, std::iter::empty(), 0);
        recent.insert(hash(1), 1_000_000);
        for now in 500..1500 {
            recent.forget_before(now - 100);
            recent.insert(hash(now as i64), now);
        }
        assert!(recent.may_contain(hash(1), 1400));
    }

    #[test]
    fn times_it_knows_nothing_of_may_contain_anything() {
        let recent = RecentReferences::of(50, [hash(7)].into_iter(), 60);
        assert!(recent.may_contain(hash(1), 49));
        assert!(!recent.may_contain(hash(1), 50));
        assert!(recent.may_contain(hash(7), 50));
    }

    #[test]
    fn few_are_taken_for_others() {
        let mut recent = RecentReferences::of(0, std::iter::empty(), 0);
        for n in 0..500_000 {
            recent.insert(hash(n), 1);
        }
        let wrong = (1_000_000..1_100_000)
            .filter(|&n| recent.may_contain(hash(n), 0))
            .count();
        assert!(wrong < 500, "{wrong} of 100 000");
    }
}
