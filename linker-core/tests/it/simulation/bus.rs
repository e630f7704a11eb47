//! The bus: from each node to each other a lane of batches, in order, at most once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use linker_core::code::CloseCode;
use linker_core::custody::{NodeWord, Ticket};
use linker_core::envelope::{Envelope, Feature};
use linker_core::id::{SessionId, UserId};

use super::cluster::{Peer, Target};
use super::entry::ToSession;
use super::node::{RouterMail, close};
use super::sim::{Event, Sim, trace};

/// How often a node that cannot be reached is tried.
const TRY_EVERY: Duration = Duration::from_millis(100);
const FROM_BUS: u16 = 300;

#[derive(Debug, Clone)]
pub(crate) enum Frame {
    Deliver {
        ticket: Option<Ticket>,
        envelope: Arc<Envelope>,
    },
    Word(NodeWord),
    Close {
        user: UserId,
        session: Option<SessionId>,
        code: CloseCode,
    },
    /// Something waits for sessions of this user that are behind.
    Rescan(UserId),
    /// A batch of this epoch was lost: what is RELIABLE is dropped until another epoch begins.
    Lost {
        epoch: u32,
    },
}

/// Where a batch stands in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    epoch: u32,
    number: u32,
}

/// What is on its way to one node.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: RefCell<Vec<Frame>>,
    away: Cell<bool>,
    /// A batch is about to be made.
    flushing: Cell<bool>,
    /// When the last batch arrives.
    arrives: Cell<Duration>,
    next: Cell<Place>,
    /// What was received of that node's last: the other direction of the lane.
    received: Cell<Place>,
    /// Since which epoch each router knows of no loss.
    known: RefCell<BTreeMap<u16, u32>>,
    /// The epoch in which something that it sent was lost.
    lost: Cell<Option<u32>>,
}

impl Outbox {
    pub(crate) fn push(&self, frame: Frame) {
        self.frames.borrow_mut().push(frame);
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away.get()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.borrow().is_empty()
    }

    /// Whether this router has sent again what may have been lost.
    pub(crate) fn is_known_to(&self, shard: u16) -> bool {
        let epoch = self.next.get().epoch;
        *self.known.borrow_mut().entry(shard).or_insert(epoch) == epoch
    }

    fn begin_epoch(&self) {
        let epoch = self.next.get().epoch + 1;
        self.next.set(Place { epoch, number: 0 });
    }
}

/// Lanes that are down, and how many batches in a hundred are lost.
#[derive(Default)]
pub(crate) struct BusFaults {
    pub(crate) away: BTreeMap<(usize, usize), u32>,
    pub(crate) losing: u32,
}

impl Sim {
    /// Makes batches of what was put into outboxes.
    pub(crate) fn answer_outboxes(&mut self) {
        let rung = self.nodes[self.at].cluster.rung.take();
        for peer in rung {
            if !peer.outbox.flushing.replace(true) {
                let after = self.rng.up_to(self.plan.hop);
                self.schedule(after, Event::BusFlush(peer));
            }
        }
    }

    pub(crate) fn bus_flush(&mut self, peer: &Rc<Peer>) {
        peer.outbox.flushing.set(false);
        let frames = peer.outbox.frames.take();
        if frames.is_empty() || peer.is_gone() || peer.outbox.is_away() {
            return;
        }
        let to = self.place_of(peer.life);
        if to.is_none_or(|to| self.bus.away.contains_key(&(self.at, to))) {
            trace!(self, "the bus does not take {} frames for {peer:?}", frames.len());
            peer.outbox.away.set(true);
            // The broker may have had them all the same.
            if to.is_some() && self.rng.percent(20) {
                self.send_batch(peer, frames);
            }
            self.schedule(TRY_EVERY, Event::BusRetry(Rc::clone(peer)));
            return;
        }
        let place = peer.outbox.next.get();
        if self.bus.losing > 0 && self.rng.percent(30) {
            trace!(self, "{} frames for {peer:?} are lost", frames.len());
            self.skip(peer, place);
            return;
        }
        self.send_batch(peer, frames);
    }

    fn skip(&mut self, peer: &Peer, Place { epoch, number }: Place) {
        let number = number + 1;
        peer.outbox.next.set(Place { epoch, number });
    }

    fn send_batch(&mut self, peer: &Peer, frames: Vec<Frame>) {
        let Some(to) = self.place_of(peer.life) else {
            return;
        };
        let place = peer.outbox.next.get();
        self.skip(peer, place);
        let at = self.now + self.rng.up_to(self.plan.bus);
        let at = at.max(peer.outbox.arrives.get());
        peer.outbox.arrives.set(at);
        let from = self.nodes[self.at].life;
        let arrives = Event::BusArrives { from, place, frames };
        self.schedule_on(to, at.saturating_sub(self.now), arrives);
    }

    /// What was collected while the node could not be reached is dropped.
    pub(crate) fn bus_retry(&mut self, peer: &Rc<Peer>) {
        peer.outbox.frames.take();
        if peer.is_gone() {
            return;
        }
        let to = self.place_of(peer.life);
        if to.is_none_or(|to| self.bus.away.contains_key(&(self.at, to))) {
            self.schedule(TRY_EVERY, Event::BusRetry(Rc::clone(peer)));
            return;
        }
        trace!(self, "{peer:?} can be reached again");
        peer.outbox.away.set(false);
        self.nodes[self.at]
            .shared
            .has_faults
            .store(true, std::sync::atomic::Ordering::Release);
        self.node_is_back(peer);
    }

    /// A lane starts over: with [`EPOCHS`], the sender offers again all that the node has of it.
    fn node_is_back(&mut self, peer: &Rc<Peer>) {
        if EPOCHS {
            peer.outbox.begin_epoch();
            for shard in 0..super::node::SHARDS {
                let back = RouterMail::PeerBack(Rc::clone(peer));
                self.hop(FROM_BUS, shard, Event::Router(shard, back));
            }
        }
    }

    /// Whether what is RELIABLE of this batch may be handed on.
    fn follows(&mut self, peer: &Rc<Peer>, place: Place) -> bool {
        let outbox = &peer.outbox;
        let received = outbox.received.replace(place);
        let follows = match place.epoch == received.epoch {
            true => place.number == received.number + 1 || received == place,
            false => place.number == 0,
        };
        let first = received == Place::default() && place == Place::default();
        // The word may be lost too, so it is said again with each batch.
        if outbox.lost.get() == Some(place.epoch) || (!follows && !first) {
            trace!(self, "{peer:?} has lost a batch of epoch {}", place.epoch);
            outbox.lost.set(Some(place.epoch));
            let frame = Frame::Lost { epoch: place.epoch };
            self.nodes[self.at].cluster.tell(peer, frame);
            return false;
        }
        true
    }

    /// As the inbox of linker-actors: words go to the router of their ticket, everything that comes to guests to the first.
    pub(crate) fn bus_arrives(&mut self, from: u32, place: Place, frames: Vec<Frame>) {
        let peer = self.nodes[self.at].cluster.peer(from);
        let whole = !EPOCHS || self.follows(&peer, place);
        let mut by_shard: BTreeMap<u16, Vec<Frame>> = BTreeMap::new();
        let mut guests = Vec::new();
        for frame in frames {
            match frame {
                Frame::Deliver { ticket, envelope } => {
                    if whole || envelope.feature == Feature::Fast {
                        guests.push(Frame::Deliver { ticket, envelope });
                    }
                }
                Frame::Word(word) => match word {
                    NodeWord::Proven(ticket, _)
                    | NodeWord::NotHere(ticket)
                    | NodeWord::Behind { ticket, .. } => {
                        by_shard.entry(ticket.shard).or_default().push(frame);
                    }
                    _ => guests.push(frame),
                },
                Frame::Close { user, session, code } => self.close_here(&user, session, code),
                Frame::Rescan(user) => {
                    for entry in self.nodes[self.at].table.of(&user) {
                        let _ = entry.mailbox.post(ToSession::Rescan);
                    }
                }
                Frame::Lost { epoch } => {
                    if peer.outbox.next.get().epoch == epoch {
                        self.node_is_back(&peer);
                    }
                }
            }
        }
        if !guests.is_empty() {
            by_shard.entry(0).or_default().extend(guests);
        }
        for (shard, frames) in by_shard {
            let mail = RouterMail::Peer(Rc::clone(&peer), frames);
            self.hop(FROM_BUS, shard, Event::Router(shard, mail));
        }
    }

    fn close_here(&mut self, user: &UserId, session: Option<SessionId>, code: CloseCode) {
        let found = self.nodes[self.at].table.of(user);
        for entry in found {
            if session.is_none_or(|session| session == entry.id) {
                close(&entry, code);
            }
        }
    }

    /// What that node has of this router's is offered again, in order.
    pub(crate) fn peer_back(&mut self, shard: u16, peer: &Rc<Peer>) {
        trace!(self, "router {shard}: a new epoch begins with {peer:?}");
        let epoch = peer.outbox.next.get().epoch;
        peer.outbox.known.borrow_mut().insert(shard, epoch);
        let node = Target::Peer(Rc::clone(peer));
        self.custody(shard, |custody, cx| custody.on_node_back(&node, cx));
    }

    pub(crate) fn peer_frames(&mut self, shard: u16, peer: Rc<Peer>, frames: Vec<Frame>) {
        trace!(self, "from {peer:?}: {frames:?}");
        let node = Target::Peer(peer);
        self.custody(shard, |custody, cx| {
            for frame in frames {
                match frame {
                    Frame::Deliver { ticket, envelope } => custody.on_guest(&node, ticket, envelope, cx),
                    Frame::Word(word) => custody.on_node_word(&node, word, cx),
                    Frame::Close { .. } | Frame::Rescan(_) | Frame::Lost { .. } => {}
                }
            }
        });
    }
}

/// Batches are counted, and a lost one is noticed: see [`Sim::node_is_back`].
pub(crate) const EPOCHS: bool = true;
