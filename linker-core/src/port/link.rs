//! How bytes get from one domain into a neighbouring one.
//!
//! Each domain has an *ingress*: durable queues that its nodes empty, one of them at a time for each. A *link* is a node's way into the ingress of one
//! neighbour. What the ingress has confirmed is on disk there, and the neighbour's from then on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{BoxFuture, BusError};
use crate::id::DomainName;

/// How many slots an ingress has. A message's slot follows from its sender and recipient ([`slot_of`]); one slot is emptied in order.
pub const LINK_SLOTS: u8 = 16;

/// The slot of what `from` sends to `to`: the same on all nodes of all domains.
pub fn slot_of(from: &crate::id::UserId, to: &crate::id::UserId) -> u8 {
    // FNV-1a, which is the same everywhere and for ever.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for user in [from, to] {
        add(user.app().as_str().as_bytes());
        add(&user.number().to_be_bytes());
    }
    ((hash ^ (hash >> 32)) % u64::from(LINK_SLOTS)) as u8
}

/// Which way into a domain a payload takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkWay {
    /// The durable queue of this slot.
    Reliable(u8),
    /// The queue of this slot that is in memory only; what does not fit there is dropped.
    Fast(u8),
    /// To every node of the domain, in memory only.
    States,
    /// Nowhere: only the confirmation is of interest.
    Probe,
}

/// Why a payload was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The link is down, or was lost before the confirmation came. Whether the payload arrives is unknown: hand it over again.
    #[error("the link is down: {0}")]
    Down(String),
    /// The neighbour takes nothing more of this kind for now; this payload was not taken.
    #[error("the neighbour takes no more for now: {0}")]
    Full(String),
    /// More than [`super::PAYLOAD_MAX`] bytes.
    #[error("a payload of {0} bytes is more than a link carries")]
    TooLarge(usize),
    /// The url is none.
    #[error("{0}")]
    Refused(String),
}

/// Told what becomes of a link. Called on the adapter's own tasks: it must not block.
pub trait LinkWatcher: Send + Sync + 'static {
    /// The link went down (`Some` tells why), or is there (again). Told once a change; `Some` also where the first attempt fails. All that was under way
    /// has been answered before.
    fn connection(&self, lost: Option<String>);
}

/// A node's way into the ingress of one neighbouring domain.
pub trait Link: Send + Sync + 'static {
    /// Begins to connect, and goes on trying without end, with backoff; when the connection is lost it is made anew. Also a wrong password is tried again:
    /// somebody may be mending it at the other end. To be called once.
    fn open(&self, watcher: Arc<dyn LinkWatcher>);

    /// Hands a payload over. Those of one link arrive in the order in which `send` was called. [`LinkWay::Reliable`] and the two last are answered when the neighbour's broker
    /// has confirmed, however long that takes while the connection lives, or when it is lost; [`LinkWay::Fast`] when it is written.
    fn send(&self, way: LinkWay, payload: Bytes) -> BoxFuture<'static, Result<(), LinkError>>;

    /// Gives the connection up, as if it had been lost, and makes it anew: the other side has not answered for too long.
    fn reset(&self);

    /// Closes it for good.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Makes links.
pub trait LinkMaker: Send + Sync + 'static {
    /// A link to the ingress of `to`, whose broker is at `url`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`LinkError::Refused`] when it is no such url; the sentence does not repeat it, for there may be a password in it.
    fn link(&self, to: &DomainName, url: &str) -> Result<Arc<dyn Link>, LinkError>;
}

/// Says that what came in is safe here, so that the ingress may forget it. Dropped without that, it comes again when the connection is made anew.
pub struct Receipt(Box<dyn FnOnce() + Send>);

impl Receipt {
    /// One that calls this.
    pub fn new(sign: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(sign))
    }

    /// It is safe here.
    pub fn sign(self) {
        (self.0)();
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

/// A payload that came in from another domain.
#[derive(Debug)]
pub struct Arrival {
    /// The way it came.
    pub way: LinkWay,
    /// It.
    pub payload: Bytes,
    /// Of [`LinkWay::Reliable`] alone.
    pub receipt: Option<Receipt>,
}

/// Told of what comes in. Called on the adapter's own tasks: it must not block. At most [`Ingress`]'s own bound of RELIABLE payloads is unsigned at one
/// time; of the others it drops itself what it cannot take.
pub trait IngressReceiver: Send + Sync + 'static {
    /// A payload came in: those of one way in order.
    fn receive(&self, arrival: Arrival);

    /// The ingress of this node went away (`Some` tells why), or is there (again). RELIABLE payloads that came before and were not signed come again, to this
    /// node or another one, and their receipts mean nothing any more.
    fn connection(&self, lost: Option<String>);
}

/// The ingress of this node's own domain.
pub trait Ingress: Send + Sync + 'static {
    /// Opens it, and hands what comes in to `receiver`. Answers once it is open, or at once with why that will never be. While the broker is away it goes on
    /// trying, without end; so it does when the connection is lost later.
    fn open(&self, receiver: Arc<dyn IngressReceiver>) -> BoxFuture<'_, Result<(), BusError>>;

    /// Stops taking anything for good; others go on. What is not signed comes to them.
    fn close(&self) -> BoxFuture<'_, ()>;
}
