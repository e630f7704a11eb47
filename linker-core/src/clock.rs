//! Time, as an argument.

use std::time::Duration;

/// What time it is, told by whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since some fixed moment; never goes back.
    pub elapsed: Duration,
    /// Milliseconds since the Unix epoch; may be corrected either way.
    pub unix_ms: u64,
}
