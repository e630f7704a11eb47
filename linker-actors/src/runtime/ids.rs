//! Message ids: UUIDv7 with a counter, so that ids of one source ascend and none repeats.

use linker_core::id::MessageId;

/// Randomness of the operating system; of time where there is none, which no Linux has.
pub(crate) fn random_u64() -> u64 {
    getrandom::u64().unwrap_or_else(|_| std::process::id().into())
}

/// One worker's source of ids.
#[derive(Debug)]
pub(crate) struct IdSource {
    counter: u32,
    random: [u8; 4],
    /// What the last one sorts by: a time, and a number within that millisecond.
    last: (u64, u16),
}

/// Of the bytes behind the time so much sorts.
const WITHIN_MS_MAX: u16 = 0x0fff;

impl IdSource {
    pub(crate) fn new() -> Self {
        let [a, b, c, d, ..] = random_u64().to_be_bytes();
        Self {
            counter: 0,
            random: [a, b, c, d],
            last: (0, 0),
        }
    }

    /// Later than all before, also where the clock was set back or the millisecond is full: then it is ahead of the time.
    pub(crate) fn next(&mut self, unix_ms: u64) -> MessageId {
        self.counter = self.counter.wrapping_add(1);
        let [c0, c1, c2, c3] = self.counter.to_be_bytes();
        let [r0, r1, r2, r3] = self.random;
        self.last = match self.last {
            (ms, _) if ms < unix_ms => (unix_ms, 0),
            (ms, WITHIN_MS_MAX) => (ms + 1, 0),
            (ms, within) => (ms, within + 1),
        };
        let (ms, within_ms) = self.last;
        // The first two bytes sort within a millisecond, the last four make it unique.
        let [w0, w1] = within_ms.to_be_bytes();
        MessageId::new(ms, [w0, w1, r0, r1, r2, r3, c0, c1, c2, c3])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_one_source_never_repeat_and_ascend_whatever_the_clock_does() {
        let mut source = IdSource::new();
        let same_time = std::iter::repeat_n(1_700_000_000_000, 100_000);
        let set_back_and_on = [1_600_000_000_000, 1_700_000_000_001, 1_700_000_009_000];
        let times = same_time.chain(set_back_and_on);
        let ids: Vec<_> = times.map(|unix_ms| source.next(unix_ms)).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 100_003);
    }
}
