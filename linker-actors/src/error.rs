//! What can go wrong at the library's door.

use linker_core::code::FrameError;
use linker_core::message_type::RegisterError;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting that makes no sense; the text says which and why.
    #[error("{0}")]
    Config(String),
    /// A message type of the host's own that cannot be registered.
    #[error(transparent)]
    MessageType(#[from] RegisterError),
    /// The store could not be opened; the text says what to do.
    #[error("{0}")]
    Store(String),
    /// The presence registry will not take this node; the text says why.
    #[error("presence: {0}")]
    Presence(String),
    /// The bus will not take this node; the text says why.
    #[error("bus: {0}")]
    Bus(String),
    /// A thread or runtime could not be had.
    #[error("cannot start the node's threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// A setting that makes no sense; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(crate) String);

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// It was refused, for what a client would be told in an `ERROR` frame.
    #[error("{0}")]
    Refused(FrameError),
    /// No sender was given and the recipient's app has no master to send in its name.
    #[error("the app of {0} has no master, so a sender must be given")]
    NoSender(linker_core::id::UserId),
    /// The content could not be written as JSON.
    #[error("the content is not JSON: {0}")]
    Content(String),
    /// The node is stopping; nothing was sent.
    #[error("the node is stopping")]
    Stopping,
}

/// Why a directory is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetDirectoryError {
    /// The logins of one of its apps could not be checked; the text says which and why. The former directory stays.
    #[error("{0}")]
    Authenticator(String),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}
