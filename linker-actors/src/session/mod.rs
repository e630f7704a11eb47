//! Sessions: an actor a connection, on either of two transports.

mod assembler;
mod connection;
mod elders;
mod entry;
mod fetch_turns;
mod framing;
mod handshake;
mod header;
#[cfg(feature = "hosted")]
pub(crate) mod hosted;
mod messages;
mod shell;
mod table;
#[cfg(feature = "testkit")]
pub(crate) mod testkit;
pub(crate) mod upgraded;

pub(crate) use entry::SessionEntry;
pub(crate) use fetch_turns::{FetchTurn, FetchTurns};
pub use handshake::Arriving;
pub(crate) use handshake::{Admission, Admitted, WAITS};
pub(crate) use messages::{Registration, ToSession};
pub(crate) use table::SessionTable;

/// A session's mailbox is bounded by bytes (`limits.maxUnprovenBytes`); this bounds it by messages too.
const MAILBOX_CAPACITY: usize = 4096;
