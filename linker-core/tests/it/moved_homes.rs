//! A way to another domain is kept shut by what is being stored for it, and by nothing else, whoever moves meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::custody::{
    Custody, CustodyConfig, CustodyContext, CustodyEffect, CustodyShared, DedupeTable, Delivery, Forwarding,
    LocalSessions, Offer, Origin, Submission, Ticket,
};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, StoredRow, WaitReason};
use smallvec::SmallVec;

/// All ways are shut, or open.
#[derive(Default)]
struct Ways {
    home: RefCell<Option<DomainName>>,
    session: Cell<bool>,
    taken: RefCell<Vec<Delivery>>,
    diverted: RefCell<BTreeMap<DomainName, i32>>,
    looked_at_again: RefCell<Vec<DomainName>>,
    strays: Cell<u32>,
    open: Cell<bool>,
    sent: Cell<Option<Ticket>>,
}

impl LocalSessions for Ways {
    type Session = SessionId;

    fn of(&self, _: &UserId) -> SmallVec<[SessionId; 2]> {
        self.session.get().then_some(SessionId(1)).into_iter().collect()
    }

    fn id(&self, session: &SessionId) -> SessionId {
        *session
    }

    fn offer(&self, _: &SessionId, delivery: Delivery, _: bool) -> Offer {
        self.taken.borrow_mut().push(delivery);
        Offer::Taken
    }

    fn divert(&self, _: &SessionId) -> bool {
        false
    }

    fn hint(&self, _: &SessionId, _: bool) {}

    fn home(&self, _: &Envelope, _: Option<&DomainName>) -> Option<DomainName> {
        self.home.borrow().clone()
    }

    fn next_link(&self, _: &DomainName) -> Option<SessionId> {
        self.open.get().then_some(SessionId::of_link(1))
    }

    fn forward(&self, _: &DomainName, _: &Arc<Envelope>, ticket: Ticket, _: bool) -> Forwarding {
        match self.next_link(&domain(1)) {
            Some(link) => {
                self.sent.set(Some(ticket));
                Forwarding::Sent(link)
            }
            None => Forwarding::Shut,
        }
    }

    fn divert_forward(&self, home: &DomainName, _: bool) -> bool {
        *self.diverted.borrow_mut().entry(home.clone()).or_default() += 1;
        true
    }

    fn forward_is_stored(&self, home: &DomainName) {
        *self.diverted.borrow_mut().entry(home.clone()).or_default() -= 1;
    }

    fn shut_way(&self, home: &DomainName) {
        self.looked_at_again.borrow_mut().push(home.clone());
    }

    fn stray(&self, _: &UserId) {
        self.strays.set(self.strays.get() + 1);
    }
}

fn domain(number: u64) -> DomainName {
    format!("domain-{number}").parse().unwrap()
}

fn message(number: u8) -> Envelope {
    Envelope {
        id: MessageId::new(1, [number; 10]),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from: "ANZ-1".parse().unwrap(),
        to: "ANZ-2".parse().unwrap(),
        reference: Some(number.to_string().into()),
        confirm: false,
        timestamp_ms: 0,
        content: Bytes::from_static(b"1"),
        trail: None,
    }
}

struct World {
    custody: Custody<SessionId>,
    ways: Ways,
    effects: Vec<CustodyEffect<SessionId>>,
}

impl World {
    /// A message for somebody who lives in the first domain is being stored.
    fn storing() -> Self {
        let world = Self::taking(Some(domain(1)));
        assert_eq!(world.diverted(1), 1);
        world
    }

    /// A message was taken for somebody who lives there.
    fn taking(home: Option<DomainName>) -> Self {
        let mut world = Self::new(home);
        world.submit(message(1));
        world
    }

    fn new(home: Option<DomainName>) -> Self {
        let config = CustodyConfig {
            commit_window: Duration::from_millis(20),
            max_pending_bytes: 1 << 20,
            several_nodes: false,
        };
        let dedupe = DedupeTable::new(Duration::from_secs(300), 1000, 7);
        let world = Self {
            custody: Custody::new(0, Arc::new(CustodyShared::new(config, dedupe))),
            ways: Ways::default(),
            effects: Vec::new(),
        };
        world.ways.home.replace(home);
        world
    }

    fn submit(&mut self, envelope: Envelope) {
        let submission = Submission {
            envelope,
            origin: Origin::Node,
            accepted: false,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
    }

    fn step(&mut self, input: impl FnOnce(&mut Custody<SessionId>, &mut CustodyContext<'_, Ways>)) {
        let mut context = CustodyContext {
            now: Now::default(),
            sessions: &self.ways,
            new_id: &mut || MessageId::new(2, [2; 10]),
            effects: &mut self.effects,
        };
        input(&mut self.custody, &mut context);
    }

    /// The recipient has moved, and the store, which is away, is waited for.
    fn moves_to(&mut self, home: Option<DomainName>) {
        self.ways.home.replace(home);
        self.step(|custody, cx| custody.retry_queued(cx));
    }

    fn insert(&self) -> Ticket {
        self.inserted().0
    }

    fn envelope(&self) -> Arc<Envelope> {
        Arc::clone(self.inserted().1)
    }

    fn inserted(&self) -> (Ticket, &Arc<Envelope>) {
        let inserts = self.effects.iter().filter_map(|effect| match effect {
            CustodyEffect::Insert { ticket, envelope, .. } => Some((*ticket, envelope)),
            _ => None,
        });
        let inserts: Vec<_> = inserts.collect();
        assert_eq!(inserts.len(), 1);
        inserts[0]
    }

    fn diverted(&self, number: u64) -> i32 {
        let diverted = self.ways.diverted.borrow();
        diverted.get(&domain(number)).copied().unwrap_or_default()
    }
}

#[test]
fn what_is_stored_for_a_domain_that_its_recipient_has_left_is_looked_for_and_keeps_no_way_shut() {
    let mut world = World::storing();
    world.moves_to(Some(domain(2)));
    let ticket = world.insert();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    assert_eq!((world.diverted(1), world.diverted(2)), (0, 0));
    // The row names the first domain, so that whoever looks for those of the second does not find it.
    assert_eq!(world.ways.strays.get(), 1);
    assert_eq!(*world.ways.looked_at_again.borrow(), []);
    assert!(world.custody.is_empty());
}

#[test]
fn a_recipient_who_moves_here_while_a_message_is_being_stored_finds_it_without_any_way() {
    let mut world = World::storing();
    // Not offered anew before it is stored.
    world.ways.home.replace(None);
    let ticket = world.insert();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    assert_eq!(world.diverted(1), 0);
    assert_eq!(world.ways.strays.get(), 1);
    assert_eq!(*world.ways.looked_at_again.borrow(), []);
}

#[test]
fn what_a_recipient_who_has_moved_here_proves_before_it_is_stored_keeps_no_way_shut() {
    let mut world = World::storing();
    world.ways.session.set(true);
    world.moves_to(None);
    let ticket = world.ways.taken.borrow()[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    assert_eq!(world.diverted(1), 0);
    assert!(world.custody.is_empty());
}

#[test]
fn what_was_sent_on_and_comes_back_to_a_recipient_who_lives_here_again_is_no_repetition() {
    let mut world = World::taking(None);
    let ticket = world.insert();
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    let row = world.envelope();
    world.effects.clear();
    // It is sent on from the store.
    world.ways.home.replace(Some(domain(1)));
    world.ways.open.set(true);
    let rows = vec![StoredRow {
        seq: 1,
        envelope: Arc::clone(&row),
        reason: WaitReason::Forward,
    }];
    world.step(|custody, cx| {
        let handed = custody.adopt_forward(rows, &domain(1), cx).handed;
        assert_eq!(handed, 1);
    });
    let ticket = world.ways.sent.get().unwrap();
    world.step(|custody, cx| custody.on_forwarded(ticket, cx));
    world.ways.home.replace(None);
    world.effects.clear();
    world.submit(Envelope::clone(&row));
    world.insert();
}

#[test]
fn what_a_session_here_has_is_stored_for_no_other_domain_along_with_what_comes_after_it() {
    let mut world = World::new(None);
    world.ways.session.set(true);
    world.submit(message(1));
    world.ways.home.replace(Some(domain(1)));
    world.submit(message(2));
    let stored = world.effects.iter().filter_map(|effect| match effect {
        CustodyEffect::Insert { reason, home, .. } => Some((*reason, home.clone())),
        _ => None,
    });
    // What waits for a way is found by the domain it is for.
    let expected = [(WaitReason::Absent, None), (WaitReason::Forward, Some(domain(1)))];
    assert_eq!(stored.collect::<Vec<_>>(), expected);
}
