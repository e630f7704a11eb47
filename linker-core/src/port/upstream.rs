//! How what is for the application gets to it.

use std::sync::Arc;

use bytes::Bytes;

use super::BoxFuture;
use crate::envelope::Feature;
use crate::id::{MessageId, UserId};

/// A message of a client to the application, or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamMessage {
    /// Stable over repetitions.
    pub id: MessageId,
    /// A message's type, as `order.created`; `event.` and its name of an event.
    pub topic: String,
    /// The sender; whom an event tells of, or the author of the message it tells of.
    pub from: UserId,
    /// It is an event, which Linker itself tells.
    pub is_event: bool,
    /// RELIABLE: it is handed over again until it was taken or refused. FAST: once.
    pub feature: Feature,
    /// When the first server accepted it, ms since the epoch.
    pub timestamp_ms: u64,
    /// The sender's reference.
    pub reference: Option<Box<str>>,
    /// All of it as a JSON object.
    pub body: Bytes,
}

impl UpstreamMessage {
    /// `<appName>.<topic>`, at most 161 bytes.
    pub fn routing_key(&self) -> String {
        format!("{}.{}", self.from.app(), self.topic)
    }
}

/// Why the application does not have it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Nothing can be handed over now, this and others alike. Whether it arrived is unknown.
    #[error("{0}")]
    Away(String),
    /// This one was not taken; another may be. It is handed over again.
    #[error("{0}")]
    Failed(String),
    /// The application does not want it, now and ever: its sender is told.
    #[error("{0}")]
    Refused(String),
}

/// How many messages a sink may be given before it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamPace {
    /// Of all senders together, at least 1.
    pub at_once: usize,
    /// Of one sender, at least 1. More than 1 only where they arrive in the order of the calls.
    pub of_one_sender: usize,
}

/// Told what becomes of a sink. Called on the adapter's own tasks: it must not block.
pub trait UpstreamWatcher: Send + Sync + 'static {
    /// The sink went away (`Some` tells why), or is there (again). All that was under way has been answered before it is told to be there again.
    fn connection(&self, lost: Option<String>);
}

/// Hands messages to the application.
pub trait UpstreamSink: Send + Sync + 'static {
    /// How fast it may be given messages.
    fn pace(&self) -> UpstreamPace;

    /// Begins to connect, and goes on trying without end, where there is something to connect to; one that has no connection is told to be there at once. To be called
    /// once, within the runtime on which it is to live.
    fn open(&self, watcher: Arc<dyn UpstreamWatcher>);

    /// Hands a message over; `Ok` once the application has it for certain, in a bounded time.
    fn send(&self, message: Arc<UpstreamMessage>) -> BoxFuture<'static, Result<(), UpstreamError>>;

    /// The node stops: nothing more is sent.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
