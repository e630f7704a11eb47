//! How far a node is behind its own work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was seen is believed for so long: a busy thread says it anew with every turn.
const BELIEVED_FOR_MS: u32 = 200;

/// The longest that lately something ready had to wait for its turn on a thread of the node. While a thread is busy, proofs lie unread in its sockets: that
/// is no reason to take their clients for silent.
#[derive(Debug, Default)]
pub struct Lag(AtomicU64);

impl Lag {
    /// Something was ready for `waited` before its thread came to it, at `now`.
    pub fn observe(&self, waited: Duration, now: Duration) {
        let known = self.0.load(Ordering::Relaxed);
        let waited_us = u32::try_from(waited.as_micros()).unwrap_or(u32::MAX);
        let (known_us, at_ms) = (known as u32, (known >> 32) as u32);
        if waited_us >= known_us || millis(now).wrapping_sub(at_ms) > BELIEVED_FOR_MS {
            // Where two threads tell at once either will do.
            let told = u64::from(millis(now)) << 32 | u64::from(waited_us);
            self.0.store(told, Ordering::Relaxed);
        }
    }

    /// What is believed at `now`.
    pub fn at(&self, now: Duration) -> Duration {
        let known = self.0.load(Ordering::Relaxed);
        let age_ms = millis(now).wrapping_sub((known >> 32) as u32);
        if age_ms > BELIEVED_FOR_MS {
            return Duration::ZERO;
        }
        Duration::from_micros(u64::from(known as u32))
    }
}

/// Of which only differences count.
fn millis(time: Duration) -> u32 {
    time.as_millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_longest_wait_is_believed_for_a_while() {
        let lag = Lag::default();
        assert_eq!(lag.at(ms(5)), Duration::ZERO);
        lag.observe(ms(30), ms(1000));
        lag.observe(ms(2), ms(1010));
        assert_eq!(lag.at(ms(1100)), ms(30));
        assert_eq!(lag.at(ms(1300)), Duration::ZERO);
        lag.observe(ms(3), ms(1300));
        assert_eq!(lag.at(ms(1300)), ms(3));
    }

    #[test]
    fn it_goes_on_when_milliseconds_run_over() {
        let lag = Lag::default();
        let end = ms(u64::from(u32::MAX));
        lag.observe(ms(7), end);
        assert_eq!(lag.at(end + ms(50)), ms(7));
        assert_eq!(lag.at(end + ms(500)), Duration::ZERO);
    }
}
