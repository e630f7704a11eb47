//! The rate limit of a session: a token bucket.

use std::time::Duration;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Tokens are counted in nanoseconds of waiting, so that no rounding adds up.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenBucket {
    /// When the bucket would be empty had nothing been taken before: the theoretical arrival time of the next frame.
    full_at: Duration,
    violations: u32,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// Over the limit, for the how-manieth time in a row.
    Refuse(u32),
}

impl TokenBucket {
    /// A frame that others' limit refuses: for the how-manieth time in a row.
    pub(super) fn violate(&mut self) -> Verdict {
        self.violations = self.violations.saturating_add(1);
        Verdict::Refuse(self.violations)
    }

    /// Whether what has passed is the end of a row of violations.
    pub(super) fn passed(&mut self) {
        self.violations = 0;
    }

    /// Takes one token, of `per_second` and at most `burst` at once.
    pub(super) fn take(&mut self, now: Duration, per_second: u32, burst: u32) -> Verdict {
        if per_second == 0 {
            return Verdict::Pass;
        }
        let burst = if burst == 0 { per_second } else { burst };
        let step = Duration::from_nanos(NANOS_PER_SECOND / u64::from(per_second));
        let next = self.full_at.max(now) + step;
        if next.saturating_sub(now) > step * burst {
            return self.violate();
        }
        self.full_at = next;
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_rules() {
        let mut bucket = TokenBucket::default();
        let at = |ms| Duration::from_secs(100) + Duration::from_millis(ms);
        for _ in 0..5 {
            assert_eq!(bucket.take(at(0), 10, 5), Verdict::Pass);
        }
        assert_eq!(bucket.take(at(0), 10, 5), Verdict::Refuse(1));
        assert_eq!(bucket.take(at(50), 10, 5), Verdict::Refuse(2));
        assert_eq!(bucket.take(at(100), 10, 5), Verdict::Pass);
        bucket.passed();
        assert_eq!(bucket.take(at(101), 10, 5), Verdict::Refuse(1));
    }

    #[test]
    fn no_burst_means_one_seconds_worth() {
        let mut bucket = TokenBucket::default();
        let passed = (0..10)
            .filter(|_| bucket.take(Duration::ZERO, 3, 0) == Verdict::Pass)
            .count();
        assert_eq!(passed, 3);
    }
}
