//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Generous, because many nodes share few cores; what
/// happens in time costs nothing.
pub(crate) const WAIT: Duration = Duration::from_secs(45);

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Asks `probe` until it answers, at most `deadline`.
///
/// # Panics
/// When the deadline passes without an answer; `what` says what was awaited.
pub(crate) async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(start.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(STEP).await;
    }
}
