//! What a router knows of its node's sessions, and of other nodes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::delivery::{Delivery, Ticket};
use crate::envelope::Envelope;
use crate::id::{SessionId, UserId};

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
}
