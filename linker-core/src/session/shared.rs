//! Limits that a session shares with others: of its user, its app, its client's address.

use crate::clock::Now;
use crate::id::UserId;

/// What becomes of a text frame, as far as others are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedVerdict {
    /// It is handled.
    Pass,
    /// All sessions of the user together send too many: refused, and a violation of the rate.
    UserOver,
    /// All users of the app together send too many: refused, and no fault of this session's.
    AppOver,
}

/// Counts what several sessions do; whoever carries a session has it. Each call takes what it allows.
pub trait SharedLimits {
    /// Whether this user may have one more text frame handled now.
    fn frame(&self, user: &UserId, now: Now) -> SharedVerdict;

    /// Whether one more login may be tried now from where this session's client is.
    fn login(&self, now: Now) -> bool;
}
