//! Whether batches of another node come without a gap.

use std::time::Duration;

use linker_core::bus::BatchNumber;

/// A sender that was told of a gap is told again after this: the word may be lost too.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What has come from one node.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    epoch: u64,
    next: u64,
    broken: bool,
    asked_at: Option<Duration>,
}

impl Arrivals {
    /// Notes a batch. Answers whether nothing is missing before it in its epoch, and whether its sender is to be told otherwise.
    pub(super) fn note(&mut self, batch: BatchNumber, now: Duration) -> (bool, bool) {
        if batch.epoch < self.epoch {
            // Late: all of it comes again, or has come.
            return (false, false);
        }
        if batch.epoch > self.epoch {
            *self = Self {
                epoch: batch.epoch,
                ..Self::default()
            };
        }
        if batch.number > self.next {
            self.broken = true;
        }
        self.next = self.next.max(batch.number + 1);
        if !self.broken {
            return (true, false);
        }
        let asks = self.asked_at.is_none_or(|at| at + ASK_EVERY <= now);
        if asks {
            self.asked_at = Some(now);
        }
        (false, asks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, number: u64) -> BatchNumber {
        BatchNumber { epoch, number }
    }

    #[test]
    fn what_is_missing_makes_the_rest_of_its_epoch_count_for_nothing() {
        let mut arrivals = Arrivals::default();
        let mut now = Duration::from_secs(1);
        assert_eq!(arrivals.note(at(7, 0), now), (true, false));
        assert_eq!(arrivals.note(at(7, 1), now), (true, false));
        assert_eq!(arrivals.note(at(7, 3), now), (false, true));
        assert_eq!(arrivals.note(at(7, 4), now), (false, false));
        now += ASK_EVERY;
        assert_eq!(arrivals.note(at(7, 5), now), (false, true));
        assert_eq!(arrivals.note(at(8, 0), now), (true, false));
        assert_eq!(arrivals.note(at(7, 6), now), (false, false));
        assert_eq!(arrivals.note(at(8, 1), now), (true, false));
    }

    #[test]
    fn an_epoch_whose_beginning_is_missing_is_asked_for() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.note(at(7, 1), Duration::ZERO), (false, true));
    }

    #[test]
    fn what_comes_twice_is_nothing_missing() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.note(at(7, 0), Duration::ZERO), (true, false));
        assert_eq!(arrivals.note(at(7, 0), Duration::ZERO), (true, false));
        assert_eq!(arrivals.note(at(7, 1), Duration::ZERO), (true, false));
    }
}
