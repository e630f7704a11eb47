//! Presence: tells the registry who came and who went, and the masters too.

mod actor;
mod batch;
mod messages;

pub(crate) use actor::{PresenceActor, close};
pub(crate) use messages::{PresenceMail, PresenceOp};
