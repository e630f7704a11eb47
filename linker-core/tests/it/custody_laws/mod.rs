//! Laws of custody, one router at a time, with sessions that do as they are told.

mod crowded;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::custody::{
    Custody, CustodyConfig, CustodyContext, CustodyEffect, CustodyShared, DedupeTable, Delivery,
    LocalSessions, Offer, Origin, Settlement, Submission, Ticket,
};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, SessionId, UserId};
use linker_core::port::InsertOutcome;
use linker_core::trace::{Fate, Role, Sampling};
use proptest::collection::vec;
use proptest::prelude::*;
use smallvec::SmallVec;

const WINDOW: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
struct Fake {
    id: u64,
    behind: Cell<bool>,
    replaying: Cell<bool>,
    diverted: Cell<u32>,
    diversions: Cell<u32>,
    hints: Cell<u32>,
    taken: RefCell<Vec<Delivery>>,
}

#[derive(Default)]
struct FakeSessions {
    here: RefCell<Vec<Rc<Fake>>>,
    /// Logs in on another thread while a router has just seen that nobody is here.
    late: RefCell<Option<Rc<Fake>>>,
}

impl LocalSessions for FakeSessions {
    type Session = Rc<Fake>;

    fn of(&self, user: &UserId) -> SmallVec<[Rc<Fake>; 2]> {
        if *user != receiver() {
            return SmallVec::new();
        }
        let found = self.here.borrow().iter().cloned().collect();
        self.here.borrow_mut().extend(self.late.take());
        found
    }

    fn id(&self, session: &Rc<Fake>) -> SessionId {
        SessionId(session.id)
    }

    fn offer(&self, session: &Rc<Fake>, delivery: Delivery, _: bool) -> Offer {
        if session.behind.get() && !delivery.courtesy {
            let replaying = session.replaying.get();
            return Offer::Behind { replaying };
        }
        session.taken.borrow_mut().push(delivery);
        Offer::Taken
    }

    fn divert(&self, session: &Rc<Fake>) -> bool {
        if session.behind.get() {
            session.diverted.set(session.diverted.get() + 1);
            session.diversions.set(session.diversions.get() + 1);
        }
        session.behind.get()
    }

    fn hint(&self, session: &Rc<Fake>, diverted: bool) {
        session.hints.set(session.hints.get() + 1);
        session.diverted.set(session.diverted.get() - u32::from(diverted));
    }
}

fn user(number: u64) -> UserId {
    format!("ANZ-{number}").parse().unwrap()
}

fn sender() -> UserId {
    user(1)
}

fn receiver() -> UserId {
    user(2)
}

/// A router, its sessions, and what it wanted.
struct World {
    shared: Arc<CustodyShared>,
    custody: Custody<Rc<Fake>>,
    sessions: FakeSessions,
    now: Duration,
    next_id: u64,
    effects: Vec<CustodyEffect<Rc<Fake>>>,
}

impl World {
    fn new() -> Self {
        Self::with(1 << 20, Sampling::NONE)
    }

    fn with_room(max_pending_bytes: usize) -> Self {
        Self::with(max_pending_bytes, Sampling::NONE)
    }

    fn tracing(sampling: Sampling) -> Self {
        Self::with(1 << 20, sampling)
    }

    fn with(max_pending_bytes: usize, sampling: Sampling) -> Self {
        let config = CustodyConfig {
            commit_window: Duration::from_millis(20),
            max_pending_bytes,
            several_nodes: false,
        };
        let mut shared = CustodyShared::new(config, DedupeTable::new(WINDOW, 1 << 12, 3));
        shared.sampling = sampling;
        let shared = Arc::new(shared);
        Self {
            custody: Custody::new(0, Arc::clone(&shared)),
            shared,
            sessions: FakeSessions::default(),
            now: Duration::from_secs(1000),
            next_id: 0,
            effects: Vec::new(),
        }
    }

    fn login(&self, id: u64) -> Rc<Fake> {
        let session = Rc::new(Fake {
            id,
            ..Fake::default()
        });
        self.sessions.here.borrow_mut().push(Rc::clone(&session));
        session
    }

    fn logout(&self, session: &Fake) {
        self.sessions
            .here
            .borrow_mut()
            .retain(|known| known.id != session.id);
    }

    fn step<T>(
        &mut self,
        input: impl FnOnce(&mut Custody<Rc<Fake>>, &mut CustodyContext<'_, FakeSessions>) -> T,
    ) -> T {
        let next_id = &mut self.next_id;
        let mut new_id = || {
            *next_id += 1;
            id(1_000_000 + *next_id)
        };
        let now = Now {
            elapsed: self.now,
            unix_ms: self.now.as_millis() as u64,
        };
        let mut cx = CustodyContext {
            now,
            sessions: &self.sessions,
            new_id: &mut new_id,
            effects: &mut self.effects,
        };
        input(&mut self.custody, &mut cx)
    }

    /// Message `number` with this reference, from call `number`.
    fn send(&mut self, number: u64, reference: Option<&str>) {
        let envelope = Envelope {
            id: id(number),
            kind: Kind::Message,
            feature: Feature::Reliable,
            from: sender(),
            to: receiver(),
            reference: reference.map(Into::into),
            confirm: reference.is_some(),
            timestamp_ms: 0,
            content: Bytes::from_static(b"1"),
            trail: None,
        };
        let submission = Submission {
            envelope,
            origin: Origin::Call(number),
            accepted: true,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
    }

    /// What was told of traced messages since the last call: which, for how long it was had, as what, and how that ended.
    fn passages(&mut self) -> Vec<(MessageId, Duration, Role, Fate)> {
        let traced = self
            .effects
            .extract_if(.., |effect| matches!(effect, CustodyEffect::Traced(_)));
        let passages = traced.map(|effect| match effect {
            CustodyEffect::Traced(p) => (p.envelope.id, self.now - p.since, p.role, p.fate),
            other => panic!("{other:?}"),
        });
        passages.collect()
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.step(|custody, cx| custody.on_tick(cx));
    }

    /// Inserts wanted since the last call.
    fn inserts(&mut self) -> Vec<(Ticket, MessageId)> {
        let inserts = self.effects.iter().filter_map(|effect| match effect {
            CustodyEffect::Insert { ticket, envelope, .. } => Some((*ticket, envelope.id)),
            _ => None,
        });
        let inserts = inserts.collect();
        self.effects
            .retain(|effect| !matches!(effect, CustodyEffect::Insert { .. }));
        inserts
    }

    fn store_all(&mut self) {
        for (ticket, _) in self.inserts() {
            self.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
        }
    }

    fn settlements(&self, call: u64) -> Vec<Settlement> {
        let of_call = |effect: &CustodyEffect<Rc<Fake>>| match effect {
            CustodyEffect::Settled {
                origin: Origin::Call(of),
                settlement,
                ..
            } if *of == call => Some(settlement.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(of_call).collect()
    }

    fn give_back_all(&mut self, session: &Fake) {
        for delivery in session.taken.take() {
            let (ticket, by) = (delivery.ticket.unwrap(), SessionId(session.id));
            self.step(|custody, cx| custody.on_given_back(ticket, by, cx));
        }
    }

    fn prove_all(&mut self, session: &Fake) {
        for delivery in session.taken.take() {
            if let Some(ticket) = delivery.ticket {
                self.step(|custody, cx| custody.on_proven(ticket, cx));
            }
        }
    }
}

fn id(number: u64) -> MessageId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    MessageId::from_bytes(bytes)
}

#[test]
fn what_an_ended_session_gives_back_is_stored_in_the_order_sent() {
    let mut world = World::new();
    let session = world.login(1);
    (1..=4).for_each(|number| world.send(number, None));
    world.logout(&session);
    world.give_back_all(&session);
    let stored: Vec<_> = world.inserts().into_iter().map(|(_, id)| id).collect();
    assert_eq!(stored, (1..=4).map(id).collect::<Vec<_>>());
}

#[test]
fn a_replaying_session_cannot_go_live_past_a_row_that_was_given_back() {
    let mut world = World::new();
    let (old, new) = (world.login(1), world.login(2));
    new.behind.set(true);
    new.replaying.set(true);
    world.send(1, None);
    new.taken.take();
    world.wait(Duration::from_millis(20));
    world.store_all();
    let courtesy = old.taken.borrow()[0].ticket.unwrap();
    world.step(|custody, cx| custody.on_given_back(courtesy, SessionId(2), cx));
    world.logout(&old);
    let before = new.diversions.get();
    world.give_back_all(&old);
    assert_eq!(
        new.diversions.get(),
        before + 1,
        "the gate has changed since any page"
    );
    assert_eq!(new.diverted.get(), 0, "and is noted no more");
    assert!(new.hints.get() > 0);
    assert_eq!(world.shared.claims().held(), 0, "the next page finds it free");
}

#[test]
fn who_logs_in_while_nobody_was_found_gets_that_message_before_the_next() {
    for behind in [false, true] {
        let mut world = World::new();
        let late = Rc::new(Fake {
            id: 1,
            behind: Cell::new(behind),
            replaying: Cell::new(behind),
            ..Fake::default()
        });
        world.sessions.late.replace(Some(Rc::clone(&late)));
        world.send(1, None);
        assert_eq!(world.inserts().len(), 1);
        match behind {
            true => assert_eq!(late.diverted.get(), 1, "it cannot go live before it has looked"),
            false => assert_eq!(late.taken.borrow().len(), 1),
        }
    }
}

#[test]
fn a_node_that_is_behind_its_own_work_gives_proofs_more_time_within_bounds() {
    let ms = Duration::from_millis;
    let mut world = World::new();
    let session = world.login(1);
    world.shared.lag.observe(ms(10), world.now);
    world.send(1, None);
    world.wait(ms(59));
    assert_eq!(world.inserts(), [], "the window and four turns are not over");
    world.wait(ms(1));
    assert_eq!(world.inserts().len(), 1);

    world.shared.lag.observe(ms(5000), world.now);
    world.send(2, None);
    for _ in 0..2 {
        world.wait(ms(99));
        world.shared.lag.observe(ms(5000), world.now);
        assert_eq!(world.inserts(), []);
    }
    world.wait(ms(2));
    assert_eq!(world.inserts().len(), 1, "ten windows at most");
    drop(session);
}

#[test]
fn a_row_that_was_in_hand_when_the_page_was_asked_for_is_on_it_if_it_is_free_by_then() {
    let mut world = World::new();
    world.send(1, None);
    let in_hand = world.shared.claims().of(&receiver());
    assert_eq!(in_hand, [id(1)]);
    let (ticket, envelope) = match &world.effects[..] {
        [CustodyEffect::Insert { ticket, envelope, .. }, ..] => (*ticket, Arc::clone(envelope)),
        other => panic!("{other:?}"),
    };
    world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
    let session = world.login(1);
    let row = linker_core::port::StoredRow {
        seq: 1,
        envelope,
        reason: linker_core::port::WaitReason::Absent,
    };
    let page = world.step(|custody, cx| custody.adopt(vec![row], &session, false, &[], cx));
    assert_eq!(page.deliveries.len(), 1);
}

#[test]
fn a_router_that_starts_over_answers_for_the_same_and_never_gives_a_ticket_twice() {
    let mut world = World::new();
    let session = world.login(1);
    world.send(1, Some("a"));
    world.send(2, Some("b"));
    let stale: Vec<_> = session.taken.take().iter().map(|d| d.ticket.unwrap()).collect();
    // A repetition of the first waits to be told.
    world.send(3, Some("a"));
    world.wait(Duration::from_millis(20));
    world.store_all();
    let surrendered = world.custody.surrender();
    assert_eq!(world.shared.pending_bytes.load(Ordering::Relaxed), 0);
    world.step(|custody, cx| custody.take_over(surrendered, cx));
    for ticket in stale {
        world.step(|custody, cx| custody.on_proven(ticket, cx));
    }
    assert_eq!(
        world.custody.len(),
        2,
        "what was proven under old tickets proves nothing"
    );
    world.prove_all(&session);
    world.wait(Duration::ZERO);
    // Confirmations replace the rows, since the sender is away.
    let replaced = world.effects.iter().filter_map(|effect| match effect {
        CustodyEffect::Insert { replaces, .. } => *replaces,
        _ => None,
    });
    assert_eq!(replaced.collect::<Vec<_>>(), [id(1), id(2)]);
    assert_eq!(world.settlements(3).len(), 1, "the repetition was told");
    world.store_all();
    assert!(world.custody.is_empty());
    assert_eq!(world.shared.claims().held(), 0);
}

#[test]
fn the_same_reference_is_one_message_within_the_window_and_two_beyond_it() {
    let mut world = World::new();
    let session = world.login(1);
    world.send(1, Some("a"));
    world.prove_all(&session);
    let confirmations = |world: &mut World| world.inserts().len();
    assert_eq!(confirmations(&mut world), 1);
    world.now += WINDOW / 2;
    world.send(2, Some("a"));
    assert!(session.taken.borrow().is_empty(), "it was delivered already");
    assert_eq!(confirmations(&mut world), 1, "it is confirmed again");
    world.now += WINDOW;
    world.send(3, Some("a"));
    assert_eq!(session.taken.borrow().len(), 1);
}

#[test]
fn a_message_that_the_store_knew_already_is_known_from_then_on() {
    let mut world = World::new();
    world.send(1, Some("a"));
    for (ticket, _) in world.inserts() {
        let known = InsertOutcome::Duplicate(id(99));
        world.step(|custody, cx| custody.on_stored(ticket, known, cx));
    }
    assert_eq!(world.settlements(1), [Settlement::Stored]);
    world.send(2, Some("a"));
    for (ticket, _) in world.inserts() {
        let known = InsertOutcome::Duplicate(id(99));
        world.step(|custody, cx| custody.on_stored(ticket, known, cx));
    }
    assert_eq!(world.settlements(2), [Settlement::Stored]);
    assert_eq!(
        world.custody.deadline(),
        None,
        "nobody waits for the first to be settled"
    );
}

/// What may happen to a router.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Send(u8),
    Login,
    Logout,
    Prove,
    GiveBack,
    Wait,
    Stored,
    InboxFull,
    StartOver,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..6u8).prop_map(Happening::Send),
        2 => Just(Happening::Login),
        1 => Just(Happening::Logout),
        2 => Just(Happening::Prove),
        1 => Just(Happening::GiveBack),
        2 => Just(Happening::Wait),
        2 => Just(Happening::Stored),
        1 => Just(Happening::InboxFull),
        1 => Just(Happening::StartOver),
    ]
}

proptest! {
    /// Whatever happens: each call is told exactly once what became of its message, and in the end nothing is counted or claimed.
    #[test]
    fn every_origin_is_settled_once_and_all_accounts_close(happenings in vec(happening(), 1..60)) {
        let mut world = World::new();
        let (mut sent, mut logins) = (0, 0);
        for happening in happenings {
            let newest = world.sessions.here.borrow().last().cloned();
            match (happening, newest) {
                (Happening::Send(reference), _) => {
                    sent += 1;
                    let reference = format!("r{reference}");
                    world.send(sent, (reference != "r0").then_some(reference.as_str()));
                }
                (Happening::Login, _) if logins < 3 => {
                    logins += 1;
                    world.login(logins);
                }
                (Happening::Logout, Some(session)) => {
                    world.logout(&session);
                    world.give_back_all(&session);
                }
                (Happening::Prove, Some(session)) => world.prove_all(&session),
                (Happening::GiveBack, Some(session)) => {
                    world.logout(&session);
                    world.give_back_all(&session);
                    world.sessions.here.borrow_mut().push(session);
                }
                (Happening::Wait, _) => world.wait(Duration::from_millis(20)),
                (Happening::Stored, _) => world.store_all(),
                (Happening::InboxFull, _) => {
                    for (ticket, _) in world.inserts() {
                        let full = InsertOutcome::InboxFull;
                        world.step(|custody, cx| custody.on_stored(ticket, full, cx));
                    }
                }
                (Happening::StartOver, _) => {
                    let surrendered = world.custody.surrender();
                    world.sessions.here.borrow().iter().for_each(|session| drop(session.taken.take()));
                    world.step(|custody, cx| custody.take_over(surrendered, cx));
                }
                _ => {}
            }
        }
        let sessions = world.sessions.here.take();
        sessions.iter().for_each(|session| world.give_back_all(session));
        for _ in 0..4 {
            world.wait(Duration::from_millis(20));
            world.store_all();
        }
        for call in 1..=sent {
            prop_assert_eq!(world.settlements(call).len(), 1, "call {}", call);
        }
        prop_assert!(world.custody.is_empty());
        prop_assert_eq!(world.shared.pending_bytes.load(Ordering::Relaxed), 0);
        prop_assert_eq!(world.shared.pending_messages.load(Ordering::Relaxed), 0);
        prop_assert_eq!(world.custody.deadline(), None);
    }
}

#[test]
fn a_traced_message_is_told_of_each_time_it_has_gone_its_way_and_is_new_once() {
    let ms = Duration::from_millis;
    let mut world = World::tracing(Sampling::of_ratio(1.0));
    let session = world.login(1);
    world.send(1, Some("a"));
    world.now += ms(5);
    assert_eq!(world.passages(), [], "it is still had");
    world.prove_all(&session);
    let proven = world.passages();
    assert_eq!(proven, [(id(1), ms(5), Role::New, Fate::Delivered)]);
    world.send(2, Some("a"));
    assert_eq!(world.passages(), [(id(2), ms(0), Role::New, Fate::Duplicate)]);

    world.logout(&session);
    world.send(3, None);
    world.store_all();
    let stored = world.passages();
    assert!(
        stored.contains(&(id(3), ms(0), Role::New, Fate::Stored)),
        "{stored:?}"
    );
    let envelope = Envelope {
        id: id(3),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from: sender(),
        to: receiver(),
        reference: None,
        confirm: false,
        timestamp_ms: 0,
        content: Bytes::from_static(b"1"),
        trail: None,
    };
    let row = linker_core::port::StoredRow {
        seq: 1,
        envelope: Arc::new(envelope),
        reason: linker_core::port::WaitReason::Absent,
    };
    let session = world.login(2);
    let page = world.step(|custody, cx| custody.adopt(vec![row], &session, false, &[], cx));
    world.now += ms(7);
    let ticket = page.deliveries[0].ticket.expect("somebody wants to know");
    world.step(|custody, cx| custody.on_proven(ticket, cx));
    assert_eq!(world.passages(), [(id(3), ms(7), Role::Again, Fate::Delivered)]);
}

#[test]
fn nothing_is_told_of_what_is_not_traced() {
    let mut world = World::new();
    let session = world.login(1);
    world.send(1, Some("a"));
    world.prove_all(&session);
    world.logout(&session);
    world.send(2, None);
    world.store_all();
    assert_eq!(world.passages(), []);
}
