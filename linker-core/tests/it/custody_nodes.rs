//! Laws of custody across nodes: one router of one node, with other nodes that do as they are told.

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
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS, id(1))]);
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
        reason: WaitReason::Fault,
    };
    world.step(|custody, cx| custody.adopt_rows(vec![row], cx));
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
        reason: WaitReason::Fault,
    };
    let adopted = world.step(|custody, cx| custody.adopt(vec![row], &1, false, &[], cx));
    let ticket = adopted.deliveries[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS, id(1))]);
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
        reason: WaitReason::Fault,
    };
    let adopted = world.step(|custody, cx| custody.adopt(vec![row], &1, false, &[], cx));
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
fn what_is_proven_here_and_there_before_it_is_known_that_its_recipient_is_there_too_is_confirmed_once() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.targets.asked.set(true);
    world.send(1);
    world.prove_all();
    world.targets.asked.set(false);
    let there = Elsewhere::Nodes(smallvec![PEER]);
    world.step(|custody, cx| custody.on_located(receiver(), there, cx));
    let (_, handed_over, ticket) = world.targets.handed_over.borrow()[0];
    assert_eq!(handed_over, id(1));
    world.word(NodeWord::Proven(ticket.unwrap(), id(1)));
    let finish = NodeWord::Finish(id(1));
    assert!(!world.told().contains(&finish), "it is confirmed from here");
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

#[test]
fn what_is_under_way_to_a_node_goes_to_the_one_its_recipient_has_moved_to_before_anything_newer() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.send(2);
    let proven = world.ticket_of(2);
    world.word(NodeWord::Proven(proven, id(2)));
    world.send(3);
    *world.targets.elsewhere.borrow_mut() = vec![OTHER_PEER];
    world.send(4);
    world.send(5);
    assert_eq!(world.handed_to(OTHER_PEER), [1, 3, 4, 5].map(id));
}

#[test]
fn what_is_being_stored_goes_to_the_node_its_recipient_logged_in_to_before_anything_newer() {
    let mut world = World::new();
    world.send(1);
    world.send(2);
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(3);
    assert_eq!(world.handed_to(PEER), [1, 2, 3].map(id));
    world.store_all();
    assert_eq!(world.handed_to(PEER), [1, 2, 3].map(id), "once");
}

#[test]
fn what_a_node_gave_back_goes_there_again_before_anything_newer() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.word(NodeWord::NotHere(world.ticket_of(1)));
    world.send(2);
    assert_eq!(world.handed_to(PEER), [1, 1, 2].map(id));
}

#[test]
fn what_the_bus_kept_is_sent_in_order_when_it_is_back() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    world.targets.away.set(true);
    world.send(2);
    world.send(3);
    world.store_all();
    world.wait(Duration::from_secs(5));
    world.targets.handed_over.take();
    world.targets.away.set(false);
    world.step(|custody, cx| custody.on_node_back(&PEER, cx));
    world.send(4);
    assert_eq!(world.handed_to(PEER), [1, 2, 3, 4].map(id));
}

#[test]
fn a_newer_message_takes_along_what_the_bus_kept() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.targets.away.set(true);
    world.send(1);
    world.send(2);
    world.store_all();
    world.targets.away.set(false);
    world.send(3);
    assert_eq!(world.handed_to(PEER), [1, 2, 3].map(id));
}

#[test]
fn where_too_much_waits_for_a_fault_to_end_the_store_has_it_alone() {
    let mut world = World::new();
    world
        .shared
        .pending_bytes
        .fetch_add(1 << 19, std::sync::atomic::Ordering::Relaxed);
    world.targets.unknown.set(true);
    world.send(1);
    world.store_all();
    assert_eq!(world.custody.len(), 0);
    assert!(world.shared.has_faults.load(std::sync::atomic::Ordering::Relaxed));
}

#[test]
fn a_proof_whose_message_was_given_up_is_left_to_the_node_it_comes_from() {
    let mut world = World::new();
    world.word(NodeWord::Proven(THEIRS, id(1)));
    assert_eq!(world.told(), [NodeWord::Finish(id(1))]);
    // And as that node: it does what is owed, once.
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.guest(1, THEIRS);
    world.prove_all();
    world.word(NodeWord::Finish(id(1)));
    assert_eq!(world.finished(), [id(1)]);
    world.store_all();
    world.effects.clear();
    world.word(NodeWord::Finish(id(1)));
    assert_eq!(world.finished(), []);
}

#[test]
fn a_proof_that_comes_twice_is_finished_by_nobody_else() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    let ticket = world.ticket_of(1);
    world.word(NodeWord::Proven(ticket, id(1)));
    world.effects.clear();
    world.word(NodeWord::Proven(ticket, id(1)));
    assert_eq!(world.told(), []);
}

#[test]
fn a_row_whose_reason_is_another_is_found_by_sessions_that_turn_out_to_be_behind() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    let ticket = world.ticket_of(1);
    world.wait(Duration::from_millis(20));
    world.store_all();
    world.effects.clear();
    world.word(NodeWord::Behind {
        ticket,
        guest: THEIRS,
        replaying: false,
    });
    assert!(
        world
            .effects
            .contains(&CustodyEffect::Behind { ticket, id: id(1) })
    );
    assert_eq!(world.told(), [], "not before its row says so");
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    assert_eq!(world.told(), [NodeWord::Stored(THEIRS)]);
    assert!(world.custody.is_empty());
}

#[test]
fn a_guest_sent_away_leaves_the_claim_to_the_session_that_got_it_from_the_store() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.targets.behind.set(true);
    world.guest(1, THEIRS);
    let told = world.told();
    let [NodeWord::Behind { guest, .. }] = told[..] else {
        panic!("{told:?}");
    };
    let row = || StoredRow {
        seq: 1,
        envelope: envelope(1),
        reason: WaitReason::Fault,
    };
    let adopted = world.step(|custody, cx| custody.adopt(vec![row()], &1, false, &[], cx));
    assert_eq!(adopted.deliveries.len(), 1);
    world.word(NodeWord::Dismiss(guest));
    assert_eq!(world.told().last(), Some(&NodeWord::NotHere(THEIRS)));
    let again = world.step(|custody, cx| custody.adopt(vec![row()], &1, false, &[], cx));
    assert!(again.deliveries.is_empty(), "it has it already");
}

#[test]
fn of_two_that_wait_for_each_other_on_two_nodes_the_older_waits_no_longer() {
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    // The same reference, sent here as 5 and there as 1.
    let mut newer = Arc::unwrap_or_clone(envelope(1));
    newer.id = id(5);
    let submission = Submission {
        envelope: newer,
        origin: Origin::Call(1),
        accepted: true,
    };
    world.step(|custody, cx| custody.submit(submission, cx));
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [], "it waits for word of the first");
    world.word(NodeWord::Ask(THEIRS, id(1)));
    assert_eq!(world.told(), [NodeWord::NotHere(THEIRS)]);
}

#[test]
fn what_was_fetched_here_is_recognised_when_its_sender_sends_it_here_again() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    let row = StoredRow {
        seq: 1,
        envelope: envelope(1),
        reason: WaitReason::Fault,
    };
    let adopted = world.step(|custody, cx| custody.adopt(vec![row], &1, false, &[], cx));
    let ticket = adopted.deliveries[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    let mut again = Arc::unwrap_or_clone(envelope(1));
    again.id = id(2);
    let submission = Submission {
        envelope: again,
        origin: Origin::Call(1),
        accepted: true,
    };
    world.step(|custody, cx| custody.submit(submission, cx));
    assert!(world.targets.taken.borrow().is_empty());
}

/// The message of `first`, as its sender sends it again.
fn again(first: u64, number: u64) -> Envelope {
    let mut again = Arc::unwrap_or_clone(envelope(first));
    again.id = id(number);
    again
}

impl World {
    /// A message is left to the store for a receiver who is away; then it comes again, and the store is asked about it. Answers under which ticket.
    fn ask_about_what_was_left_to_the_store(&mut self) -> Ticket {
        self.send(1);
        self.store_all();
        self.effects.clear();
        let submission = Submission {
            envelope: again(1, 2),
            origin: Origin::Call(2),
            accepted: true,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
        match self.effects.pop() {
            Some(CustodyEffect::Insert {
                ticket,
                envelope,
                replaces,
                ..
            }) => {
                assert_eq!((envelope.id, replaces), (id(2), Some(id(2))), "it leaves nothing");
                ticket
            }
            other => panic!("{other:?}"),
        }
    }

    fn settlements(&self) -> Vec<Settlement> {
        let settlements = self.effects.iter().filter_map(|effect| match effect {
            CustodyEffect::Settled { settlement, .. } => Some(settlement.clone()),
            _ => None,
        });
        settlements.collect()
    }

    fn confirmations(&self) -> usize {
        let confirms = |effect: &&CustodyEffect<Target>| matches!(effect, CustodyEffect::Insert { envelope, .. } if envelope.kind == Kind::Confirmation);
        self.effects.iter().filter(confirms).count()
    }
}

#[test]
fn a_repetition_of_what_another_node_has_moved_on_is_confirmed_again() {
    let mut world = World::new();
    let ticket = world.ask_about_what_was_left_to_the_store();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    assert_eq!(world.settlements(), [Settlement::Delivered]);
    assert_eq!(world.confirmations(), 1);
    assert!(world.targets.taken.borrow().is_empty());
    // From now on that is known.
    world.store_all();
    world.effects.clear();
    world.targets.here.borrow_mut().push(1);
    let submission = Submission {
        envelope: again(1, 3),
        origin: Origin::Call(3),
        accepted: true,
    };
    world.step(|custody, cx| custody.submit(submission, cx));
    assert_eq!(world.settlements(), [Settlement::Delivered]);
    assert_eq!(world.confirmations(), 1);
    assert!(world.targets.taken.borrow().is_empty());
}

#[test]
fn a_repetition_of_what_waits_in_the_store_is_confirmed_with_it() {
    let mut world = World::new();
    let ticket = world.ask_about_what_was_left_to_the_store();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Duplicate(id(1)), cx));
    assert_eq!(world.settlements(), [Settlement::Stored]);
    assert_eq!(world.confirmations(), 0);
    assert!(world.custody.is_empty());
}

#[test]
fn a_router_that_starts_over_asks_the_store_again() {
    let mut world = World::new();
    let lost = world.ask_about_what_was_left_to_the_store();
    let surrendered = world.custody.surrender();
    world.step(|custody, cx| custody.take_over(surrendered, cx));
    world.step(|custody, cx| custody.on_stored(lost, InsertOutcome::Stored, cx));
    assert_eq!(world.settlements(), []);
    world.store_all();
    assert_eq!(world.settlements(), [Settlement::Delivered]);
}

#[test]
fn a_repetition_that_its_node_did_not_find_in_the_store_either_is_delivered() {
    let mut world = World::new();
    world.send(1);
    world.store_all();
    world.effects.clear();
    world.targets.here.borrow_mut().push(1);
    let repetition = || Arc::new(again(1, 2));
    world.step(|custody, cx| custody.on_guest(&PEER, Some(THEIRS), repetition(), cx));
    assert_eq!(world.told(), [NodeWord::NotHere(THEIRS)], "the store may have it");
    world.step(|custody, cx| custody.on_guest(&PEER, Some(THEIRS), repetition(), cx));
    world.prove_all();
    let told = [NodeWord::NotHere(THEIRS), NodeWord::Proven(THEIRS, id(2))];
    assert_eq!(world.told(), told);
}

#[test]
fn a_node_does_not_deliver_what_it_saw_proven_when_another_hands_it_over() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    world.send(1);
    world.prove_all();
    world.guest(1, THEIRS);
    assert_eq!(world.told(), [NodeWord::Proven(THEIRS, id(1))]);
    assert!(world.targets.taken.borrow().is_empty());
}

#[test]
fn what_was_stored_for_a_session_of_another_node_follows_its_recipient_to_a_third() {
    const THIRD: Target = PEER + 1;
    let mut world = World::new();
    world.targets.elsewhere.borrow_mut().push(PEER);
    world.send(1);
    let (_, _, ticket) = world.targets.handed_over.borrow()[0];
    let guest = THEIRS;
    world.word(NodeWord::Behind {
        ticket: ticket.unwrap(),
        guest,
        replaying: true,
    });
    *world.targets.elsewhere.borrow_mut() = vec![THIRD];
    world.store_all();
    let last = *world.targets.handed_over.borrow().last().unwrap();
    assert_eq!((last.0, last.1), (THIRD, id(1)));
}

#[test]
fn fast_that_is_given_back_is_offered_to_nobody_again() {
    let mut world = World::new();
    world.targets.here.borrow_mut().push(1);
    let mut fast = Arc::unwrap_or_clone(envelope(1));
    fast.feature = Feature::Fast;
    let submission = Submission {
        envelope: fast,
        origin: Origin::Call(1),
        accepted: false,
    };
    world.step(|custody, cx| custody.submit(submission, cx));
    let ticket = world.targets.taken.take()[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_given_back(ticket, SessionId(1), cx));
    assert!(world.targets.taken.borrow().is_empty());
    assert!(world.custody.is_empty());
}

#[test]
fn the_very_same_message_come_twice_keeps_its_row() {
    let mut world = World::new();
    world.send(1);
    world.store_all();
    world.effects.clear();
    // Under the same id: from another domain, which does not know whether it arrived.
    world.send(1);
    assert_eq!(world.finished(), [], "nothing removes it");
}
