//! What a router knows of its node's sessions, and of other nodes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::delivery::{Delivery, Ticket};
use crate::envelope::Envelope;
use crate::id::{DomainName, MessageId, SessionId, UserId};

/// What became of an offered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The session has it, and will prove it or give it back.
    Taken,
    /// The session has fallen behind.
    Behind {
        /// It is being sent everything that waits, in order: what is stored will come to it.
        replaying: bool,
    },
    /// The session is gone.
    Gone,
}

/// Where a user has sessions besides those of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere<S> {
    /// On these nodes, or nowhere.
    Nodes(SmallVec<[S; 2]>),
    /// Presence is asked: [`super::Custody::on_located`] will tell.
    Asked,
    /// Presence is away: nobody can tell now.
    Unknown,
}

/// What became of a message for another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeOffer {
    /// On its way. That node answers with proof, or that it has nobody, or that the session is behind.
    Sent,
    /// That node lives no more.
    Gone,
    /// The bus is away.
    Away,
}

/// What became of a message for another domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// The link of this id has it: [`super::Custody::on_forwarded`] or [`super::Custody::on_link_lost`] will tell.
    Sent(SessionId),
    /// What waited for that domain has just gone ahead, or is about to: it is known in a moment.
    Parked,
    /// There is no way there now, or others wait for it in the store: it has to wait behind them.
    Shut,
}

/// The sessions of this node, shared by its routers; and the other nodes of the domain, which have handles and ids as sessions have.
pub trait LocalSessions {
    /// A handle of one session.
    type Session: Clone;

    /// The logged-in sessions of a user.
    fn of(&self, user: &UserId) -> SmallVec<[Self::Session; 2]>;

    /// Its id.
    fn id(&self, session: &Self::Session) -> SessionId;

    /// Offers a message. A courtesy is taken by sessions that are behind too, as far as their bound allows; `forced`, beyond it.
    fn offer(&self, session: &Self::Session, delivery: Delivery, forced: bool) -> Offer;

    /// A message for this session goes to the store instead. False when the session is not behind (any more), and nothing was noted.
    fn divert(&self, session: &Self::Session) -> bool;

    /// Something for this session was stored; `diverted`: it was one that [`LocalSessions::divert`] had noted, and is noted no more, and it comes
    /// behind all that was stored before. Else it may be anywhere among what waits.
    fn hint(&self, session: &Self::Session, diverted: bool);

    /// Where else the user is.
    fn elsewhere(&self, user: &UserId) -> Elsewhere<Self::Session> {
        let _ = user;
        Elsewhere::Nodes(SmallVec::new())
    }

    /// The node of this id ([`SessionId::of_node`]), while it lives.
    fn node(&self, id: SessionId) -> Option<Self::Session> {
        let _ = id;
        None
    }

    /// What is known of the user may be out of date: presence is asked anew with the next [`LocalSessions::elsewhere`].
    fn forget_elsewhere(&self, user: &UserId) {
        let _ = user;
    }

    /// Sends a message to a node, which offers it to the sessions it has. `ticket`: where that node is to answer.
    fn offer_node(
        &self,
        node: &Self::Session,
        envelope: &Arc<Envelope>,
        ticket: Option<Ticket>,
    ) -> NodeOffer {
        let _ = (node, envelope, ticket);
        NodeOffer::Gone
    }

    /// The domain that the recipient lives in, where that is another one; what stands for the application, of what is for it. `before`: as the answer was when the message was handed over,
    /// or when its row was written; nothing of one that goes nowhere yet.
    fn home(&self, envelope: &Envelope, before: Option<&DomainName>) -> Option<DomainName> {
        let _ = (envelope, before);
        None
    }

    /// The message that left for another domain just before this one, of the same sender to the same recipient; this one is remembered as the last.
    fn predecessor(&self, envelope: &Envelope) -> Option<MessageId> {
        let _ = envelope;
        None
    }

    /// The link on the way to `home`, while there is one.
    fn next_link(&self, home: &DomainName) -> Option<SessionId> {
        let _ = home;
        None
    }

    /// Hands a RELIABLE message to the link on the way to `home`. `first`: it has waited in the store, and nothing is ahead of it.
    fn forward(
        &self,
        home: &DomainName,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        first: bool,
    ) -> Forwarding {
        let _ = (home, envelope, ticket, first);
        Forwarding::Shut
    }

    /// Hands a FAST message to the link on the way to `home`; whether there is one that takes it.
    fn forward_fast(&self, home: &DomainName, envelope: &Arc<Envelope>) -> bool {
        let _ = (home, envelope);
        false
    }

    /// A message for `home` goes to the store, and the way there stays shut until [`LocalSessions::forward_is_stored`]. False when it is not shut (any more), and nothing
    /// was noted; `anyhow`: noted all the same.
    fn divert_forward(&self, home: &DomainName, anyhow: bool) -> bool {
        let _ = (home, anyhow);
        true
    }

    /// What [`LocalSessions::divert_forward`] noted is in the store, or needs to be no more.
    fn forward_is_stored(&self, home: &DomainName) {
        let _ = home;
    }

    /// Something for `home` was left to the store, and nobody here has it: whatever comes now is behind it.
    fn shut_way(&self, home: &DomainName) {
        let _ = home;
    }

    /// Something waits in the store for somebody who lives in another domain by now, and does not say so.
    fn stray(&self, user: &UserId) {
        let _ = user;
    }
}
