//! Upstream: what clients send to the application behind a domain, and what the application is told of users and messages.
//!
//! To custody it is a message for somebody who lives in another domain, [`DomainName::upstream`], and the way there is the sink ([`crate::port::UpstreamSink`]): handed over while the
//! way is open, kept in the store while it is shut. Its recipient stands for the application ([`UserId::upstream`]). A sender whose messages are not taken has a way of its own meanwhile
//! ([`DomainName::upstream_aside`]).

mod aside;
mod content;
mod lanes;

pub use aside::Aside;
pub use content::{EVENT_WORD, UpstreamEvent, body, check_type, event_content, message_content, topic_of};
pub use lanes::{LaneKey, Lanes, Next, Verdict};

#[cfg(doc)]
use crate::id::{DomainName, UserId};
