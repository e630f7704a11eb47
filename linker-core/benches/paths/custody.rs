//! One router: messages handed in, offered, proven, stored; and the table by which it knows repetitions.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::custody::{
    Custody, CustodyConfig, CustodyContext, CustodyEffect, CustodyShared, DedupeTable, Delivery,
    LocalSessions, Offer, Origin, Progress, Settlement, Submission,
};
use linker_core::envelope::{Envelope, Feature};
use linker_core::id::{SessionId, UserId};
use linker_core::port::InsertOutcome;
use smallvec::SmallVec;

use super::{Path, Step, sample};

/// A RELIABLE message is taken and proven by its recipient, and so is the confirmation by its sender.
pub(crate) const RELIABLE_PROVEN: Path = Path {
    name: "reliable-proven",
    ready: reliable_proven,
};

/// A FAST message that nobody confirms is handed to its recipient.
pub(crate) const FAST_HANDED_ON: Path = Path {
    name: "fast-handed-on",
    ready: fast_handed_on,
};

/// A RELIABLE message for somebody absent goes to the store, which says that it has it.
pub(crate) const ABSENT_STORED: Path = Path {
    name: "absent-stored",
    ready: absent_stored,
};

/// A reference is looked up that nobody has used yet, and noted as delivered.
pub(crate) const DEDUPE: Path = Path {
    name: "dedupe",
    ready: dedupe,
};

/// From one message to the next: a hundred of them are in the commit window at a time.
const PACE: Duration = Duration::from_micros(200);
const COMMIT_WINDOW: Duration = Duration::from_millis(20);

fn reliable_proven() -> Step {
    let mut world = World::with_sessions();
    Box::new(move || {
        let message = world.next_message();
        world.submit(message);
        world.prove(Side::Recipient);
        assert!(world.has_settled(&Settlement::Delivered));
        world.prove(Side::Sender);
        assert!(world.custody.is_empty());
        world.end_step();
    })
}

fn fast_handed_on() -> Step {
    let mut world = World::with_sessions();
    Box::new(move || {
        let message = Envelope {
            feature: Feature::Fast,
            confirm: false,
            ..world.next_message()
        };
        world.submit(message);
        let delivery = world.take_delivery(Side::Recipient);
        assert!(black_box(delivery).ticket.is_none() && world.custody.is_empty());
        world.end_step();
    })
}

fn absent_stored() -> Step {
    let mut world = World::new(Sessions::default());
    Box::new(move || {
        let message = world.next_message();
        world.submit(message);
        let [CustodyEffect::Insert { ticket, .. }] = world.effects[..] else {
            panic!("it does not go to the store");
        };
        world.step(|custody, cx| custody.on_stored(ticket, InsertOutcome::Stored, cx));
        assert!(world.has_settled(&Settlement::Stored) && world.custody.is_empty());
        world.end_step();
    })
}

fn dedupe() -> Step {
    let table = dedupe_table();
    let mut message = sample::message(0, &Bytes::new());
    let mut number = 0;
    let mut now = Duration::from_secs(1000);
    Box::new(move || {
        number += 1;
        now += PACE;
        message.id = sample::id(number);
        message.reference = Some(format!("reference-{number}").into());
        let key = table.key(black_box(&message)).unwrap();
        assert!(table.begin(key, message.id, now).is_none());
        table.advance(key, message.id, Progress::Proven);
    })
}

/// Small, so that its generations change often: the cost of growing is spread evenly over the steps.
fn dedupe_table() -> DedupeTable {
    DedupeTable::new(Duration::from_secs(300), 1 << 10, 3)
}

#[derive(Clone, Copy)]
enum Side {
    Sender,
    Recipient,
}

/// A session that takes whatever it is offered.
struct Taker {
    id: u64,
    taken: RefCell<Vec<Delivery>>,
}

impl Taker {
    fn new(id: u64) -> Rc<Self> {
        Rc::new(Self {
            id,
            taken: RefCell::default(),
        })
    }
}

/// The session of the sender and that of the recipient, or none.
#[derive(Default)]
struct Sessions {
    sender: Option<Rc<Taker>>,
    recipient: Option<Rc<Taker>>,
}

impl LocalSessions for Sessions {
    type Session = Rc<Taker>;

    fn of(&self, user: &UserId) -> SmallVec<[Rc<Taker>; 2]> {
        let session = match *user == sample::sender() {
            true => &self.sender,
            false => &self.recipient,
        };
        session.iter().cloned().collect()
    }

    fn id(&self, session: &Rc<Taker>) -> SessionId {
        SessionId(session.id)
    }

    fn offer(&self, session: &Rc<Taker>, delivery: Delivery, _: bool) -> Offer {
        session.taken.borrow_mut().push(delivery);
        Offer::Taken
    }

    fn divert(&self, _: &Rc<Taker>) -> bool {
        false
    }

    fn hint(&self, _: &Rc<Taker>, _: bool) {}
}

/// A router, its sessions, and what it wanted in this step.
struct World {
    custody: Custody<Rc<Taker>>,
    sessions: Sessions,
    content: Bytes,
    now: Duration,
    number: u64,
    effects: Vec<CustodyEffect<Rc<Taker>>>,
}

impl World {
    fn with_sessions() -> Self {
        Self::new(Sessions {
            sender: Some(Taker::new(1)),
            recipient: Some(Taker::new(2)),
        })
    }

    fn new(sessions: Sessions) -> Self {
        let config = CustodyConfig {
            commit_window: COMMIT_WINDOW,
            max_pending_bytes: 1 << 26,
            several_nodes: false,
        };
        let shared = Arc::new(CustodyShared::new(config, dedupe_table()));
        Self {
            custody: Custody::new(0, shared),
            sessions,
            content: Bytes::from(sample::content(1000)),
            now: Duration::from_secs(1000),
            number: 0,
            effects: Vec::new(),
        }
    }

    fn next_message(&mut self) -> Envelope {
        self.number += 1;
        sample::message(self.number, &self.content)
    }

    fn submit(&mut self, envelope: Envelope) {
        let submission = Submission {
            envelope: black_box(envelope),
            origin: Origin::Call(self.number),
            accepted: false,
        };
        self.step(|custody, cx| custody.submit(submission, cx));
    }

    fn step(&mut self, input: impl FnOnce(&mut Custody<Rc<Taker>>, &mut CustodyContext<'_, Sessions>)) {
        let number = self.number;
        let mut new_id = || sample::id(number);
        let mut cx = CustodyContext {
            now: Now {
                elapsed: self.now,
                unix_ms: self.now.as_millis() as u64,
            },
            sessions: &self.sessions,
            new_id: &mut new_id,
            effects: &mut self.effects,
        };
        input(&mut self.custody, &mut cx);
    }

    fn take_delivery(&self, side: Side) -> Delivery {
        let session = match side {
            Side::Sender => &self.sessions.sender,
            Side::Recipient => &self.sessions.recipient,
        };
        session.as_ref().unwrap().taken.borrow_mut().pop().unwrap()
    }

    fn prove(&mut self, side: Side) {
        let ticket = self.take_delivery(side).ticket.unwrap();
        self.step(|custody, cx| custody.on_proven(black_box(ticket), cx));
    }

    fn has_settled(&self, expected: &Settlement) -> bool {
        let settled = |effect: &CustodyEffect<_>| match effect {
            CustodyEffect::Settled { settlement, .. } => settlement == expected,
            _ => false,
        };
        self.effects.iter().any(settled)
    }

    /// Carries nothing out, and lets some time pass: what was in the commit window has left it.
    fn end_step(&mut self) {
        self.effects.clear();
        self.now += PACE;
        if self.custody.deadline().is_some_and(|due| due <= self.now) {
            self.step(|custody, cx| custody.on_tick(cx));
        }
        assert!(self.effects.is_empty());
    }
}
