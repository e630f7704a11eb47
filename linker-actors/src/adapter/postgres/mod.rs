//! Waiting messages in PostgreSQL (13 or newer), for all nodes of a domain.
//!
//! A batch is decided in memory from one look-up and written by a handful of statements over arrays: what many nodes do at once is kept apart by
//! *stripes*. A batch with inserts first locks the stripes of its recipients, in order, until it is committed ([`batch`]). Whatever is decided per
//! recipient (repetitions, the newest event, the inbox limit) is therefore decided by one node at a time, and a recipient's sequence numbers become
//! visible in their order: a reader who goes on after a sequence number never misses a row that was committed later. Over *different* recipients
//! numbers may become visible out of order, which matters to [`Store::take_over`](linker_core::port::Store::take_over) alone: it is asked from the
//! start again now and then.
//!
//! A connection is only used again when what was done with it went well; one that was idle is tried first. A server that restarts is thus noticed by
//! nobody who comes afterwards.
//!
//! Sessions keep settings and prepared statements: behind a pooler that hands a connection to another client after each transaction it does not work.

mod batch;
mod connect;
mod connections;
mod fault;
mod forwarding;
mod halves;
mod migrate;
mod open;
mod read;
mod records;
mod row;
mod store;
mod taking;
#[cfg(test)]
mod tests;

pub use migrate::migrate;
pub use open::{PostgresOpenError, PostgresOptions};
pub use store::PostgresStore;
