//! The world: virtual time, the events in it, and what outlives a node.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use linker_core::app::{AuthMethod, ClientApp, ClientApps};
use linker_core::clock::Now;
use linker_core::custody::{AdoptedForward, Submission, Ticket};
use linker_core::directory::Directory;
use linker_core::distribution::{UserDistributions, UserRange};
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, SessionId, UserId};
use linker_core::network::{Domain as DomainEntry, Link, LinkState, Topology};
use linker_core::port::{InsertOutcome, LINK_SLOTS, Page, StoreBatch, StoredRow};

use super::checker::Checker;
use super::faults::Fault;
use super::node::{Neighbour, Node};
use super::plan::{Plan, Rng, Sort};
use super::store::{ModelStore, StoreOp};
use super::wire::{Payload, Wire};
use crate::virtual_time::{Agenda, Scheduled, clock_at};

/// When the world begins.
pub(crate) const STARTED: Duration = Duration::from_secs(1000);
/// Events after which a world counts as spinning.
const EVENTS_MAX: u64 = 20_000_000;

/// What a router is told, in order.
pub(crate) enum Mail {
    Submit(Box<Submission<SessionId>>),
    Arrivals(Vec<Submission<SessionId>>),
    Proven(Vec<Ticket>),
    SessionEnded(SessionId),
    Page(UserId, SessionId, Page, Duration),
    Stored(Vec<(Ticket, InsertOutcome)>),
    Faults(Vec<StoredRow>),
    Forwarded(Vec<Ticket>),
    /// The place of the neighbour.
    LinkLost(usize),
    WayChanged(usize),
    ForwardRows(Vec<StoredRow>, usize, bool),
}

pub(crate) enum Event {
    // Of users.
    UserWrites(usize),
    UserRepeats(usize),
    UserMoves(usize),
    SessionReads(SessionId, UserId),
    SessionProves(SessionId, UserId, Vec<Ticket>),
    FetchReads(UserId, SessionId, u64),
    FetchHas(UserId, SessionId, u64, Option<Page>, Duration),
    // Of a node.
    Router(Mail),
    Turn,
    StoreOps(Vec<StoreOp>),
    /// Outlives the node.
    Commit(usize, u32, Box<StoreBatch>),
    Committed(Option<Vec<InsertOutcome>>),
    Recommit,
    PumpRuns(usize),
    PumpReads(usize),
    PumpHas(usize, Option<Page>),
    PumpAdopted(usize, AdoptedForward, bool),
    Look,
    Tick,
    Flush(usize),
    LinkGone(usize),
    Strays,
    StraysAsk(Option<Vec<UserId>>, bool),
    StraysMoved(Option<Vec<UserId>>, bool, Vec<(UserId, Option<DomainName>)>),
    IngressReads(usize, u64, u32),
    IngressAcks(usize, u64, u32),
    ReaderDue,
    Words(usize, Vec<LinkState>),
    // Of links.
    WireCarries(usize, Payload),
    WireConfirms(usize, Payload, bool),
    WireStates(usize, Vec<LinkState>),
    WireConnects(usize, u32),
    /// It has been connected for a moment.
    WireSteady(usize, u64),
    WireEnds(usize, u64),
    WireSilent(usize, u64),
    Fault(Fault),
}

/// A payload in an ingress.
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) messages: Rc<Vec<Arc<Envelope>>>,
}

/// What a domain is made of: a node, while it runs, and what outlives it.
pub(crate) struct Domain {
    pub(crate) name: DomainName,
    pub(crate) node: Option<Node>,
    /// Runs of nodes so far.
    pub(crate) life: u32,
    pub(crate) store: ModelStore,
    pub(crate) store_is_away: bool,
    pub(crate) store_is_slow: bool,
    pub(crate) ingress: Vec<VecDeque<Entry>>,
    pub(crate) frozen_until: Duration,
    /// Which distribution of users it knows.
    pub(crate) version: u32,
    /// Its links, from here.
    pub(crate) wires: Vec<usize>,
    /// When the last message of each way in the node arrives: none overtakes another.
    lanes: HashMap<u8, Duration>,
}

/// A user of the network.
pub(crate) struct User {
    pub(crate) id: UserId,
    /// Always there, as far as possible.
    pub(crate) is_steady: bool,
    /// As of the newest document.
    pub(crate) home: usize,
    /// Where it is logged in.
    pub(crate) session: Option<(usize, u32, SessionId)>,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    pub(crate) tracing: bool,
    agenda: Agenda<Event>,
    pub(crate) handled: u64,
    pub(crate) at: usize,
    pub(crate) domains: Vec<Domain>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) users: Vec<User>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) apps: Arc<ClientApps>,
    /// Documents, oldest first: who lives where.
    pub(crate) documents: Vec<Arc<UserDistributions>>,
    pub(crate) checker: Checker,
    /// Where each user has lived.
    pub(crate) homes: Vec<Vec<usize>>,
    pub(crate) healed: bool,
    pub(crate) next_id: u64,
    pub(crate) next_session: u64,
    pub(crate) next_entry: u64,
}

macro_rules! trace {
    ($world:expr, $($arg:tt)*) => {
        if $world.tracing {
            eprintln!("{:>12.3} ms  [{}] {}", $world.now.as_secs_f64() * 1e3, $world.at, format_args!($($arg)*));
        }
    };
}
pub(crate) use trace;

pub(crate) fn name_of(place: usize) -> DomainName {
    format!("d{place:03}").parse().unwrap()
}

pub(crate) fn place_of(name: &DomainName) -> usize {
    name.as_str()[1..].parse().unwrap()
}

fn document(homes: &[usize]) -> Arc<UserDistributions> {
    let ranges = homes.iter().enumerate().map(|(user, home)| UserRange {
        domain: name_of(*home),
        from: user as u64 * 10,
        to: Some(user as u64 * 10 + 9),
    });
    Arc::new(UserDistributions::new(ranges.collect()).unwrap())
}

impl World {
    pub(crate) fn new(seed: u64, sort: Sort, tracing: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::of(&mut rng, sort);
        let entries = (0..plan.domains).map(|place| DomainEntry::named(name_of(place)));
        let links: Vec<Link> = plan
            .links
            .iter()
            .map(|&(n1, n2, weight)| Link {
                n1: name_of(n1),
                n2: name_of(n2),
                weight,
            })
            .collect();
        let topology = Topology::new(entries.collect(), &links).unwrap();
        let app = ClientApp {
            app_name: "ANZ".parse().unwrap(),
            app_id: "app".to_owned(),
            master: None,
            isolated: false,
            auth: AuthMethod::None,
        };
        let wires: Vec<Wire> = plan
            .links
            .iter()
            .flat_map(|&(a, b, _)| [Wire::new(a, b), Wire::new(b, a)])
            .collect();
        let domain = |place| Domain {
            name: name_of(place),
            node: None,
            life: 0,
            store: ModelStore::default(),
            store_is_away: false,
            store_is_slow: false,
            ingress: (0..LINK_SLOTS).map(|_| VecDeque::new()).collect(),
            frozen_until: Duration::ZERO,
            version: 0,
            wires: (0..wires.len())
                .filter(|wire| wires[*wire].from == place)
                .collect(),
            lanes: HashMap::new(),
        };
        let users = plan.homes.iter().enumerate().map(|(user, home)| User {
            id: format!("ANZ-{}", user * 10).parse().unwrap(),
            is_steady: rng.percent(plan.steady),
            home: *home,
            session: None,
        });
        let mut world = Self {
            users: users.collect(),
            now: STARTED,
            tracing,
            agenda: Agenda::new(),
            handled: 0,
            at: 0,
            domains: (0..plan.domains).map(domain).collect(),
            wires,
            topology: Arc::new(topology),
            apps: Arc::new(ClientApps::new(vec![app]).unwrap()),
            documents: vec![document(&plan.homes)],
            homes: plan.homes.iter().map(|home| vec![*home]).collect(),
            checker: Checker::new(plan.domains, plan.homes.len()),
            healed: false,
            next_id: 0,
            next_session: 0,
            next_entry: 0,
            plan,
            rng,
        };
        trace!(world, "{:?}", world.plan);
        for place in 0..world.plan.domains {
            world.start_node(place);
        }
        world
    }

    pub(crate) fn clock(&self) -> Now {
        clock_at(self.now)
    }

    pub(crate) fn directory(&self, place: usize) -> Directory {
        let version = self.domains[place].version;
        let distributions = Arc::clone(&self.documents[version as usize]);
        Directory::new(
            &self.domains[place].name,
            Arc::clone(&self.apps),
            distributions,
            &self.topology,
            &Default::default(),
        )
        .unwrap()
    }

    pub(crate) fn new_document(&mut self) {
        let homes: Vec<usize> = self.users.iter().map(|user| user.home).collect();
        self.documents.push(document(&homes));
        let newest = self.documents.len() as u32 - 1;
        for place in 0..self.plan.domains {
            let after = self.rng.up_to(Duration::from_secs(6));
            self.schedule_in_world(after, Event::Fault(Fault::Document(place, newest)));
        }
    }

    /// Everything but store and ingress is gone.
    pub(crate) fn stop_node(&mut self, place: usize) {
        trace!(self, "{place} dies");
        self.domains[place].node = None;
        self.domains[place].life += 1;
        self.domains[place].lanes.clear();
        let now = self.now;
        self.checker.crashes[place].push(now);
        for user in &mut self.users {
            user.session.take_if(|(at, ..)| *at == place);
        }
        for wire in self.domains[place].wires.clone() {
            self.wires[wire].lose_sender(&mut self.rng);
        }
    }

    pub(crate) fn start_node(&mut self, place: usize) {
        if self.domains[place].node.is_some() {
            return;
        }
        let wires = &self.domains[place].wires;
        let neighbours = wires
            .iter()
            .enumerate()
            .map(|(number, wire)| Neighbour::new(self.wires[*wire].to, *wire, number as u32 + 1));
        let neighbours = neighbours.collect();
        let directory = self.directory(place);
        let node = Node::new(
            &self.plan,
            directory,
            neighbours,
            &self.domains[place].store,
            self.clock(),
        );
        self.domains[place].life += 1;
        self.domains[place].node = Some(node);
        self.at = place;
        trace!(self, "{place} starts");
        // Every domain that somebody lives in has a way; others get theirs when they are asked for.
        let mut homes: Vec<usize> = self.users.iter().map(|user| user.home).collect();
        let rows = self.domains[place].store.rows.values();
        homes.extend(rows.filter_map(|row| row.home.as_ref()).map(place_of));
        for home in homes.into_iter().filter(|home| *home != place) {
            self.node().net.way(home);
        }
        self.schedule(Duration::ZERO, Event::Look);
        self.schedule(Duration::ZERO, Event::Tick);
        self.open_ingress();
        for wire in self.domains[place].wires.clone() {
            self.reconnect(wire);
        }
    }

    pub(crate) fn node(&mut self) -> &mut Node {
        let at = self.at;
        self.domains[at].node.as_mut().unwrap()
    }

    /// For the node that something happens to, and for no later run of it.
    pub(crate) fn schedule(&mut self, after: Duration, event: Event) {
        let life = self.domains[self.at].life;
        self.agenda.push(self.now + after, Some((self.at, life)), event);
    }

    /// For the world, whatever becomes of the nodes.
    pub(crate) fn schedule_in_world(&mut self, after: Duration, event: Event) {
        self.agenda.push(self.now + after, None, event);
    }

    /// From one task to another: after a moment, in order.
    pub(crate) fn hop(&mut self, lane: u8, event: Event) {
        let arrives = self.now + self.rng.up_to(self.plan.hop);
        let domain = &mut self.domains[self.at];
        let last = domain.lanes.entry(lane).or_default();
        *last = arrives.max(*last);
        let (at, life) = (*last, domain.life);
        self.agenda.push(at, Some((self.at, life)), event);
    }

    pub(crate) fn mail(&mut self, mail: Mail) {
        self.hop(0, Event::Router(mail));
    }

    /// One way to the store.
    pub(crate) fn store_takes(&mut self) -> Duration {
        let slow = match self.domains[self.at].store_is_slow {
            true => 10,
            false => 1,
        };
        self.rng.up_to(self.plan.store) * slow
    }

    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some(Scheduled { at, of, event, .. }) = self.agenda.next_until(end) {
            self.now = at.max(self.now);
            if let Some((place, life)) = of {
                let domain = &self.domains[place];
                if domain.life != life {
                    continue;
                }
                if domain.frozen_until > self.now {
                    self.agenda.push(domain.frozen_until, of, event);
                    continue;
                }
                self.at = place;
            }
            self.handled += 1;
            assert!(self.handled < EVENTS_MAX, "the world spins");
            self.handle(event);
            self.answer_bell();
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::UserWrites(user) => self.user_writes(user),
            Event::UserRepeats(number) => self.user_repeats(number),
            Event::UserMoves(user) => self.user_moves(user),
            Event::SessionReads(session, user) => self.session_reads(session, user),
            Event::SessionProves(session, user, tickets) => self.session_proves(session, user, tickets),
            Event::FetchReads(user, session, after) => self.fetch_reads(user, session, after),
            Event::FetchHas(user, session, after, page, asked) => {
                self.fetch_has(user, session, after, page, asked)
            }
            Event::Router(mail) => self.router_mail(mail),
            Event::Turn => self.router_turn(),
            Event::StoreOps(ops) => self.store_ops(ops),
            Event::Commit(place, life, batch) => self.commit(place, life, &batch),
            Event::Committed(outcomes) => self.committed(outcomes),
            Event::Recommit => self.recommit(),
            Event::PumpRuns(way) => self.pump_runs(way),
            Event::PumpReads(way) => self.pump_reads(way),
            Event::PumpHas(way, page) => self.pump_has(way, page),
            Event::PumpAdopted(way, adopted, exhausted) => self.pump_adopted(way, adopted, exhausted),
            Event::Look => self.look(),
            Event::Tick => self.tick(),
            Event::Flush(neighbour) => self.flush(neighbour),
            Event::LinkGone(neighbour) => self.link_gone(neighbour),
            Event::Strays => self.strays(),
            Event::StraysAsk(users, again) => self.strays_ask(users, again),
            Event::StraysMoved(users, again, homes) => self.strays_moved(users, again, homes),
            Event::IngressReads(slot, number, opening) => self.ingress_reads(slot, number, opening),
            Event::IngressAcks(slot, number, opening) => self.ingress_acks(slot, number, opening),
            Event::ReaderDue => self.reader_due(),
            Event::Words(from, states) => self.words(from, states),
            Event::WireCarries(wire, payload) => self.wire_carries(wire, payload),
            Event::WireConfirms(wire, payload, taken) => self.wire_confirms(wire, payload, taken),
            Event::WireStates(wire, states) => self.wire_states(wire, states),
            Event::WireConnects(wire, life) => self.wire_connects(wire, life),
            Event::WireSteady(wire, connection) => self.wire_steady(wire, connection),
            Event::WireEnds(wire, connection) => self.wire_ends(wire, connection),
            Event::WireSilent(wire, turn) => self.wire_silent(wire, turn),
            Event::Fault(fault) => self.fault(fault),
        }
    }
}
