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
    eventually_telling(what, deadline, async || probe().await.ok_or_else(String::new)).await
}

/// [`eventually`], with a probe that says what there is instead.
///
/// # Panics
/// When the deadline passes without an answer: with `what` was awaited, and what there was at last.
pub(crate) async fn eventually_telling<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(instead) => assert!(
                start.elapsed() < deadline,
                "not within {deadline:?}: {what} {instead}"
            ),
        }
        tokio::time::sleep(STEP).await;
    }
}
