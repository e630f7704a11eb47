//! Loss, repetition and order at a receiver that hears one sender count.

use std::collections::HashSet;

/// What a position in the stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The next one, or one further on: what it skipped is missing until it comes.
    Next,
    /// One that was skipped before.
    OutOfOrder,
    Duplicate,
}

/// The positions heard from one sender, which counts from 0 without gaps.
#[derive(Debug, Default)]
pub(crate) struct StreamCheck {
    next: u32,
    skipped: HashSet<u32>,
}

impl StreamCheck {
    /// Notes `position`.
    pub(crate) fn hear(&mut self, position: u32) -> Heard {
        if position < self.next {
            return if self.skipped.remove(&position) {
                Heard::OutOfOrder
            } else {
                Heard::Duplicate
            };
        }
        self.skipped.extend(self.next..position);
        self.next = position + 1;
        Heard::Next
    }

    /// How many of the positions below `sent` were never heard.
    pub(crate) fn lost(&self, sent: u32) -> u64 {
        self.skipped.len() as u64 + u64::from(sent.saturating_sub(self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_fault_has_none() {
        let mut stream = StreamCheck::default();
        assert!((0..100).all(|position| stream.hear(position) == Heard::Next));
        assert_eq!(stream.lost(100), 0);
    }

    #[test]
    fn a_gap_is_lost_until_it_is_filled_and_then_out_of_order() {
        let mut stream = StreamCheck::default();
        assert_eq!(stream.hear(2), Heard::Next);
        assert_eq!(stream.lost(3), 2);
        assert_eq!(stream.hear(0), Heard::OutOfOrder);
        assert_eq!(stream.hear(0), Heard::Duplicate);
        assert_eq!(stream.hear(2), Heard::Duplicate);
        assert_eq!(stream.lost(3), 1);
    }

    #[test]
    fn what_never_came_at_the_end_is_lost() {
        let mut stream = StreamCheck::default();
        stream.hear(0);
        assert_eq!(stream.lost(10), 9);
    }
}
