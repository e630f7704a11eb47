//! The world: virtual time, the events in it, and what outlives a node.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::directory::Directory;
use linker_core::id::{MessageId, UserId};
use linker_core::message_type::MessageTypes;

use super::audit::Audit;
use super::bus::{BusFaults, Frame, Place};
use super::checker::Checker;
use super::client::{Client, Connection};
use super::cluster::{Peer, Sought};
use super::faults::Fault;
use super::node::{Node, RouterMail, StoreMail};
use super::plan::{Plan, Rng};
use super::presence::{Answer, PresenceOp};
use super::registry::Registry;
use super::store::ModelStore;
use crate::virtual_time::{Agenda, Scheduled, clock_at, next_id};

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
    Fault(Fault),
    Beat,
    /// These nodes are spared, and rows up to this one were taken.
    TakeOver(Vec<u32>, u64),
    /// The registry does the node's next operation.
    PresenceDue,
    /// Presence tells of a change.
    Forget(UserId),
    Lookup(u16, Vec<Sought>),
    LookedUp(u16, Vec<Answer>),
    BusFlush(Rc<Peer>),
    BusRetry(Rc<Peer>),
    BusArrives {
        from: u32,
        place: Place,
        frames: Vec<Frame>,
    },
}

pub(crate) struct Sim {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    pub(crate) tracing: bool,
    agenda: Agenda<Event>,
    /// Runs of nodes so far.
    lives: u32,
    /// When the last message of each way in a node arrives: none overtakes another.
    lanes: BTreeMap<(usize, u16, u16), Duration>,
    pub(crate) nodes: Vec<Node>,
    /// The node that something happens to.
    pub(crate) at: usize,
    pub(crate) registry: Registry,
    pub(crate) bus: BusFaults,
    pub(crate) store: ModelStore,
    pub(crate) store_is_away: bool,
    pub(crate) connections: Vec<Connection>,
    pub(crate) clients: Vec<Client>,
    pub(crate) checker: Checker,
    pub(crate) directory: Directory,
    pub(crate) types: MessageTypes,
    /// Nothing goes wrong any more.
    pub(crate) healed: bool,
    next_id: u64,
}

macro_rules! trace {
    ($sim:expr, $($arg:tt)*) => {
        if $sim.tracing {
            eprintln!("{:>12.3} ms  [{}] {}", $sim.now.as_secs_f64() * 1e3, $sim.at, format_args!($($arg)*));
        }
    };
}
pub(crate) use trace;

impl Sim {
    pub(crate) fn new(seed: u64, tracing: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::of(&mut rng, seed);
        let clients = Client::all(&plan);
        let mut sim = Self {
            now: Duration::from_secs(1000),
            tracing,
            agenda: Agenda::new(),
            lives: 0,
            lanes: BTreeMap::new(),
            nodes: Vec::new(),
            at: 0,
            registry: Registry::of(plan.nodes),
            bus: BusFaults::default(),
            store: ModelStore::default(),
            store_is_away: false,
            connections: Vec::new(),
            checker: Checker::new(&plan),
            directory: super::client::directory(plan.master),
            types: MessageTypes::protocol(),
            healed: false,
            next_id: 0,
            clients,
            plan,
            rng,
        };
        trace!(sim, "{:?}", sim.plan);
        for place in 0..sim.plan.nodes {
            sim.stop_node(place);
            sim.start_node(place);
        }
        sim
    }

    pub(crate) fn clock(&self) -> Now {
        clock_at(self.now)
    }

    pub(crate) fn new_id(&mut self) -> MessageId {
        next_id(&mut self.next_id, clock_at(self.now))
    }

    pub(crate) fn id_source(&mut self) -> &mut u64 {
        &mut self.next_id
    }

    fn new_node(&self, life: u32) -> Node {
        let mut audit = Audit::new(self.tracing, &self.plan);
        audit.lenient |= self.checker.a_router_panicked;
        Node::new(life, &self.plan, &self.store, self.clock(), audit)
    }

    /// Nothing is left of it.
    pub(crate) fn stop_node(&mut self, place: usize) {
        let none = self.new_node(0);
        match self.nodes.get_mut(place) {
            Some(node) => *node = none,
            None => self.nodes.push(none),
        }
    }

    pub(crate) fn start_node(&mut self, place: usize) {
        self.lives += 1;
        self.at = place;
        self.nodes[place] = self.new_node(self.lives);
        trace!(self, "starts as life {}", self.lives);
        self.schedule(Duration::from_secs(2), Event::Store(StoreMail::Probe));
        for shard in 0..super::node::SHARDS {
            self.schedule(Duration::ZERO, Event::RouterTurn(shard));
        }
        if self.plan.nodes > 1 {
            self.registry.beat(self.lives, self.now);
            self.schedule(Duration::ZERO, Event::Beat);
        }
    }

    /// Where this run of a node is, while it lasts.
    pub(crate) fn place_of(&self, life: u32) -> Option<usize> {
        self.nodes.iter().position(|node| node.life == life)
    }

    /// Some node that takes connections.
    pub(crate) fn some_node(&mut self) -> Option<usize> {
        let up = |place: &usize| self.nodes[*place].life > 0;
        let up: Vec<usize> = (0..self.nodes.len()).filter(up).collect();
        match up.len() {
            0 => None,
            1 => Some(up[0]),
            _ => Some(self.rng.pick(&up)),
        }
    }

    /// For the node that something happens to, and for no later run of it.
    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        self.schedule_on(self.at, after, event);
    }

    pub(crate) fn schedule_on(&mut self, place: usize, after: Duration, event: Event) {
        let life = self.nodes[place].life;
        self.agenda.push(self.now + after, Some((place, life)), event);
    }

    /// For the node that has this connection.
    pub(crate) fn schedule_at(&mut self, connection: usize, after: Duration, event: Event) {
        self.schedule_on(self.connections[connection].place, after, event);
    }

    /// For the world, whatever becomes of the nodes.
    pub(crate) fn schedule_in_world(&mut self, after: Duration, event: Event) {
        self.agenda.push(self.now + after, None, event);
    }

    /// From one mailbox to another: after a moment, in order.
    pub(crate) fn hop(&mut self, from: u16, to: u16, event: Event) {
        let arrives = self.now + self.rng.up_to(self.plan.hop);
        let lane = self.lanes.entry((self.at, from, to)).or_default();
        *lane = arrives.max(*lane);
        let at = *lane;
        self.agenda
            .push(at, Some((self.at, self.nodes[self.at].life)), event);
    }

    /// Runs until nothing but the clock moves, or until `end`.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(Scheduled { at, of, event, .. }) = self.agenda.next_until(end) {
            self.now = at.max(self.now);
            if let Some((place, life)) = of {
                let node = &self.nodes[place];
                if node.life != life {
                    continue;
                }
                if node.frozen_until > self.now {
                    self.agenda.push(node.frozen_until, of, event);
                    continue;
                }
                self.at = place;
            }
            self.nodes[self.at].table.audit.get_mut().now = self.now;
            self.checker.events += 1;
            assert!(self.checker.events < EVENTS_MAX, "the world spins");
            self.handle(event);
            self.answer_bell();
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
            Event::Fault(fault) => self.fault(fault),
            Event::Beat => self.beat(),
            Event::TakeOver(spared, after_seq) => self.take_over(spared, after_seq),
            Event::PresenceDue => self.presence_due(),
            Event::Forget(user) => self.nodes[self.at].cluster.forget(&user),
            Event::Lookup(shard, sought) => self.lookup(shard, sought),
            Event::LookedUp(shard, answers) => self.looked_up(shard, answers),
            Event::BusFlush(peer) => self.bus_flush(&peer),
            Event::BusRetry(peer) => self.bus_retry(&peer),
            Event::BusArrives { from, place, frames } => self.bus_arrives(from, place, frames),
        }
    }

    /// Wakes sessions that were sent something, and sends what is for other nodes.
    fn answer_bell(&mut self) {
        let rung = self.nodes[self.at].bell.take();
        for connection in rung {
            if let Some(session) = self.nodes[self.at].sessions.get_mut(&connection)
                && !std::mem::replace(&mut session.waking, true)
            {
                let after = self.rng.up_to(self.plan.hop);
                self.schedule(after, Event::SessionWake(connection));
            }
        }
        self.answer_outboxes();
    }
}
