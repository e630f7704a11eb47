//! Message types: what a logged-in client may say. Linker's own are written as a host's own would be.

mod ack;
mod close_connection;
mod fetch_missing;
mod group_message;
mod message;
mod ping;
mod read;
mod upstream;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::code::FrameError;
use crate::frame::{ClientFrame, SERVER_TYPES, read_string};
use crate::session::FrameContext;

/// A type of frame that clients may send once they are logged in.
pub trait MessageType: Send + Sync + 'static {
    /// The `type` on the wire.
    fn name(&self) -> Cow<'static, str>;

    /// Whether its frames are messages of users, and one that is refused counts as such.
    fn is_message(&self) -> bool {
        false
    }

    /// Handles a frame of this type: answers and sends through `cx`.
    ///
    /// # Errors
    /// Becomes an `ERROR` frame with the reference of the frame at fault; the connection lives on.
    fn handle(&self, frame: &ClientFrame<'_>, cx: &mut FrameContext<'_>) -> Result<(), FrameError>;
}

/// Why a message type cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The protocol uses this name itself, for frames of clients or of the server.
    #[error("message type {0} belongs to the protocol")]
    Reserved(String),
    /// Two of the same name.
    #[error("message type {0} is registered twice")]
    Repeated(String),
    /// Not 1 to 64 of `A-Z 0-9 _`.
    #[error("\"{0}\" is not a message type: 1 to 64 of A-Z 0-9 _")]
    Malformed(String),
}

/// The type that the session itself handles, and the only one a client may say before it is logged in.
pub const LOGIN_TYPE: &str = "AUTH_CLIENT";

/// The message types a node knows.
#[derive(Clone)]
pub struct MessageTypes {
    by_name: HashMap<Cow<'static, str>, Arc<dyn MessageType>>,
}

impl MessageTypes {
    /// Those of the protocol.
    pub fn protocol() -> Self {
        let own: [Arc<dyn MessageType>; 8] = [
            Arc::new(message::Message),
            Arc::new(group_message::GroupMessage),
            Arc::new(fetch_missing::FetchMissing),
            Arc::new(close_connection::CloseConnection),
            Arc::new(ack::MessageAck),
            Arc::new(read::MessageRead),
            Arc::new(ping::Ping),
            Arc::new(upstream::Upstream),
        ];
        Self {
            by_name: own.into_iter().map(|known| (known.name(), known)).collect(),
        }
    }

    /// Adds a type of the host's own.
    ///
    /// # Errors
    /// [`RegisterError`]: the name is taken, or is none.
    pub fn register(&mut self, own: Arc<dyn MessageType>) -> Result<(), RegisterError> {
        let name = own.name();
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            return Err(RegisterError::Malformed(name.into_owned()));
        }
        let is_spoken = name == LOGIN_TYPE || SERVER_TYPES.contains(&name.as_ref());
        if is_spoken || Self::protocol().by_name.contains_key(&name) {
            return Err(RegisterError::Reserved(name.into_owned()));
        }
        if self.by_name.contains_key(&name) {
            return Err(RegisterError::Repeated(name.into_owned()));
        }
        self.by_name.insert(name, own);
        Ok(())
    }

    /// The names of all, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(AsRef::as_ref)
    }

    /// The type of this name.
    pub fn find(&self, name: &str) -> Option<&dyn MessageType> {
        self.by_name.get(name).map(AsRef::as_ref)
    }
}

/// The string in a field that must be there.
fn required_string<'a>(raw: Option<&'a RawValue>, field: &str) -> Result<Cow<'a, str>, FrameError> {
    raw.map_or_else(
        || Err(FrameError::field(field, "is missing")),
        |raw| read_string(raw, field),
    )
}
