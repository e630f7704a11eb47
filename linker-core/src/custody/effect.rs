//! What custody wants done.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::Ticket;
use crate::code::FrameError;
use crate::envelope::{Envelope, Feature};
use crate::id::{DomainName, MessageId, UserId};
use crate::port::WaitReason;
use crate::trace::Passage;
use crate::upstream::UpstreamEvent;

/// Who handed a message in, to be told what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin<S> {
    /// A client's session.
    Session(S),
    /// A call of the embedder or of the HTTP API, by its number.
    Call(u64),
    /// Linker itself.
    Node,
    /// Another node, which answers for it under this ticket of its own.
    Guest(S, Ticket),
    /// Another domain, which this one owes a receipt for the message of this id.
    Arrival(MessageId),
}

/// What became of a submission, told once: when it is safe, done, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// In the store.
    Stored,
    /// The next domain on its way has it, and answers for it (RELIABLE); or it was handed to a link (FAST).
    Forwarded,
    /// Delivery was proven, or (FAST) it was handed to a session.
    Delivered,
    /// FAST, and nobody was there.
    Dropped,
    /// A repetition of a message that is still on its way, or was told of already: no word of its own.
    Repeated,
    /// Not taken, or not kept.
    Refused(FrameError),
}

impl Settlement {
    /// A word for it, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Forwarded => "forwarded",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Repeated => "duplicate",
            Self::Refused(_) => "refused",
        }
    }
}

/// What a message counts as in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the label values of linker_messages_total (CONTRACT.md)"
)]
pub enum Outcome {
    Delivered,
    Stored,
    Dropped,
    Refused,
    Forwarded,
    Duplicate,
}

/// What one node tells another about a message that one of them answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeWord {
    /// A session has proven it. The ticket is the other node's, as in the next two.
    Proven(Ticket, MessageId),
    /// No session has it, or none has it any more.
    NotHere(Ticket),
    /// The sessions are behind: it is to be stored, and [`NodeWord::Stored`] awaited under `guest`.
    Behind {
        /// The other node's.
        ticket: Ticket,
        /// One's own.
        guest: Ticket,
        /// They are being sent everything that waits, whatever for.
        replaying: bool,
    },
    /// Its row is in the store, where those sessions find it. The ticket is what the other node called `guest`, as in the next.
    Stored(Ticket),
    /// Another session has it; those that are behind get it besides.
    Dismiss(Ticket),
    /// Is it still under way?
    Ask(Ticket, MessageId),
    /// It was proven, and this node answers for it no more: do what is owed for it.
    Finish(MessageId),
}

/// One thing to do; in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum CustodyEffect<S> {
    /// Add a row with the next commit; in the same transaction remove the row `replaces`. Answer with [`super::Custody::on_stored`].
    Insert {
        /// Whom to answer.
        ticket: Ticket,
        /// The row.
        envelope: Arc<Envelope>,
        /// Why it waits.
        reason: WaitReason,
        /// Where its recipient lives, when it is to be forwarded.
        home: Option<DomainName>,
        /// The message that this confirmation is for.
        replaces: Option<MessageId>,
    },
    /// Remove a row, or keep it from being added, with the next commit; afterwards tell [`super::Claims::deleted`].
    Delete {
        /// The recipient.
        user: UserId,
        /// The row.
        id: MessageId,
        /// Another domain has the message, which had left so many domains: [`crate::port::StoreBatch::forwarded`].
        forwarded: Option<u8>,
    },
    /// A row waits for [`WaitReason::Absent`] from now on, and is nobody's.
    Absent {
        /// The row.
        id: MessageId,
    },
    /// A row in the store waits for [`WaitReason::Behind`] from now on, and is nobody's. Answer with [`super::Custody::on_stored`] once it is committed.
    Behind {
        /// Whom to answer.
        ticket: Ticket,
        /// The row.
        id: MessageId,
    },
    /// A row in the store waits for [`WaitReason::Forward`] to `home` from now on, as this node's. Answer with [`super::Custody::on_stored`] once it is committed.
    Redirect {
        /// Whom to answer.
        ticket: Ticket,
        /// The row.
        id: MessageId,
        /// Where it goes.
        home: DomainName,
    },
    /// Tell another node.
    Tell {
        /// Which.
        node: S,
        /// What.
        word: NodeWord,
    },
    /// Tell who handed it in.
    Settled {
        /// Whom to tell.
        origin: Origin<S>,
        /// Whether it asked for `MESSAGE_ACCEPTED`.
        accepted: bool,
        /// A confirmation is (or was) owed, so that proof needs no other word.
        confirm: bool,
        /// The message; under a repetition, the id of the first.
        id: MessageId,
        /// The sender's reference.
        reference: Option<Box<str>>,
        /// What it counted for.
        cost: usize,
        /// The news.
        settlement: Settlement,
    },
    /// Tell the application what became of a user's message to a user ([`super::Reports`]).
    Happened {
        /// The message.
        message: Arc<Envelope>,
        /// [`UpstreamEvent::Delivered`] or [`UpstreamEvent::Stored`].
        event: UpstreamEvent,
    },
    /// Count it.
    Outcome {
        /// RELIABLE or FAST.
        feature: Feature,
        /// As what.
        outcome: Outcome,
        /// From accepted to proven, when it was delivered.
        latency: Option<Duration>,
    },
    /// A traced message has gone one way or another: tell whoever traces.
    Traced(Passage),
}
