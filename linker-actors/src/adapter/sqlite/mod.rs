//! Waiting messages in an SQLite file: the embedded default.
//!
//! One connection writes, a few read, each on a thread of its own that sqlx runs. A statement costs some 60 to 100 us of hand-over to that thread
//! whatever it does, so a batch is a handful of statements over many rows, inside one transaction, and lists of ids travel as one JSON parameter.
//! Commits are durable (WAL, `synchronous = FULL`).
//!
//! The file belongs to one process at a time: what is counted in memory (inbox sizes, the newest sequence number, which references were seen
//! lately) is true only as long as nobody else writes.

mod batch;
mod connect;
mod fault;
mod forwarding;
mod housekeeping;
mod migrate;
mod open;
mod read;
mod recent;
mod records;
mod row;
mod store;
mod taking;
#[cfg(test)]
mod tests;
mod writer;

pub use open::{OpenError, OpenOptions};
pub use store::SqliteStore;
