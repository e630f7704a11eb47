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
}

impl IdSource {
    pub(crate) fn new() -> Self {
        let [a, b, c, d, ..] = random_u64().to_be_bytes();
        Self {
            counter: 0,
            random: [a, b, c, d],
        }
    }

    pub(crate) fn next(&mut self, unix_ms: u64) -> MessageId {
        self.counter = self.counter.wrapping_add(1);
        let [c0, c1, c2, c3] = self.counter.to_be_bytes();
        let [r0, r1, r2, r3] = self.random;
        // The first two bytes sort within a millisecond (twelve bits of them survive), the last four make it unique.
        let within_ms = (self.counter & 0x0fff) as u16;
        let [w0, w1] = within_ms.to_be_bytes();
        MessageId::new(unix_ms, [w0, w1, r0, r1, r2, r3, c0, c1, c2, c3])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_of_one_source_never_repeat_and_ascend_within_a_millisecond() {
        let mut source = IdSource::new();
        let ids: Vec<_> = (0..4000).map(|_| source.next(1_700_000_000_000)).collect();
        assert!(ids.is_sorted());
        let many: HashSet<_> = (0..100_000).map(|_| source.next(1_700_000_000_000)).collect();
        assert_eq!(many.len(), 100_000);
    }
}
