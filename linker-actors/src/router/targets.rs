//! Where messages can go, as custody sees it: sessions of this node, and other nodes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use linker_core::clock::Now;
use linker_core::custody::{Delivery, Elsewhere, Forwarding, LocalSessions, NodeOffer, Offer, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use smallvec::SmallVec;

use crate::cluster::{Offered, Peer};
use crate::links::Neighbour;
use crate::node::Node;
use crate::session::{SessionEntry, ToSession};
use crate::upstream::UpstreamOutlet;

/// A session of this node, or another node.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Session(Arc<SessionEntry>),
    Peer(Arc<Peer>),
}

impl Target {
    fn id(&self) -> SessionId {
        match self {
            Self::Session(entry) => entry.id,
            Self::Peer(peer) => peer.id,
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

/// A user whom presence is to be asked about, and as of when ([`crate::cluster::Cluster`]'s whereabouts).
pub(crate) type Sought = (UserId, u64);

/// What one router sees.
pub(super) struct Targets<'a> {
    pub(super) node: &'a Node,
    pub(super) now: Now,
    /// Collected for the next question to presence.
    pub(super) sought: &'a RefCell<Vec<Sought>>,
    /// For each node, since when the router knows of no loss on the way there.
    pub(super) epochs: &'a RefCell<HashMap<SessionId, u64>>,
}

impl LocalSessions for Targets<'_> {
    type Session = Target;

    fn of(&self, user: &UserId) -> SmallVec<[Target; 2]> {
        let sessions = self.node.sessions.of(user);
        sessions.into_iter().map(Target::Session).collect()
    }

    fn id(&self, target: &Target) -> SessionId {
        target.id()
    }

    fn offer(&self, target: &Target, delivery: Delivery, forced: bool) -> Offer {
        match target {
            Target::Session(entry) => entry.offer(delivery, forced),
            Target::Peer(_) => Offer::Gone,
        }
    }

    fn divert(&self, target: &Target) -> bool {
        match target {
            Target::Session(entry) => entry.divert(),
            Target::Peer(_) => false,
        }
    }

    fn hint(&self, target: &Target, diverted: bool) {
        let Target::Session(session) = target else { return };
        let hint = if diverted {
            ToSession::Hint
        } else {
            ToSession::Rescan
        };
        if diverted {
            session.diverted_is_stored();
        }
        // When its mailbox is full it asks again by itself before long.
        let _ = session.post(hint);
    }

    fn elsewhere(&self, user: &UserId) -> Elsewhere<Target> {
        let Some(cluster) = &self.node.cluster else {
            return Elsewhere::Nodes(SmallVec::new());
        };
        match cluster.whereabouts.find(user) {
            Ok(peers) => Elsewhere::Nodes(peers.into_iter().map(Target::Peer).collect()),
            Err(_) if cluster.presence_is_away() => Elsewhere::Unknown,
            Err(as_of) => {
                self.sought.borrow_mut().push((*user, as_of));
                Elsewhere::Asked
            }
        }
    }

    fn node(&self, id: SessionId) -> Option<Target> {
        let cluster = self.node.cluster.as_ref()?;
        cluster.peers.by_id(id).map(Target::Peer)
    }

    fn forget_elsewhere(&self, user: &UserId) {
        if let Some(cluster) = &self.node.cluster {
            cluster.whereabouts.forget(user);
        }
    }

    fn offer_node(&self, node: &Target, envelope: &Arc<Envelope>, ticket: Option<Ticket>) -> NodeOffer {
        let Target::Peer(peer) = node else {
            return NodeOffer::Gone;
        };
        // The first thing a router offers a node is behind nothing.
        let epoch = *self
            .epochs
            .borrow_mut()
            .entry(peer.id)
            .or_insert_with(|| peer.epoch());
        match peer.offer(envelope, ticket, epoch) {
            Offered::Sent => NodeOffer::Sent,
            Offered::Gone => NodeOffer::Gone,
            Offered::Away => NodeOffer::Away,
        }
    }

    fn home(&self, envelope: &Envelope, before: Option<&DomainName>) -> Option<DomainName> {
        if envelope.to.is_upstream() {
            return Some(self.node.upstream.home_of(envelope, before));
        }
        self.node.directory().home_away_of(&envelope.to).cloned()
    }

    fn predecessor(&self, envelope: &Envelope) -> Option<MessageId> {
        self.node.links.predecessor(envelope, self.now.elapsed)
    }

    fn next_link(&self, home: &DomainName) -> Option<SessionId> {
        if home.is_upstream() {
            return self.node.upstream.next_link(home);
        }
        self.node.links.next_link(home)
    }

    fn forward(
        &self,
        home: &DomainName,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        first: bool,
    ) -> Forwarding {
        if home.is_upstream() {
            let epoch_of = |outlet: &UpstreamOutlet| {
                let mut epochs = self.epochs.borrow_mut();
                *epochs.entry(outlet.id).or_insert_with(|| outlet.epoch())
            };
            return self
                .node
                .upstream
                .forward(home, envelope, ticket, first, epoch_of);
        }
        // The first thing a router hands to a link is behind nothing.
        let epoch_of = |hop: &Neighbour| {
            let mut epochs = self.epochs.borrow_mut();
            *epochs.entry(hop.id).or_insert_with(|| hop.epoch())
        };
        self.node.links.forward(home, envelope, ticket, first, epoch_of)
    }

    fn forward_fast(&self, home: &DomainName, envelope: &Arc<Envelope>) -> bool {
        if home.is_upstream() {
            return self.node.upstream.forward_fast(envelope);
        }
        self.node.links.forward_fast(home, envelope)
    }

    fn divert_forward(&self, home: &DomainName, anyhow: bool) -> bool {
        match home.is_upstream() {
            true => self.node.upstream.divert(home, anyhow),
            false => self.node.links.divert(home, anyhow),
        }
    }

    fn forward_is_stored(&self, home: &DomainName) {
        match home.is_upstream() {
            true => self.node.upstream.stored(home),
            false => self.node.links.stored(home),
        }
    }

    fn shut_way(&self, home: &DomainName) {
        match home.is_upstream() {
            true => self.node.upstream.shut(home),
            false => self.node.links.shut(home),
        }
    }

    fn stray(&self, user: &UserId) {
        self.node.links.stray(*user);
    }
}
