//! The one place that asks what time it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linker_core::clock::Now;

/// Time since the node was built, and of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            elapsed: self.started.elapsed(),
            unix_ms: unix_ms(),
        }
    }

    /// The elapsed part of [`Clock::now`].
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The elapsed time of an instant.
    pub(crate) fn of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.started)
    }

    /// The runtime's instant of an elapsed time, for timers.
    pub(crate) fn instant(&self, elapsed: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + elapsed)
    }
}

/// The time of day, in ms since the epoch.
pub(crate) fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    unix.as_millis() as u64
}
