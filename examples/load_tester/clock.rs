//! One monotonic clock for all processes of this machine, in nanoseconds, so that a time can travel inside a message.

use std::sync::LazyLock;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// One millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;
/// One second in nanoseconds.
pub(crate) const SECOND: u64 = 1_000 * MS;

/// The first call, and what the machine's clock showed then.
static EPOCH: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), nanoseconds(ClockId::Monotonic)));

/// Nanoseconds of the machine's monotonic clock.
pub(crate) fn now_ns() -> u64 {
    let (epoch, at_epoch) = &*EPOCH;
    at_epoch.saturating_add(u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// CPU time the calling thread has used, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * SECOND + u64::try_from(time.tv_nsec).unwrap_or(0)
}
