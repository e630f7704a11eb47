//! The one place that asks what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

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

    /// The runtime's instant of an elapsed time, for timers.
    pub(crate) fn instant(&self, elapsed: std::time::Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + elapsed)
    }
}

/// The time of day, in ms since the epoch.
pub(crate) fn unix_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    unix.as_millis() as u64
}
