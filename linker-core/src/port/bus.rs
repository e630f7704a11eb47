//! How bytes get from one node of a domain to another.

use std::sync::Arc;

use bytes::Bytes;

use super::BoxFuture;
use crate::id::NodeInstance;

/// The largest payload that every bus carries: what RabbitMQ 4 takes unless told otherwise.
pub const PAYLOAD_MAX: usize = 16 << 20;

/// Why a payload was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// That node has no inbox: it is gone, or not there yet. A bus may now and then fail to notice.
    #[error("{0} has no inbox on the bus")]
    NoSuchNode(NodeInstance),
    /// The bus is away, or does not take anything now. Whether the payload arrives is unknown.
    #[error("the bus is away: {0}")]
    Away(String),
    /// More than [`PAYLOAD_MAX`] bytes.
    #[error("a payload of {0} bytes is more than the bus carries")]
    TooLarge(usize),
    /// The bus will never take this node: a wrong password, a virtual host that does not exist, a url for something else.
    #[error("{0}")]
    Refused(String),
}

/// Told of what comes in. Called on the adapter's own tasks: it must not block, and what it cannot take now it holds or drops itself.
pub trait BusReceiver: Send + Sync + 'static {
    /// A payload came in for this node.
    fn receive(&self, payload: Bytes);

    /// The bus went away or takes nothing for now (`Some` tells why), or is there (again): what was under way in between may be gone.
    /// Told once a change, also before [`Bus::open`] has answered.
    fn connection(&self, lost: Option<String>);
}

/// Carries payloads between the nodes of a domain, in order between any two while the connection lasts, at most once. It is never proof of anything:
/// who sent something keeps it until the other node has answered.
pub trait Bus: Send + Sync + 'static {
    /// Opens the inbox of this node and hands what comes in to `receiver`. Answers once the inbox is open, or at once with why that will never be.
    /// While the bus is away it goes on trying, with backoff, without end; so it does when the connection is lost later.
    fn open(&self, node: NodeInstance, receiver: Arc<dyn BusReceiver>)
    -> BoxFuture<'_, Result<(), BusError>>;

    /// Sends a payload to a node, and answers once the bus has it, or after a few seconds at most. Several may be under way at once: those to one node arrive in the order in which
    /// `send` was called, not in that in which the futures were first polled.
    fn send(&self, to: NodeInstance, payload: Bytes) -> BoxFuture<'static, Result<(), BusError>>;

    /// Closes the inbox for good: the node stops. From then on nothing comes in, and nothing is sent.
    fn close(&self) -> BoxFuture<'_, ()>;
}
