//! Laws of custody across nodes: one router of one node, with other nodes that do as they are told.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::custody::{
    Custody, CustodyConfig, CustodyContext, CustodyEffect, CustodyShared, DedupeTable, Delivery, Elsewhere,
    LocalSessions, NodeOffer, NodeWord, Offer, Origin, Submission, Ticket,
};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, StoredRow};
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
        self.taken.borrow_mut().push(delivery);
        Offer::Taken
    }

    fn divert(&self, _: &Target) -> bool {
        false
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
    })
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
        let submission = Submission {
            envelope: Arc::unwrap_or_clone(envelope(number)),
            origin: Origin::Call(number),
            accepted: true,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
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

#[test]
fn a_guest_proven_before_its_node_was_seen_dead_is_finished_when_it_is() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.guest(1, THEIRS);
    world.prove_all();
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS)]);
    assert_eq!(world.finished(), [], "that is up to its origin");
    world.step(|custody, cx| custody.on_node_gone(&PEER, cx));
    assert_eq!(world.finished(), [id(1)]);
    world.store_all();
    world.step(|custody, cx| custody.on_node_gone(&PEER, cx));
    assert_eq!(world.finished(), [], "once");
}

#[test]
fn a_row_taken_over_that_a_guest_has_proven_is_finished_and_not_sent_again() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.guest(1, THEIRS);
    world.prove_all();
    // Long after, so that only the id is remembered.
    world.now += Duration::from_secs(30);
    world.step(|custody, cx| custody.on_node_gone(&PEER, cx));
    assert_eq!(world.finished(), []);
    let row = StoredRow {
        seq: 1,
        envelope: envelope(1),
    };
    world.step(|custody, cx| custody.adopt_faults(vec![row], cx));
    assert!(world.targets.taken.borrow().is_empty());
    assert_eq!(world.finished(), [id(1)]);
}

#[test]
fn a_guest_that_a_session_has_proven_from_the_store_is_proven() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    let row = StoredRow {
        seq: 1,
        envelope: envelope(1),
    };
    let adopted = world.step(|custody, cx| custody.adopt(vec![row], &1, cx));
    let ticket = adopted.deliveries[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS)]);
}

#[test]
fn a_message_that_the_bus_loses_again_and_again_is_handed_over_until_it_arrives() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.wait(Duration::from_millis(20));
    world.store_all();
    for lost in 1..=5 {
        assert_eq!(world.targets.handed_over.borrow().len(), lost);
        let (_, _, ticket) = world.targets.handed_over.borrow()[lost - 1];
        world.wait(Duration::from_secs(3));
        assert!(world.told().contains(&NodeWord::Ask(ticket.unwrap(), id(1))));
        world.effects.clear();
        world.word(NodeWord::NotHere(ticket.unwrap()));
    }
    let absent = |effect: &CustodyEffect<Target>| matches!(effect, CustodyEffect::Absent { .. });
    assert!(!world.effects.iter().any(absent), "it waits for no fetch");
}

#[test]
fn a_message_that_a_node_refuses_twice_is_left_to_the_store() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.wait(Duration::from_millis(20));
    world.store_all();
    for _ in 0..2 {
        let (_, _, ticket) = *world.targets.handed_over.borrow().last().unwrap();
        world.word(NodeWord::NotHere(ticket.unwrap()));
    }
    assert_eq!(world.targets.handed_over.borrow().len(), 2);
    assert!(world.effects.contains(&CustodyEffect::Absent { id: id(1) }));
    assert!(world.custody.is_empty());
    assert_eq!(world.shared.claims().held(), 0);
}

#[test]
fn what_a_fault_kept_in_memory_is_not_sent_beside_the_session_that_got_it_from_the_store() {
    let mut world = World::new();
    world.send(1);
    world.targets.unknown.set(true);
    world.store_all();
    assert_eq!(
        world.custody.len(),
        1,
        "its row says that its recipient is absent, so it is kept here"
    );
    world.targets.here.borrow_mut().push(1);
    let row = StoredRow {
        seq: 1,
        envelope: envelope(1),
    };
    let adopted = world.step(|custody, cx| custody.adopt(vec![row], &1, cx));
    assert_eq!(adopted.deliveries.len(), 1);
    world.targets.unknown.set(false);
    world.wait(Duration::from_secs(2));
    assert!(world.targets.taken.borrow().is_empty(), "it has it already");
    assert_eq!(world.custody.len(), 1);
}

#[test]
fn what_is_proven_here_before_it_is_known_where_else_its_recipient_is_goes_there_all_the_same_in_order() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.targets.asked.set(true);
    world.send(1);
    world.send(2);
    world.prove_all();
    world.targets.asked.set(false);
    world.send(3);
    world.step(|custody, cx| custody.on_located(receiver(), Elsewhere::Nodes(smallvec![PEER]), cx));
    let handed_over: Vec<_> = world
        .targets
        .handed_over
        .borrow()
        .iter()
        .map(|(_, id, _)| *id)
        .collect();
    assert_eq!(handed_over, [id(1), id(2), id(3)]);
}

#[test]
fn a_session_that_takes_messages_by_now_gets_none_before_those_that_wait_for_presence() {
    let mut world = World::new();
    world.targets.asked.set(true);
    world.send(1);
    world.targets.here.borrow_mut().push(1);
    world.send(2);
    assert!(world.targets.taken.borrow().is_empty());
    world.targets.asked.set(false);
    world.step(|custody, cx| custody.on_located(receiver(), Elsewhere::Nodes(smallvec![]), cx));
    let taken: Vec<_> = world
        .targets
        .taken
        .borrow()
        .iter()
        .map(|delivery| delivery.envelope.id)
        .collect();
    assert_eq!(taken, [id(1), id(2)]);
}
