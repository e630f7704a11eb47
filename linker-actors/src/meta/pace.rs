//! When the meta server is asked next.

use std::time::Duration;

/// The first wait after it was found away.
const AWAY_FIRST: Duration = Duration::from_millis(500);
/// The longest wait while it is away, however seldom it is asked otherwise.
const AWAY_MAX: Duration = Duration::from_secs(30);

/// Nodes that were started together do not ask together: every wait is a little shorter than it may be.
pub(super) struct Pace {
    refresh: Duration,
    failures: u32,
}

impl Pace {
    pub(super) fn new(refresh: Duration) -> Self {
        Self { refresh, failures: 0 }
    }

    /// How long to wait, after it was asked and `answered` or not.
    pub(super) fn next(&mut self, answered: bool, random: u64) -> Duration {
        let share = (random % 1024) as u32;
        if answered {
            self.failures = 0;
            return self.refresh - self.refresh / 10 * share / 1024;
        }
        let grown = AWAY_FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        let wait = grown.min(self.refresh).min(AWAY_MAX);
        wait - wait / 4 * share / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_that_answers_is_asked_every_refresh_or_a_little_sooner() {
        let mut pace = Pace::new(5 * SECOND);
        for random in 0..2048 {
            let wait = pace.next(true, random);
            assert!(
                wait <= 5 * SECOND && wait >= Duration::from_millis(4500),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn one_that_is_away_is_asked_less_and_less_often_up_to_a_bound() {
        for (refresh, bound) in [(5 * SECOND, 5 * SECOND), (3600 * SECOND, 30 * SECOND)] {
            let mut pace = Pace::new(refresh);
            let waits: Vec<Duration> = (0..100).map(|_| pace.next(false, 0)).collect();
            assert_eq!(waits[0], AWAY_FIRST);
            assert!(waits.is_sorted(), "{waits:?}");
            assert_eq!(waits[99], bound);
            assert!(pace.next(false, 1023) >= bound * 3 / 4);
            pace.next(true, 0);
            assert_eq!(pace.next(false, 0), AWAY_FIRST, "it begins anew");
        }
        let mut hasty = Pace::new(SECOND / 10);
        assert_eq!(hasty.next(false, 0), SECOND / 10);
    }
}
