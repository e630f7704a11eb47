//! The world: virtual time, the events in it, and what outlives a node.

use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::directory::Directory;
use linker_core::id::MessageId;
use linker_core::message_type::MessageTypes;

use super::checker::{Audit, Checker};
use super::client::{Client, Connection};
use super::node::{Node, PresenceOp, RouterMail, StoreMail};
use super::plan::{Plan, Rng};
use super::store::ModelStore;

pub(crate) const EPOCH_MS: u64 = 1_700_000_000_000;
/// Events after which a world counts as spinning.
const EVENTS_MAX: u64 = 300_000;

pub(crate) enum Event {
    /// A session has mail, or its socket changed.
    SessionWake(usize),
    /// A deadline of the session may have passed.
    SessionTick(usize),
    ServerReads(usize),
    /// The server sees the end of the stream.
    ServerSeesEnd(usize),
    ClientReads(usize),
    RouterTurn(u16),
    Router(u16, RouterMail),
    Store(StoreMail),
    Presence(PresenceOp),
    ClientActs(usize),
    ClientResumes(usize),
    ClientAcks(usize),
    Crash,
    RouterPanics(u16),
    StoreFault(bool),
}

/// Orders events by time, then by when they were scheduled.
struct Scheduled {
    at: Duration,
    number: u64,
    /// Of the node it is meant for; `None`: for the world.
    life: Option<u32>,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

pub(crate) struct Sim {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    pub(crate) tracing: bool,
    events: BinaryHeap<Scheduled>,
    scheduled: u64,
    /// Which node lives now.
    pub(crate) life: u32,
    /// When the last message of each way arrives: none overtakes another.
    lanes: BTreeMap<(u16, u16), Duration>,
    pub(crate) node: Node,
    pub(crate) store: ModelStore,
    pub(crate) store_is_away: bool,
    pub(crate) connections: Vec<Connection>,
    pub(crate) clients: Vec<Client>,
    pub(crate) checker: Checker,
    pub(crate) audit: Rc<RefCell<Audit>>,
    pub(crate) directory: Directory,
    pub(crate) types: MessageTypes,
    /// Nothing goes wrong any more.
    pub(crate) healed: bool,
    next_id: u64,
}

macro_rules! trace {
    ($sim:expr, $($arg:tt)*) => {
        if $sim.tracing {
            eprintln!("{:>12.3} ms  {}", $sim.now.as_secs_f64() * 1e3, format_args!($($arg)*));
        }
    };
}
pub(crate) use trace;

impl Sim {
    pub(crate) fn new(seed: u64, tracing: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::of(&mut rng);
        let audit = Rc::new(RefCell::new(Audit::new(tracing)));
        let clients = Client::all(&plan);
        let mut sim = Self {
            now: Duration::from_secs(1000),
            tracing,
            events: BinaryHeap::new(),
            scheduled: 0,
            life: 0,
            lanes: BTreeMap::new(),
            node: Node::new(&plan, &ModelStore::default(), Now::default(), &audit),
            store: ModelStore::default(),
            store_is_away: false,
            connections: Vec::new(),
            checker: Checker::default(),
            audit,
            directory: super::client::directory(plan.master),
            types: MessageTypes::protocol(),
            healed: false,
            next_id: 0,
            clients,
            plan,
            rng,
        };
        trace!(sim, "{:?}", sim.plan);
        sim.start_node();
        sim
    }

    pub(crate) fn clock(&self) -> Now {
        Now {
            elapsed: self.now,
            unix_ms: EPOCH_MS + self.now.as_millis() as u64,
        }
    }

    pub(crate) fn new_id(&mut self) -> MessageId {
        next_id(&mut self.next_id, self.now)
    }

    pub(crate) fn id_source(&mut self) -> &mut u64 {
        &mut self.next_id
    }

    pub(crate) fn start_node(&mut self) {
        self.life += 1;
        self.node = Node::new(&self.plan, &self.store, self.clock(), &self.audit);
        self.schedule(Duration::from_secs(2), Event::Store(StoreMail::Probe));
        for shard in 0..super::node::SHARDS {
            self.schedule(Duration::ZERO, Event::RouterTurn(shard));
        }
    }

    fn push(&mut self, at: Duration, life: Option<u32>, event: Event) {
        self.scheduled += 1;
        self.events.push(Scheduled {
            at,
            number: self.scheduled,
            life,
            event,
        });
    }

    /// For the node that lives now, and no other.
    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.push(self.now + after, Some(self.life), event);
    }

    /// For the world, whatever becomes of the node.
    pub(crate) fn schedule_in_world(&mut self, after: Duration, event: Event) {
        self.push(self.now + after, None, event);
    }

    /// From one mailbox to another: after a moment, in order.
    pub(crate) fn hop(&mut self, from: u16, to: u16, event: Event) {
        let arrives = self.now + self.rng.up_to(self.plan.hop);
        let lane = self.lanes.entry((from, to)).or_default();
        *lane = arrives.max(*lane);
        let at = *lane;
        self.push(at, Some(self.life), event);
    }

    /// Runs until nothing but the clock moves, or until `end`.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(next) = self.events.peek() {
            if next.at > end {
                break;
            }
            let Some(Scheduled { at, life, event, .. }) = self.events.pop() else {
                break;
            };
            self.now = at.max(self.now);
            if life.is_none_or(|life| life == self.life) {
                self.checker.events += 1;
                assert!(self.checker.events < EVENTS_MAX, "the world spins");
                self.handle(event);
                self.answer_bell();
            }
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::SessionWake(connection) => self.wake_session(connection),
            Event::SessionTick(connection) => self.tick_session(connection),
            Event::ServerReads(connection) => self.server_reads(connection),
            Event::ServerSeesEnd(connection) => self.end_session(connection),
            Event::ClientReads(connection) => self.client_reads(connection),
            Event::RouterTurn(shard) => self.router_turn(shard),
            Event::Router(shard, mail) => self.router_mail(shard, mail),
            Event::Store(mail) => self.store_mail(mail),
            Event::Presence(op) => self.presence(op),
            Event::ClientActs(client) => self.client_acts(client),
            Event::ClientResumes(connection) => self.client_resumes(connection),
            Event::ClientAcks(connection) => self.client_acks(connection),
            Event::Crash => self.crash(),
            Event::RouterPanics(shard) => self.router_panics(shard),
            Event::StoreFault(away) => {
                trace!(self, "the store is {}", if away { "away" } else { "back" });
                self.store_is_away = away && !self.healed;
            }
        }
    }

    /// Wakes sessions that were sent something.
    fn answer_bell(&mut self) {
        let rung = self.node.bell.take();
        for connection in rung {
            if let Some(session) = self.node.sessions.get_mut(&connection)
                && !std::mem::replace(&mut session.waking, true)
            {
                let after = self.rng.up_to(self.plan.hop);
                self.schedule(after, Event::SessionWake(connection));
            }
        }
    }

    fn crash(&mut self) {
        if self.healed {
            return;
        }
        trace!(self, "CRASH");
        self.commit_or_lose_in_flight();
        self.checker.crashed(self.now);
        self.audit.borrow_mut().forget();
        for number in 0..self.connections.len() {
            self.server_dies(number);
        }
        self.start_node();
    }

    fn router_panics(&mut self, shard: u16) {
        if self.healed {
            return;
        }
        trace!(self, "router {shard} panics");
        self.checker.a_router_panicked = true;
        self.audit.borrow_mut().lenient = true;
        self.restart_router(shard);
    }

    /// The faults of this world, spread over the time in which clients act.
    pub(crate) fn schedule_faults(&mut self) {
        let length = self.plan.length;
        let share = |rng: &mut Rng| length.mul_f64(rng.below(1000) as f64 / 1000.0);
        for _ in 0..self.plan.crashes {
            let at = share(&mut self.rng);
            self.schedule_in_world(at, Event::Crash);
        }
        for _ in 0..self.plan.store_faults {
            let (at, long) = (share(&mut self.rng), share(&mut self.rng));
            self.schedule_in_world(at, Event::StoreFault(true));
            self.schedule_in_world(at + long / 2, Event::StoreFault(false));
        }
        for _ in 0..self.plan.router_faults {
            let (at, shard) = (share(&mut self.rng), self.rng.below(2) as u16);
            self.schedule_in_world(at, Event::RouterPanics(shard));
        }
    }
}

pub(crate) fn next_id(counter: &mut u64, now: Duration) -> MessageId {
    *counter += 1;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&counter.to_be_bytes());
    MessageId::new(EPOCH_MS + now.as_millis() as u64, random)
}
