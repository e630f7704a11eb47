//! One node: the real state machines, and what linker-actors keeps around them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::custody::{Custody, CustodyConfig, CustodyShared, DedupeTable, Delivery, Ticket};
use linker_core::directory::Directory;
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use linker_core::link::{Draining, Gate, PairTails, Sequencer};
use linker_core::network::{LinkDirection, LinkState, LinkStates};
use linker_core::port::LINK_SLOTS;

use super::plan::Plan;
use super::store::{ModelStore, Queue, StoreOp, Taken};

/// What waits for one slot of a link.
pub(crate) type SlotQueue = VecDeque<(Arc<Envelope>, Ticket)>;

/// How long a message that was sent before is recognised.
pub(crate) const DEDUPE_WINDOW: Duration = Duration::from_secs(300);
/// Messages that may wait for one that was sent before them.
const HELD_MAX: usize = 1 << 16;
const HELD_BYTES_MAX: usize = 64 << 20;

/// What something that ran has woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Something was put into the outbox of this neighbour.
    Outbox(usize),
    /// A way was shut, or something that was diverted is stored.
    Way(usize),
    /// Link states, or ways, are to be looked at.
    Look,
    /// Users are to be looked at who have moved.
    Strays,
    /// This session was offered something.
    Session(SessionId),
}

/// The way to one other domain.
#[derive(Default)]
pub(crate) struct Way {
    /// Somebody has asked for it.
    pub(crate) known: Cell<bool>,
    pub(crate) gate: Gate,
    /// The neighbour to hand over to, by its place.
    pub(crate) hop: Cell<Option<usize>>,
    pub(crate) turns: Cell<u64>,
    /// The pump was told that something has changed, and has not looked yet.
    pub(crate) changed: Cell<bool>,
}

/// What looks after one way.
#[derive(Debug, Default)]
pub(crate) struct Pump {
    pub(crate) draining: Option<Draining>,
    pub(crate) turns: u64,
    /// It waits for an answer, or for time to pass.
    pub(crate) busy: bool,
}

/// One neighbouring domain, as this node reaches it.
pub(crate) struct Neighbour {
    pub(crate) to: usize,
    /// The direction of the link.
    pub(crate) wire: usize,
    pub(crate) id: SessionId,
    pub(crate) up: Cell<bool>,
    pub(crate) losing: Cell<bool>,
    pub(crate) epoch: Cell<u64>,
    pub(crate) outbox: RefCell<Vec<SlotQueue>>,
    pub(crate) turn: Cell<usize>,
    /// Payloads, and messages in them, that are not confirmed.
    pub(crate) payloads: Cell<usize>,
    pub(crate) unconfirmed: Cell<usize>,
    pub(crate) flushing: Cell<bool>,
}

impl Neighbour {
    pub(crate) fn load(&self) -> usize {
        self.unconfirmed.get() + self.outbox.borrow().iter().map(VecDeque::len).sum::<usize>()
    }
}

/// A user's session, and what it has been sent.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) coming: VecDeque<Delivery>,
    pub(crate) reading: bool,
    pub(crate) fetching: bool,
}

/// All that custody asks about.
pub(crate) struct Net {
    pub(crate) directory: RefCell<Directory>,
    pub(crate) own: DomainName,
    pub(crate) ways: Vec<Way>,
    pub(crate) neighbours: Vec<Neighbour>,
    pub(crate) tails: RefCell<PairTails>,
    pub(crate) sessions: RefCell<BTreeMap<UserId, Session>>,
    pub(crate) epochs: RefCell<HashMap<SessionId, u64>>,
    pub(crate) bell: RefCell<Vec<Ring>>,
    pub(crate) strays: RefCell<Strays>,
}

#[derive(Default)]
pub(crate) struct Strays {
    pub(crate) some: BTreeSet<UserId>,
    pub(crate) all: bool,
    pub(crate) wanted: bool,
    /// They are being looked at.
    pub(crate) busy: bool,
}

/// A payload that came from another domain, some messages of which are not safe yet.
pub(crate) struct Owed {
    pub(crate) left: Cell<usize>,
    pub(crate) slot: usize,
    pub(crate) number: u64,
    /// Which opening of the ingress it came by.
    pub(crate) opening: u32,
}

/// A message, and whom a receipt is owed for it.
pub(crate) struct Item {
    pub(crate) envelope: Envelope,
    pub(crate) owed: Rc<Owed>,
}

/// What comes in from other domains.
pub(crate) struct Reader {
    pub(crate) sequencer: Sequencer<Item>,
    pub(crate) settling: BTreeMap<(Duration, u64), Item>,
    pub(crate) next: u64,
    pub(crate) receipts: HashMap<MessageId, Vec<Rc<Owed>>>,
    pub(crate) opening: u32,
    pub(crate) due_at: Option<Duration>,
}

/// Link states, as far as they are not told by messages.
pub(crate) struct Keeper {
    pub(crate) states: LinkStates,
    pub(crate) words: VecDeque<(usize, Vec<LinkState>)>,
    pub(crate) came_up: Vec<usize>,
    pub(crate) directory: bool,
    pub(crate) looking: bool,
    /// What the ways were set by.
    pub(crate) set_by: Option<(HashSet<LinkDirection>, Vec<usize>)>,
    pub(crate) hops: Directory,
}

/// The store actor.
#[derive(Default)]
pub(crate) struct Writer {
    pub(crate) queue: Queue,
    pub(crate) in_flight: Option<Taken>,
    pub(crate) retry_after: Duration,
}

pub(crate) struct Node {
    pub(crate) custody: Custody<SessionId>,
    pub(crate) shared: Arc<CustodyShared>,
    pub(crate) net: Net,
    pub(crate) pumps: Vec<Pump>,
    pub(crate) reader: Reader,
    pub(crate) keeper: Keeper,
    pub(crate) writer: Writer,
    /// What the router has for the store.
    pub(crate) ops: Vec<StoreOp>,
    /// When the router's next turn is.
    pub(crate) turn_at: Option<Duration>,
    pub(crate) reoffered_at: Duration,
    pub(crate) housekept_at: Duration,
}

pub(crate) fn sequencer(now: Now) -> Sequencer<Item> {
    Sequencer::new(HELD_MAX, HELD_BYTES_MAX, |item| item.envelope.cost(), now)
}

impl Node {
    pub(crate) fn new(
        plan: &Plan,
        directory: Directory,
        neighbours: Vec<Neighbour>,
        store: &ModelStore,
        now: Now,
    ) -> Self {
        let config = CustodyConfig {
            commit_window: plan.commit_window,
            max_pending_bytes: 1 << 28,
            several_nodes: false,
        };
        let dedupe = DedupeTable::new(DEDUPE_WINDOW, 100_000, 7);
        for row in store.rows.values() {
            if let Some(key) = dedupe.key(&row.envelope) {
                let age = Duration::from_millis(now.unix_ms.saturating_sub(row.stored_ms));
                dedupe.recall(key, row.envelope.id, age, now.elapsed);
            }
        }
        let shared = Arc::new(CustodyShared::new(config, dedupe));
        let own = directory.own_domain().clone();
        let net = Net {
            own: own.clone(),
            ways: (0..plan.domains).map(|_| Way::default()).collect(),
            neighbours,
            tails: RefCell::new(PairTails::new(now.elapsed)),
            sessions: RefCell::default(),
            epochs: RefCell::default(),
            bell: RefCell::default(),
            strays: RefCell::default(),
            directory: RefCell::new(directory.clone()),
        };
        Self {
            custody: Custody::new(0, Arc::clone(&shared)),
            shared,
            net,
            pumps: (0..plan.domains).map(|_| Pump::default()).collect(),
            reader: Reader {
                sequencer: sequencer(now),
                settling: BTreeMap::new(),
                next: 0,
                receipts: HashMap::new(),
                opening: 0,
                due_at: None,
            },
            keeper: Keeper {
                states: LinkStates::new(own, now.elapsed),
                words: VecDeque::new(),
                came_up: Vec::new(),
                directory: true,
                looking: false,
                set_by: None,
                hops: directory,
            },
            writer: Writer::default(),
            ops: Vec::new(),
            turn_at: None,
            reoffered_at: Duration::ZERO,
            housekept_at: Duration::ZERO,
        }
    }
}

impl Neighbour {
    pub(crate) fn new(to: usize, wire: usize, number: u32) -> Self {
        Self {
            to,
            wire,
            id: SessionId::of_link(number),
            up: Cell::new(false),
            losing: Cell::new(false),
            epoch: Cell::new(1),
            outbox: RefCell::new((0..LINK_SLOTS).map(|_| VecDeque::new()).collect()),
            turn: Cell::new(0),
            payloads: Cell::new(0),
            unconfirmed: Cell::new(0),
            flushing: Cell::new(false),
        }
    }
}
