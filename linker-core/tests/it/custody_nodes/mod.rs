//! Laws of custody across nodes: one router of one node, with other nodes that do as they are told.

mod handing_over;
mod order;
mod repetitions;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::custody::{
    Custody, CustodyConfig, CustodyContext, CustodyEffect, CustodyShared, DedupeTable, Delivery, Elsewhere,
    LocalSessions, NodeOffer, NodeWord, Offer, Origin, Settlement, Submission, Ticket,
};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, StoredRow, WaitReason};
use smallvec::{SmallVec, smallvec};

/// A session of this node, or (from [`PEER`]) another node.
type Target = u64;

const PEER: Target = 100;

#[derive(Default)]
struct Targets {
    /// Sessions of the receiver here.
    here: RefCell<Vec<Target>>,
    taken: RefCell<Vec<Delivery>>,
    /// Where else the receiver is.
    elsewhere: RefCell<Vec<Target>>,
    /// Presence cannot tell.
    unknown: Cell<bool>,
    /// Presence takes its time.
    asked: Cell<bool>,
    /// The bus is away.
    away: Cell<bool>,
    /// Sessions here are behind.
    behind: Cell<bool>,
    handed_over: RefCell<Vec<(Target, MessageId, Option<Ticket>)>>,
}

impl LocalSessions for Targets {
    type Session = Target;

    fn of(&self, user: &UserId) -> SmallVec<[Target; 2]> {
        match *user == receiver() {
            true => self.here.borrow().iter().copied().collect(),
            false => SmallVec::new(),
        }
    }

    fn id(&self, target: &Target) -> SessionId {
        match *target {
            node if node >= PEER => SessionId::of_node((node - PEER) as u32),
            session => SessionId(session),
        }
    }

    fn offer(&self, _: &Target, delivery: Delivery, _: bool) -> Offer {
        if self.behind.get() && !delivery.courtesy {
            return Offer::Behind { replaying: false };
        }
        self.taken.borrow_mut().push(delivery);
        Offer::Taken
    }

    fn divert(&self, _: &Target) -> bool {
        self.behind.get()
    }

    fn hint(&self, _: &Target, _: bool) {}

    fn elsewhere(&self, user: &UserId) -> Elsewhere<Target> {
        if self.unknown.get() {
            return Elsewhere::Unknown;
        }
        if self.asked.get() && *user == receiver() {
            return Elsewhere::Asked;
        }
        match *user == receiver() {
            true => Elsewhere::Nodes(self.elsewhere.borrow().iter().copied().collect()),
            false => Elsewhere::Nodes(smallvec![]),
        }
    }

    fn node(&self, id: SessionId) -> Option<Target> {
        (id == self.id(&PEER)).then_some(PEER)
    }

    fn offer_node(&self, node: &Target, envelope: &Arc<Envelope>, ticket: Option<Ticket>) -> NodeOffer {
        if self.away.get() {
            return NodeOffer::Away;
        }
        self.handed_over.borrow_mut().push((*node, envelope.id, ticket));
        NodeOffer::Sent
    }
}

fn receiver() -> UserId {
    "ANZ-2".parse().unwrap()
}

fn id(number: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    MessageId::from_bytes(bytes)
}

fn envelope(number: u64) -> Arc<Envelope> {
    Arc::new(Envelope {
        id: id(number),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from: "ANZ-1".parse().unwrap(),
        to: receiver(),
        reference: Some(format!("r{number}").into()),
        confirm: true,
        timestamp_ms: 0,
        content: Bytes::from_static(b"1"),
        trail: None,
    })
}

/// The message's row, which waits for a fault to end.
fn row(number: u64) -> StoredRow {
    StoredRow {
        seq: 1,
        envelope: envelope(number),
        reason: WaitReason::Fault,
    }
}

struct World {
    shared: Arc<CustodyShared>,
    custody: Custody<Target>,
    targets: Targets,
    now: Duration,
    next_id: u64,
    effects: Vec<CustodyEffect<Target>>,
}

impl World {
    fn new() -> Self {
        let config = CustodyConfig {
            commit_window: Duration::from_millis(20),
            max_pending_bytes: 1 << 20,
            several_nodes: true,
        };
        let dedupe = DedupeTable::new(Duration::from_secs(300), 1 << 12, 3);
        let shared = Arc::new(CustodyShared::new(config, dedupe));
        Self {
            custody: Custody::new(0, Arc::clone(&shared)),
            shared,
            targets: Targets::default(),
            now: Duration::from_secs(1000),
            next_id: 0,
            effects: Vec::new(),
        }
    }

    fn step<T>(
        &mut self,
        input: impl FnOnce(&mut Custody<Target>, &mut CustodyContext<'_, Targets>) -> T,
    ) -> T {
        let next_id = &mut self.next_id;
        let mut new_id = || {
            *next_id += 1;
            id(1_000_000 + *next_id)
        };
        let mut cx = CustodyContext {
            now: Now {
                elapsed: self.now,
                unix_ms: self.now.as_millis() as u64,
            },
            sessions: &self.targets,
            new_id: &mut new_id,
            effects: &mut self.effects,
        };
        input(&mut self.custody, &mut cx)
    }

    fn send(&mut self, number: u64) {
        self.submit(Arc::unwrap_or_clone(envelope(number)), number);
    }

    /// From call `call`, which wants to hear that it is safe.
    fn submit(&mut self, envelope: Envelope, call: u64) {
        let submission = Submission {
            envelope,
            origin: Origin::Call(call),
            accepted: true,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
    }

    /// Session 1 finds the message in the store, waiting for a fault to end. Answers under which ticket it has it, if it got it.
    fn fetch(&mut self, number: u64) -> Option<Ticket> {
        let adopted = self.step(|custody, cx| custody.adopt(vec![row(number)], &1, false, &[], cx));
        adopted
            .deliveries
            .first()
            .map(|delivery| delivery.ticket.unwrap())
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.step(|custody, cx| custody.on_tick(cx));
    }

    fn store_all(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                CustodyEffect::Insert { ticket, .. } => {
                    self.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
                }
                other => self.effects.push(other),
            }
        }
    }

    fn word(&mut self, word: NodeWord) {
        self.step(|custody, cx| custody.on_node_word(&PEER, word, cx));
    }

    fn guest(&mut self, number: u64, theirs: Ticket) {
        self.step(|custody, cx| custody.on_guest(&PEER, Some(theirs), envelope(number), cx));
    }

    /// All that the receiver's sessions here have is proven.
    fn prove_all(&mut self) {
        for delivery in self.targets.taken.take() {
            let ticket = delivery.ticket.unwrap();
            self.step(|custody, cx| custody.on_proven(ticket, cx));
        }
    }

    fn told(&self) -> Vec<NodeWord> {
        let words = self.effects.iter().filter_map(|effect| match effect {
            CustodyEffect::Tell { word, .. } => Some(*word),
            _ => None,
        });
        words.collect()
    }

    /// Messages whose row is replaced by their confirmation, or removed.
    fn finished(&self) -> Vec<MessageId> {
        let finished = self.effects.iter().filter_map(|effect| match effect {
            CustodyEffect::Insert { replaces, .. } => *replaces,
            CustodyEffect::Delete { id, .. } => Some(*id),
            _ => None,
        });
        finished.collect()
    }
}

const THEIRS: Ticket = Ticket {
    shard: 3,
    slot: 4,
    generation: 5,
};

impl World {
    fn handed_to(&self, node: Target) -> Vec<MessageId> {
        let handed_over = self.targets.handed_over.borrow();
        let of_node = handed_over.iter().filter(|(to, ..)| *to == node);
        of_node.map(|(_, id, _)| *id).collect()
    }

    fn ticket_of(&self, number: u64) -> Ticket {
        let handed_over = self.targets.handed_over.borrow();
        let found = handed_over.iter().find(|(_, of, _)| *of == id(number));
        found.and_then(|(_, _, ticket)| *ticket).unwrap()
    }
}

const OTHER_PEER: Target = PEER + 1;
