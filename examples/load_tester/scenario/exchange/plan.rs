//! What an exchange shall do.

use crate::flight::Goal;
use crate::protocol::LoginOptions;
use crate::wire::MessageShape;

/// When messages are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pacing {
    /// Each sender keeps this many under way.
    Window(u32),
    /// All senders of the thread together send one every so many nanoseconds, unless `in_flight_max` are under way.
    Every { interval_ns: f64, in_flight_max: u64 },
}

/// Whom a sender writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipients {
    Itself,
    /// A random other client of the same thread.
    Other,
    /// A random client of the same thread at another of so many addresses.
    Elsewhere {
        addresses: u32,
    },
    /// Its own share of the absent users, in turn: `count` for each sender.
    Absent {
        count: u32,
    },
}

/// What an exchange shall do.
#[derive(Clone, Debug)]
pub(crate) struct ExchangePlan {
    /// Of the clients, in order; each sends.
    pub(crate) user_ids: Vec<String>,
    /// Of those who are away, for [`Recipients::Absent`]: user `i` is written to by sender `i % senders`.
    pub(crate) absent_ids: Vec<String>,
    pub(crate) login_options: LoginOptions,
    pub(crate) pacing: Pacing,
    pub(crate) recipients: Recipients,
    pub(crate) goal: Goal,
    pub(crate) shape: MessageShape,
    pub(crate) warm_up_ns: u64,
    pub(crate) measure_ns: u64,
    /// A message not done after this time is lost.
    pub(crate) timeout_ns: u64,
    /// Ends the run early, when so many have been sent by this thread.
    pub(crate) messages_max: u64,
}
