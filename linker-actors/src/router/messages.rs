//! What a router is told by other threads.

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use linker_core::code::FrameError;
use linker_core::custody::{AdoptedForward, Submission, Surrendered, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, Page, StoredRow};

use super::targets::Target;
use tokio::sync::oneshot;

use crate::cluster::{Located, Peer, PeerFrame};
use crate::links::Neighbour;
use crate::session::SessionEntry;
use crate::upstream::UpstreamOutlet;

/// A page of the store, on its way to a session.
pub(crate) struct PageRead {
    pub(crate) entry: Arc<SessionEntry>,
    /// `None`: the store could not be read.
    pub(crate) page: Option<Page>,
    pub(crate) after_seq: u64,
    pub(crate) asked_at: Duration,
    /// What the session has of it already.
    pub(crate) deferred: Vec<MessageId>,
}

/// For a router. On `Full` it waits in the sender's outlet, or is refused to the embedder who called.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum RouterMail {
    /// Another router: sessions there have proven what this one answers for.
    Proven(Vec<Ticket>),
    /// Another router: a session there gives these back.
    GivenBack(Vec<(Ticket, SessionId)>),
    /// Another router: a session there has ended, and what it was handed may never have reached it.
    SessionEnded(SessionId),
    /// The store: what became of inserts.
    Stored(Vec<(Ticket, InsertOutcome)>),
    /// The store: a page.
    Page(Box<PageRead>),
    /// A handle, presence: a message that no session has sent.
    Submit(Box<Submission<Target>>),
    /// A router that ends: go on with what it had.
    TakeOver(Surrendered<Target>),
    /// The bus: what another node says.
    Peer(Arc<Peer>, Vec<PeerFrame>),
    /// The cluster: a node lives no more.
    PeerGone(Arc<Peer>),
    /// The cluster: something may have been lost on the way to a node.
    PeerBack(Arc<Peer>),
    /// Presence: where else users are; `None` where nobody could tell.
    Located(Vec<(UserId, Option<Located>)>),
    /// The cluster: messages that nobody moves any more.
    Faults(Vec<StoredRow>),
    /// A link: the neighbour has confirmed these.
    Forwarded(Vec<Ticket>),
    /// A link: it is lost, or takes no more for now; what it had is this router's again.
    LinkLost(Arc<Neighbour>),
    /// The way to the application is shut; what it had and has not taken is this router's again.
    UpstreamLost(Arc<UpstreamOutlet>),
    /// The application does not want these.
    UpstreamRefused(Vec<(Ticket, FrameError)>),
    /// A pump: the way to this domain is open.
    WayChanged(DomainName),
    /// A pump: rows that wait to be forwarded to this domain, in order; what came of it.
    ForwardRows(Vec<StoredRow>, DomainName, oneshot::Sender<AdoptedForward>),
    /// The ingress: messages from other domains, in order.
    Arrivals(Vec<Submission<Target>>),
    /// An operator: is this message pending here?
    Find(MessageId, oneshot::Sender<Option<Arc<Envelope>>>),
    /// The node drains: leave to the others what is safe.
    LetGo,
    /// Anybody: look at what the node shares, it has changed.
    Wake,
    /// A handle: the node has other settings.
    Configure,
    /// The node drains: close this thread's connections with 1001.
    CloseSessions,
    /// The node stops: tell, and end. What is left goes to the node's own router.
    Stop(oneshot::Sender<()>),
}
