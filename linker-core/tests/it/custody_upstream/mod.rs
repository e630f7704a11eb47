//! Custody of what is for the application: handed over, kept, refused, told of.

mod aside;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::code::{ErrorCode, FrameError};
use linker_core::custody::{
    Custody, CustodyConfig, CustodyContext, CustodyEffect, CustodyShared, DedupeTable, Delivery, Forwarding,
    LocalSessions, Offer, Origin, Reports, Settlement, Submission, Ticket,
};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, StoredRow, WaitReason};
use linker_core::testkit::sample::{message, message_id, user};
use linker_core::upstream::{UpstreamEvent, message_content};
use smallvec::SmallVec;

const OUTLET: u32 = 0;

/// The way to the application, and nobody else.
#[derive(Default)]
struct Way {
    open: Cell<bool>,
    /// It is just opening.
    parking: Cell<bool>,
    /// The sender is set aside.
    aside: Cell<bool>,
    handed: RefCell<Vec<(MessageId, Ticket)>>,
    diverted: Cell<i32>,
    fast: RefCell<Vec<MessageId>>,
}

impl LocalSessions for Way {
    type Session = ();

    fn of(&self, _: &UserId) -> SmallVec<[(); 2]> {
        SmallVec::new()
    }

    fn id(&self, (): &()) -> SessionId {
        SessionId(1)
    }

    fn offer(&self, (): &(), _: Delivery, _: bool) -> Offer {
        Offer::Gone
    }

    fn divert(&self, (): &()) -> bool {
        false
    }

    fn hint(&self, (): &(), _: bool) {}

    fn home(&self, envelope: &Envelope, before: Option<&DomainName>) -> Option<DomainName> {
        let home = match self.aside.get() && (before.is_some() || self.open.get()) {
            true => DomainName::upstream_aside(&envelope.from),
            false => DomainName::upstream(),
        };
        envelope.to.is_upstream().then_some(home)
    }

    fn next_link(&self, _: &DomainName) -> Option<SessionId> {
        Some(SessionId::of_link(OUTLET))
    }

    fn forward(
        &self,
        home: &DomainName,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        first: bool,
    ) -> Forwarding {
        assert!(home.is_upstream());
        if home.aside_sender().is_some() {
            return Forwarding::Shut;
        }
        if self.parking.get() {
            return Forwarding::Parked;
        }
        if !self.open.get() && !first {
            return Forwarding::Shut;
        }
        self.handed.borrow_mut().push((envelope.id, ticket));
        Forwarding::Sent(SessionId::of_link(OUTLET))
    }

    fn forward_fast(&self, _: &DomainName, envelope: &Arc<Envelope>) -> bool {
        if self.open.get() {
            self.fast.borrow_mut().push(envelope.id);
        }
        self.open.get()
    }

    fn divert_forward(&self, _: &DomainName, _: bool) -> bool {
        self.diverted.set(self.diverted.get() + 1);
        true
    }

    fn forward_is_stored(&self, _: &DomainName) {
        self.diverted.set(self.diverted.get() - 1);
    }
}

struct World {
    custody: Custody<()>,
    way: Way,
    now: Duration,
    next_id: u64,
    effects: Vec<CustodyEffect<()>>,
}

impl World {
    fn new(open: bool, reports: Reports) -> Self {
        let config = CustodyConfig {
            commit_window: Duration::from_millis(20),
            max_pending_bytes: 1 << 20,
            several_nodes: false,
        };
        let dedupe = DedupeTable::new(Duration::from_secs(300), 1 << 12, 3);
        let shared = CustodyShared::new(config, dedupe).reporting(reports);
        let way = Way::default();
        way.open.set(open);
        Self {
            custody: Custody::new(0, Arc::new(shared)),
            way,
            now: Duration::from_secs(1000),
            next_id: 1_000_000,
            effects: Vec::new(),
        }
    }

    fn step<T>(&mut self, input: impl FnOnce(&mut Custody<()>, &mut CustodyContext<'_, Way>) -> T) -> T {
        let next_id = &mut self.next_id;
        let mut new_id = || {
            *next_id += 1;
            message_id(*next_id)
        };
        let now = Now {
            elapsed: self.now,
            unix_ms: self.now.as_millis() as u64,
        };
        let mut cx = CustodyContext {
            now,
            sessions: &self.way,
            new_id: &mut new_id,
            effects: &mut self.effects,
        };
        input(&mut self.custody, &mut cx)
    }

    fn submit(&mut self, call: u64, envelope: Envelope) {
        let submission = Submission {
            envelope,
            origin: Origin::Call(call),
            accepted: true,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
    }

    fn inserts(&mut self) -> Vec<Inserted> {
        let (inserts, rest) = std::mem::take(&mut self.effects)
            .into_iter()
            .partition(|effect| matches!(effect, CustodyEffect::Insert { .. }));
        self.effects = rest;
        let inserted = |effect| match effect {
            CustodyEffect::Insert {
                ticket,
                envelope,
                reason,
                home,
                replaces,
            } => Inserted {
                ticket,
                envelope,
                reason,
                home,
                replaces,
            },
            other => panic!("{other:?}"),
        };
        Vec::into_iter(inserts).map(inserted).collect()
    }

    fn settlements(&self, call: u64) -> Vec<Settlement> {
        let of_call = |effect: &CustodyEffect<()>| match effect {
            CustodyEffect::Settled {
                origin: Origin::Call(of),
                settlement,
                ..
            } if *of == call => Some(settlement.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(of_call).collect()
    }

    fn deletes(&self) -> Vec<MessageId> {
        let deleted = |effect: &CustodyEffect<()>| match effect {
            CustodyEffect::Delete { id, .. } => Some(*id),
            _ => None,
        };
        self.effects.iter().filter_map(deleted).collect()
    }

    fn store_all(&mut self) -> Vec<Inserted> {
        let inserts = self.inserts();
        for inserted in &inserts {
            let ticket = inserted.ticket;
            self.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
        }
        inserts
    }

    fn hand_over(&mut self, envelope: &Arc<Envelope>) -> Ticket {
        let row = StoredRow {
            seq: 1,
            envelope: Arc::clone(envelope),
            reason: WaitReason::Forward,
        };
        let home = DomainName::upstream();
        let adopted = self.step(|custody, cx| custody.adopt_forward(vec![row], &home, cx));
        assert_eq!((adopted.handed, adopted.stopped), (1, false));
        self.way.handed.borrow_mut().pop().unwrap().1
    }
}

struct Inserted {
    ticket: Ticket,
    envelope: Arc<Envelope>,
    reason: WaitReason,
    home: Option<DomainName>,
    replaces: Option<MessageId>,
}

fn upstream(n: u64, reference: Option<&str>) -> Envelope {
    Envelope {
        kind: Kind::Upstream,
        reference: reference.map(Into::into),
        confirm: reference.is_some(),
        content: message_content("order.created", "1"),
        ..message(n, user(1), user(1).upstream())
    }
}

fn refusal() -> FrameError {
    FrameError::new(ErrorCode::Refused, "no")
}

#[test]
fn what_the_application_takes_in_time_never_touches_the_store() {
    let mut world = World::new(true, Reports::default());
    world.submit(1, upstream(1, None));
    let (id, ticket) = world.way.handed.borrow_mut().pop().unwrap();
    assert_eq!(id, message_id(1));
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    assert_eq!(world.settlements(1), [Settlement::Delivered]);
    world.now += Duration::from_secs(1);
    world.step(|custody, cx| custody.on_tick(cx));
    assert!(world.inserts().is_empty() && world.deletes().is_empty() && world.custody.is_empty());
}

#[test]
fn its_sender_gets_the_confirmation_that_takes_its_place_in_the_store() {
    let mut world = World::new(false, Reports::default());
    world.submit(1, upstream(1, Some("r")));
    let stored = world.store_all();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].reason, WaitReason::Forward);
    assert_eq!(stored[0].home, Some(DomainName::upstream()));
    assert_eq!(world.settlements(1), [Settlement::Stored]);
    assert!(world.custody.is_empty(), "the store has it alone");
    assert_eq!(world.way.diverted.get(), 0);

    let ticket = world.hand_over(&stored[0].envelope);
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    let owed = world.inserts();
    assert_eq!(owed.len(), 1);
    assert_eq!(owed[0].envelope.kind, Kind::Confirmation);
    assert_eq!(owed[0].envelope.to, user(1));
    assert_eq!(owed[0].envelope.reference.as_deref(), Some("r"));
    assert_eq!(owed[0].replaces, Some(message_id(1)));
}

#[test]
fn a_refusal_takes_the_place_of_what_is_refused() {
    let mut world = World::new(false, Reports::default());
    world.submit(1, upstream(1, Some("r")));
    let stored = world.store_all();
    let ticket = world.hand_over(&stored[0].envelope);
    world.step(|custody, cx| custody.on_upstream_refused(ticket, refusal(), cx));
    let told = world.inserts();
    assert_eq!(told[0].envelope.kind, Kind::Refusal);
    assert_eq!(told[0].envelope.to, user(1));
    assert_eq!(told[0].envelope.content, r#"{"code":"REFUSED","message":"no"}"#);
    assert_eq!(told[0].replaces, Some(message_id(1)));

    // Not stored, it is told all the same.
    world.way.open.set(true);
    world.submit(2, upstream(2, None));
    let (_, ticket) = world.way.handed.borrow_mut().pop().unwrap();
    world.step(|custody, cx| custody.on_upstream_refused(ticket, refusal(), cx));
    assert_eq!(world.settlements(2), [Settlement::Refused(refusal())]);
    let told = world.inserts();
    assert_eq!((told.len(), told[0].replaces), (1, None));
}

#[test]
fn an_event_that_is_refused_is_gone_and_nobody_is_told() {
    let mut world = World::new(false, Reports::default());
    let event = Envelope {
        kind: Kind::UpstreamEvent,
        ..upstream(1, None)
    };
    world.submit(1, event);
    let stored = world.store_all();
    let ticket = world.hand_over(&stored[0].envelope);
    world.step(|custody, cx| custody.on_upstream_refused(ticket, refusal(), cx));
    assert!(world.inserts().is_empty());
    assert_eq!(world.deletes(), [message_id(1)]);
}

#[test]
fn what_it_had_when_it_went_away_is_stored_in_order() {
    let mut world = World::new(true, Reports::default());
    for n in 1..=3 {
        world.submit(n, upstream(n, None));
    }
    world.way.open.set(false);
    world.step(|custody, cx| custody.on_link_lost(SessionId::of_link(OUTLET), cx));
    world.submit(4, upstream(4, None));
    let stored: Vec<MessageId> = world.store_all().iter().map(|row| row.envelope.id).collect();
    assert_eq!(stored, (1..=4).map(message_id).collect::<Vec<_>>());
    assert_eq!(world.way.diverted.get(), 0, "the way may open");
}

#[test]
fn a_reference_that_comes_again_is_one_message() {
    let mut world = World::new(true, Reports::default());
    world.submit(1, upstream(1, Some("r")));
    world.submit(2, upstream(2, Some("r")));
    let (_, ticket) = world.way.handed.borrow_mut().pop().unwrap();
    assert!(world.way.handed.borrow().is_empty());
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    world.submit(3, upstream(3, Some("r")));
    assert!(world.way.handed.borrow().is_empty());
    assert_eq!(world.settlements(3), [Settlement::Delivered]);
    let confirmations = world.inserts();
    assert_eq!(confirmations.len(), 2, "and is confirmed once more");
}

#[test]
fn fast_ones_are_handed_over_or_gone() {
    for (open, expected) in [(true, Settlement::Forwarded), (false, Settlement::Dropped)] {
        let mut world = World::new(open, Reports::default());
        let fast = Envelope {
            feature: Feature::Fast,
            ..upstream(1, Some("r"))
        };
        world.submit(1, fast);
        assert_eq!(world.settlements(1), [expected]);
        assert!(world.custody.is_empty() && world.inserts().is_empty());
    }
}

#[test]
fn custody_tells_of_what_it_is_asked_to_tell_of() {
    for (delivered, stored) in [(true, false), (false, true), (true, true), (false, false)] {
        let mut world = World::new(true, Reports { delivered, stored });
        // To a user who is away.
        world.submit(1, message(1, user(1), user(2)));
        world.store_all();
        // And to the application, which knows of that.
        world.submit(2, upstream(2, None));
        let (_, ticket) = world.way.handed.borrow_mut().pop().unwrap();
        world.step(|custody, cx| custody.on_proven(ticket, cx));
        let told: Vec<(UpstreamEvent, MessageId)> = world
            .effects
            .iter()
            .filter_map(|effect| match effect {
                CustodyEffect::Happened { message, event } => Some((*event, message.id)),
                _ => None,
            })
            .collect();
        let expected: &[_] = match stored {
            true => &[(UpstreamEvent::Stored, message_id(1))],
            false => &[],
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn what_is_for_the_application_names_no_predecessor() {
    let mut world = World::new(true, Reports::default());
    world.submit(1, upstream(1, None));
    let id = world.way.handed.borrow()[0].0;
    let held = world.custody.find(&id).unwrap();
    assert_eq!(
        (held.trail.as_ref(), &held.content),
        (None, &Bytes::from(r#"{"type":"order.created","content":1}"#))
    );
}
