//! The frames, as values.

use std::sync::Arc;

use bytes::Bytes;

use crate::custody::Ticket;
use crate::envelope::{Envelope, Feature, Kind};
use crate::id::{DomainName, MessageId, SessionId, UserId};
use crate::network::LinkState;

/// What one node says to another. Tickets are those of one of the two: each variant tells whose.
#[derive(Debug, Clone, PartialEq)]
pub enum BusFrame {
    /// Deliver to the sessions that the recipient has on your node.
    Deliver {
        /// The sender's; `None` for FAST, which nobody waits for.
        ticket: Option<Ticket>,
        /// The message.
        envelope: Arc<Envelope>,
    },
    /// Deliver one message to several recipients, each to the sessions on your node.
    DeliverGroup(GroupDelivery),
    /// Delivery is proven. Tickets of the receiver, who gave them with what it had delivered. Answered with [`BusFrame::Finish`] where the receiver does not
    /// answer for it any more.
    Proven {
        /// The receiver's tickets, and the messages.
        tickets: Vec<(Ticket, MessageId)>,
    },
    /// None of my sessions has it, or has it any more: find another way.
    NotHere {
        /// The receiver's.
        tickets: Vec<Ticket>,
    },
    /// My sessions of that user are behind: store it. Answered with [`BusFrame::Stored`] or [`BusFrame::Dismiss`].
    Behind {
        /// The receiver's.
        ticket: Ticket,
        /// The sender's name for its note of the message, for the answer.
        guest: Ticket,
        /// They are being sent everything that waits, whatever for.
        replaying: bool,
    },
    /// The row is in the store now: look there.
    Stored {
        /// The receiver's, from [`BusFrame::Behind`].
        guests: Vec<Ticket>,
    },
    /// Another session has it: those that are behind may have it too, as far as their bound allows.
    Dismiss {
        /// The receiver's, from [`BusFrame::Behind`].
        guests: Vec<Ticket>,
    },
    /// Do you still have these? Answered with [`BusFrame::Proven`] or [`BusFrame::NotHere`] for those that are not under way any more.
    Ask {
        /// The sender's tickets, and the messages.
        tickets: Vec<(Ticket, MessageId)>,
    },
    /// Close sessions of yours.
    Close {
        /// Whose.
        user: UserId,
        /// Which; all of the user's without it.
        session: Option<SessionId>,
        /// The close code.
        code: u16,
    },
    /// Something was stored for these users from elsewhere: sessions that feed from the store look again.
    Rescan {
        /// Whose sessions.
        users: Vec<UserId>,
    },
    /// A batch of this epoch of yours is missing here: begin another one, and send again what you wait for.
    Restart {
        /// The receiver's.
        epoch: u64,
    },
    /// You have proven these, and I do not answer for them any more: do what is owed for them.
    Finish {
        /// The messages.
        ids: Vec<MessageId>,
    },
    /// From another domain: a master wants all sessions of a user closed. Where there are none, the master is told so.
    CloseAway {
        /// Whose sessions.
        user: UserId,
        /// Who wants it.
        master: UserId,
        /// The master's, for the answer.
        reference: Option<Box<str>>,
        /// The domains it has left so far.
        path: Vec<DomainName>,
    },
    /// From another domain: the states of links of the network.
    LinkStates {
        /// The neighbour that passes them on.
        from: DomainName,
        /// Each the newest it knows of that domain.
        states: Vec<LinkState>,
    },
    /// A question of an operator's, which only you can answer: with [`BusFrame::Reply`], or not at all.
    Call {
        /// The sender's, for the answer.
        number: u64,
        /// What is asked; nodes know what it means, the codec does not.
        body: Bytes,
    },
    /// The answer to a [`BusFrame::Call`].
    Reply {
        /// The receiver's, from the question.
        number: u64,
        /// The answer.
        body: Bytes,
    },
}

/// One message for several recipients on one node: what they have in common once.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDelivery {
    /// Of all.
    pub kind: Kind,
    /// Of all.
    pub feature: Feature,
    /// Of all.
    pub from: UserId,
    /// Of all.
    pub reference: Option<Box<str>>,
    /// Of all.
    pub timestamp_ms: u64,
    /// Of all.
    pub content: Bytes,
    /// To whom.
    pub recipients: Vec<GroupRecipient>,
}

/// One of the recipients of a [`GroupDelivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRecipient {
    /// Who.
    pub to: UserId,
    /// The message to this one.
    pub id: MessageId,
    /// The sender's; `None` for FAST, which nobody waits for.
    pub ticket: Option<Ticket>,
}

impl GroupDelivery {
    /// One with `envelope` as the first. `None` for what cannot be one of a group: its author is owed a confirmation.
    pub fn of(envelope: &Envelope, ticket: Option<Ticket>) -> Option<Self> {
        (!envelope.confirm).then(|| Self {
            kind: envelope.kind,
            feature: envelope.feature,
            from: envelope.from,
            reference: envelope.reference.clone(),
            timestamp_ms: envelope.timestamp_ms,
            content: envelope.content.clone(),
            recipients: vec![GroupRecipient {
                to: envelope.to,
                id: envelope.id,
                ticket,
            }],
        })
    }

    /// Adds `envelope` if it has the same in common; otherwise it is a message of its own.
    pub fn add(&mut self, envelope: &Envelope, ticket: Option<Ticket>) -> bool {
        let fits = !envelope.confirm
            && envelope.kind == self.kind
            && envelope.feature == self.feature
            && envelope.from == self.from
            && envelope.reference == self.reference
            && envelope.timestamp_ms == self.timestamp_ms
            && same(&envelope.content, &self.content);
        if fits {
            self.recipients.push(GroupRecipient {
                to: envelope.to,
                id: envelope.id,
                ticket,
            });
        }
        fits
    }

    /// The message of each recipient, in order; they share the content.
    pub fn envelopes(&self) -> impl Iterator<Item = (Option<Ticket>, Envelope)> {
        self.recipients.iter().map(|recipient| {
            let envelope = Envelope {
                id: recipient.id,
                kind: self.kind,
                feature: self.feature,
                from: self.from,
                to: recipient.to,
                reference: self.reference.clone(),
                confirm: false,
                timestamp_ms: self.timestamp_ms,
                content: self.content.clone(),
                trail: None,
            };
            (recipient.ticket, envelope)
        })
    }
}

/// Messages of one group share their content's memory; the comparison of bytes is for those that were read from elsewhere.
fn same(a: &Bytes, b: &Bytes) -> bool {
    a.len() == b.len() && (a.as_ptr() == b.as_ptr() || a == b)
}
