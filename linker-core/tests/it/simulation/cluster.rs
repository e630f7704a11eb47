//! What a node knows of the others, as linker-actors keeps it: who lives, who has which user; and what a router sees of all that.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use linker_core::custody::{Delivery, Elsewhere, LocalSessions, NodeOffer, Offer, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::{SessionId, UserId};
use smallvec::SmallVec;

use super::bus::{Frame, Outbox};
use super::entry::{Entry, Table, ToSession};
use super::node::SHARDS;

/// Another node, as one node sees it.
pub(crate) struct Peer {
    /// Which run of which node.
    pub(crate) life: u32,
    pub(crate) id: SessionId,
    gone: Cell<bool>,
    pub(crate) outbox: Outbox,
}

impl Peer {
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// Answers whether that is news.
    pub(crate) fn set_gone(&self) -> bool {
        !self.gone.replace(true)
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "node of life {}", self.life)
    }
}

/// The other nodes that have a user.
pub(crate) type Located = SmallVec<[Rc<Peer>; 2]>;

#[derive(Default)]
struct Whereabouts {
    of: BTreeMap<UserId, Located>,
    /// How often what is known of a user was forgotten: an answer that was asked for before is not remembered.
    forgotten: BTreeMap<UserId, u64>,
    all_forgotten: u64,
}

impl Whereabouts {
    fn as_of(&self, user: &UserId) -> u64 {
        self.all_forgotten + self.forgotten.get(user).copied().unwrap_or_default()
    }
}

/// A user whom presence is to be asked about, and as of when.
pub(crate) type Sought = (UserId, u64);

#[derive(Default)]
pub(crate) struct Cluster {
    peers: RefCell<Vec<Rc<Peer>>>,
    next_peer: Cell<u32>,
    whereabouts: RefCell<Whereabouts>,
    pub(crate) presence_away: Cell<bool>,
    /// For each router, whom it is to ask about.
    sought: [RefCell<Vec<Sought>>; SHARDS as usize],
    /// Peers whose outbox has got something.
    pub(crate) rung: RefCell<Vec<Rc<Peer>>>,
}

impl Cluster {
    /// A node that lives, or is heard of.
    pub(crate) fn peer(&self, life: u32) -> Rc<Peer> {
        let mut peers = self.peers.borrow_mut();
        if let Some(known) = peers.iter().find(|peer| peer.life == life) {
            return Rc::clone(known);
        }
        self.next_peer.set(self.next_peer.get() + 1);
        let peer = Rc::new(Peer {
            life,
            id: SessionId::of_node(self.next_peer.get()),
            gone: Cell::new(false),
            outbox: Outbox::default(),
        });
        peers.push(Rc::clone(&peer));
        peer
    }

    pub(crate) fn peers(&self) -> Vec<Rc<Peer>> {
        self.peers.borrow().clone()
    }

    pub(crate) fn remove(&self, peer: &Peer) {
        self.peers.borrow_mut().retain(|known| known.id != peer.id);
    }

    pub(crate) fn remember(&self, user: UserId, located: &Located, as_of: u64) {
        let mut whereabouts = self.whereabouts.borrow_mut();
        if whereabouts.as_of(&user) == as_of {
            whereabouts.of.insert(user, located.clone());
        }
    }

    pub(crate) fn forget(&self, user: &UserId) {
        let mut whereabouts = self.whereabouts.borrow_mut();
        whereabouts.of.remove(user);
        *whereabouts.forgotten.entry(*user).or_default() += 1;
    }

    pub(crate) fn forget_all(&self) {
        let mut whereabouts = self.whereabouts.borrow_mut();
        whereabouts.of.clear();
        whereabouts.all_forgotten += 1;
    }

    pub(crate) fn take_sought(&self, shard: u16) -> Vec<Sought> {
        self.sought[usize::from(shard)].take()
    }

    /// Puts something into an outbox. False when it cannot be sent now.
    pub(crate) fn send(&self, peer: &Rc<Peer>, frame: Frame) -> bool {
        if peer.outbox.is_away() {
            return false;
        }
        peer.outbox.push(frame);
        self.rung.borrow_mut().push(Rc::clone(peer));
        true
    }

    pub(crate) fn tell(&self, peer: &Rc<Peer>, frame: Frame) {
        if !peer.is_gone() {
            self.send(peer, frame);
        }
    }
}

/// A session of this node, or another node.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Session(Rc<Entry>),
    Peer(Rc<Peer>),
}

/// What one router sees.
pub(crate) struct Targets<'a> {
    pub(crate) table: &'a Table,
    /// `None` where there is one node only.
    pub(crate) cluster: Option<&'a Cluster>,
    pub(crate) shard: u16,
}

impl LocalSessions for Targets<'_> {
    type Session = Target;

    fn of(&self, user: &UserId) -> SmallVec<[Target; 2]> {
        self.table.of(user).into_iter().map(Target::Session).collect()
    }

    fn id(&self, target: &Target) -> SessionId {
        match target {
            Target::Session(entry) => entry.id,
            Target::Peer(peer) => peer.id,
        }
    }

    fn offer(&self, target: &Target, delivery: Delivery, forced: bool) -> Offer {
        let Target::Session(session) = target else {
            return Offer::Gone;
        };
        let envelope = Arc::clone(&delivery.envelope);
        let offer = session.offer(delivery, forced);
        let mut audit = self.table.audit.borrow_mut();
        if forced && offer != Offer::Taken {
            audit.left_for_a_fetch = true;
        }
        if offer == Offer::Taken {
            audit.handed_to_session(&envelope, session.id);
        }
        offer
    }

    fn divert(&self, target: &Target) -> bool {
        match target {
            Target::Session(session) => session.divert(),
            Target::Peer(_) => false,
        }
    }

    fn hint(&self, target: &Target, diverted: bool) {
        let Target::Session(session) = target else { return };
        if diverted {
            session.diverted_is_stored();
        }
        let hint = if diverted {
            ToSession::Hint
        } else {
            ToSession::Rescan
        };
        let _ = session.mailbox.post(hint);
    }

    fn elsewhere(&self, user: &UserId) -> Elsewhere<Target> {
        let Some(cluster) = self.cluster else {
            return Elsewhere::Nodes(SmallVec::new());
        };
        let whereabouts = cluster.whereabouts.borrow();
        match whereabouts.of.get(user) {
            Some(peers) => Elsewhere::Nodes(peers.iter().cloned().map(Target::Peer).collect()),
            None if cluster.presence_away.get() => Elsewhere::Unknown,
            None => {
                let as_of = whereabouts.as_of(user);
                cluster.sought[usize::from(self.shard)]
                    .borrow_mut()
                    .push((*user, as_of));
                Elsewhere::Asked
            }
        }
    }

    fn node(&self, id: SessionId) -> Option<Target> {
        let peers = self.cluster?.peers.borrow();
        let peer = peers.iter().find(|peer| peer.id == id)?;
        Some(Target::Peer(Rc::clone(peer)))
    }

    fn forget_elsewhere(&self, user: &UserId) {
        if let Some(cluster) = self.cluster {
            cluster.forget(user);
        }
    }

    fn offer_node(&self, node: &Target, envelope: &Arc<Envelope>, ticket: Option<Ticket>) -> NodeOffer {
        let (Target::Peer(peer), Some(cluster)) = (node, self.cluster) else {
            return NodeOffer::Gone;
        };
        if peer.is_gone() {
            return NodeOffer::Gone;
        }
        if !peer.outbox.is_known_to(self.shard) {
            return NodeOffer::Away;
        }
        let envelope = Arc::clone(envelope);
        match cluster.send(peer, Frame::Deliver { ticket, envelope }) {
            true => NodeOffer::Sent,
            false => NodeOffer::Away,
        }
    }
}
