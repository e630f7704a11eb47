//! How much may be under way to one neighbour, and when its silence is too long: a slow link is given little at a time, so that its confirmations keep coming.

use std::time::Duration;

use tokio::time::Instant;

const WINDOW_START: usize = 256 * 1024;
const WINDOW_MIN: usize = 16 * 1024;
const WINDOW_MAX: usize = 4 * 1024 * 1024;
/// A confirmation that comes sooner makes the window wider, one that comes later than [`SLOW`] narrower.
const QUICK: Duration = Duration::from_millis(150);
const SLOW: Duration = Duration::from_millis(500);
/// The longest silence of a neighbour that has next to nothing to confirm.
const SILENCE_MAX: Duration = Duration::from_millis(2000);
/// What even the slowest link carries in a second.
const RATE_MIN: f64 = 16.0 * 1024.0;

/// The pace of one connection.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    in_flight: usize,
    /// Bytes a second, of late.
    rate: f64,
    /// When the neighbour was last heard of, or owed nothing.
    heard_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window: WINDOW_START,
            in_flight: 0,
            rate: RATE_MIN,
            heard_at: now,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.window
    }

    /// So that a batch is no more than some part of what may be under way.
    pub(super) fn batch_bytes(&self, most: usize) -> usize {
        (self.window / 4).clamp(4 * 1024, most)
    }

    pub(super) fn sent(&mut self, bytes: usize, now: Instant) {
        if self.in_flight == 0 {
            self.heard_at = now;
        }
        self.in_flight += bytes;
    }

    pub(super) fn confirmed(&mut self, bytes: usize, sent_at: Instant, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
        self.heard_at = now;
        let took = now.duration_since(sent_at);
        if took < QUICK {
            self.window = (self.window + bytes).min(WINDOW_MAX);
        } else if took > SLOW {
            self.window = (self.window - self.window / 4).max(WINDOW_MIN);
        }
        let rate = bytes as f64 / took.as_secs_f64().max(0.001);
        self.rate += (rate - self.rate) / 8.0;
    }

    /// This process itself was late by so much: what it did not hear meanwhile is nobody's silence.
    pub(super) fn excuse(&mut self, late: Duration) {
        self.heard_at += late;
    }

    /// When the silence will have been too long, if nothing is heard until then and something is under way.
    pub(super) fn silent_at(&self) -> Instant {
        // One batch has to get through, not all of them.
        let batch = self.in_flight.min(super::outbox::BATCH_BYTES) as f64;
        self.heard_at + SILENCE_MAX + Duration::from_secs_f64(batch / (self.rate / 4.0).max(RATE_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_link_gets_less_at_a_time_and_a_quick_one_more() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for turn in 0..100 {
            let sent = start + Duration::from_secs(turn);
            pace.sent(WINDOW_MIN, sent);
            pace.confirmed(WINDOW_MIN, sent, sent + Duration::from_secs(1));
        }
        assert_eq!(pace.window, WINDOW_MIN);
        for turn in 100..1000 {
            let sent = start + Duration::from_secs(turn);
            pace.sent(WINDOW_MIN, sent);
            pace.confirmed(WINDOW_MIN, sent, sent + Duration::from_millis(5));
        }
        assert_eq!(pace.window, WINDOW_MAX);
    }

    #[test]
    fn silence_is_judged_by_what_is_under_way() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.sent(10, start);
        assert!(pace.silent_at() < start + Duration::from_millis(2100));
        pace.sent(WINDOW_MIN, start);
        assert!(pace.silent_at() > start + Duration::from_secs(2));
    }
}
