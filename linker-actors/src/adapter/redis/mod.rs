//! Sessions of several nodes in Redis.
//!
//! What is where ([`keys`]): a user's sessions are one sorted set, ordered by login epoch; a node has a heartbeat that Redis lets lapse, and a set of its
//! entries, which may have too many but never too few: an entry is put into it before it is registered, and taken out after it was removed. So
//! whatever a dead node leaves can be found. Each script ([`scripts`]) touches keys of one hash slot alone, as Redis Cluster demands.
//!
//! A node that stood still and comes back while others sweep it begins another *life*: its entries carry the life in which they were registered, a
//! sweeper removes those of the life it found dead, and nothing newer.
//!
//! Three ways to Redis: one shared connection for what logins and messages wait for ([`link`]); a small pool for work on many entries
//! ([`bulk`]), lest a login wait behind it; one connection that is told of changes ([`tracking`]). Each is opened again, with backoff, without end.

mod batch;
mod bulk;
mod entry;
mod fault;
mod keys;
mod link;
mod living;
mod lookup;
mod nodes;
mod open;
mod presence;
mod reconcile;
mod record;
mod register;
mod scripts;
mod secret;
mod sweep;
mod tracking;
mod turns;

pub use open::RedisOptions;
pub use presence::RedisPresence;
