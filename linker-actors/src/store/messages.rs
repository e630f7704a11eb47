//! What the store is told and asked.

use std::sync::Arc;

use actix::Message;
use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::{InsertOutcome, PageFilter, StoreError, WaitReason};

use crate::session::SessionEntry;

/// One change.
pub(crate) enum StoreOp {
    Insert {
        ticket: Ticket,
        envelope: Arc<Envelope>,
        reason: WaitReason,
        home: Option<DomainName>,
        replaces: Option<MessageId>,
    },
    Delete {
        user: UserId,
        id: MessageId,
        /// As in `StoreBatch::forwarded`.
        forwarded: Option<u8>,
    },
    /// Nobody moves it any more: its recipient is away.
    Absent { id: MessageId },
    /// Sessions that are behind, on another node, are to find it. Answered as an insert is.
    Behind { ticket: Ticket, id: MessageId },
    /// It waits for another way to the application. Answered as an insert is.
    Redirect {
        ticket: Ticket,
        id: MessageId,
        home: DomainName,
    },
}

/// One question of a session; a page is answered to the router `shard`, a count to the session itself.
pub(crate) enum StoreRequest {
    Page(PageWanted),
    Count(Arc<SessionEntry>),
}

/// The next rows for a session, and which router takes them into custody.
pub(crate) struct PageWanted {
    pub(crate) shard: u16,
    pub(crate) entry: Arc<SessionEntry>,
    pub(crate) after_seq: u64,
    pub(crate) max_rows: u32,
    pub(crate) max_bytes: usize,
    pub(crate) filter: PageFilter,
    /// What the session keeps until it has caught up.
    pub(crate) deferred: Vec<MessageId>,
}

/// For the store actor. On `Full` it waits in the sender's outlet.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum StoreMail {
    /// A router: what came up in one turn, in order.
    Ops(Vec<StoreOp>),
    /// A router: what its sessions ask.
    Requests(Vec<StoreRequest>),
    /// Itself: a transaction has ended.
    Applied(Result<Vec<InsertOutcome>, StoreError>),
    /// Itself: whether a write would be taken.
    Probed(Result<(), StoreError>),
    /// The node stops: answer once everything is on disk.
    Drain(tokio::sync::oneshot::Sender<()>),
}
