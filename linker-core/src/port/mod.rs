//! Ports: what Linker asks of the world outside, one trait a file. Adapters live in linker-actors or with the embedder.

mod authenticator;
mod bus;
mod link;
mod presence;
mod records;
mod store;
mod upstream;

use std::future::Future;
use std::pin::Pin;

pub use authenticator::{AuthError, Authenticator, Credentials, Login};
pub use bus::{Bus, BusError, BusReceiver, PAYLOAD_MAX};
pub use link::{
    Arrival, Ingress, IngressReceiver, LINK_SLOTS, Link, LinkError, LinkMaker, LinkWatcher, LinkWay, Receipt,
    slot_of,
};
pub use presence::{
    Cluster, NODE_TIMEOUT, NodeRecord, NodeState, Presence, PresenceError, PresenceWatcher, Reconciled,
    Registered, SessionRef, TURN_ASK_TIME, TURN_TIME, Turn,
};
pub use records::{Expected, RECORD_KEY_LEN_MAX, Record, RecordWrite, Records};
pub use store::{
    CountRequest, Insert, InsertOutcome, Page, PageFilter, PageRequest, Repeatable, Store, StoreBatch,
    StoreError, StoredRow, TakeOver, WaitReason, Waiting,
};
pub use upstream::{UpstreamError, UpstreamMessage, UpstreamPace, UpstreamSink, UpstreamWatcher};

/// A boxed future, so that ports can be trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
