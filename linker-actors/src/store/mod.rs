//! The store's actor: collects what all routers want kept or removed into group commits.

mod actor;
mod messages;
mod queue;
mod reading;

pub(crate) use actor::{StoreActor, StoreSettings};
pub(crate) use messages::{PageWanted, StoreMail, StoreOp, StoreRequest};
