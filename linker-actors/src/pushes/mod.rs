//! Pushes: one message to very many users, as a job that outlives the node that took it.
//!
//! A push is a few records in the store (`records.rs`): what is sent, the parts it is cut into, and which node is at which part until when. Every node's worker
//! (`worker.rs`) takes parts that nobody is at; one whose node has died is taken by another when its lease is over.

mod handle;
mod records;
mod worker;

pub use handle::{NewPush, PushError, PushReport, PushTarget, Undelivered};
pub(crate) use worker::{Wake, start};
