//! How long to wait before the next attempt.

use std::time::Duration;

const MIN: Duration = Duration::from_millis(100);

/// Twice as long each time, up to a bound, and not for all nodes the same.
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn up_to(max: Duration) -> Self {
        Self { next: MIN, max }
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.next = MIN;
    }

    pub(super) fn next(&mut self) -> Duration {
        let random = getrandom::u32().unwrap_or(u32::MAX / 2);
        let share = 0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0;
        let pause = self.next.mul_f64(share);
        self.next = (self.next * 2).min(self.max);
        pause
    }
}
