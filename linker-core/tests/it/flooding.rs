//! A network whose nodes tell each other of links, in virtual time, by a plan.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::id::DomainName;
use linker_core::network::{LinkDirection, LinkState, LinkStates, MAX_AGE, REFRESH, Topology};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::strategy::{Network, network};

/// Until then there are faults.
const FAULTS_MS: u64 = 60_000;
const DELAY_MS_MAX: u64 = 500;
/// What one word needs at most to get everywhere and one more to come back: the networks have 12 domains.
const SETTLING_MS: u64 = 2 * 12 * DELAY_MS_MAX;

/// What happens to a network.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    network: Network,
    /// Nodes of each domain, 1 or 2.
    nodes: Vec<usize>,
    /// When a direction goes down, or up again.
    turns: Vec<(u64, Index)>,
    /// When a node begins anew, and how far its clock is behind then, ms.
    restarts: Vec<(u64, Index, u64)>,
    /// Whether all links are up when the faults are over.
    healed: bool,
    /// Whether who hears an older word says what is newer.
    answering: bool,
    seed: u64,
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let times = || 0..FAULTS_MS;
    let behind = prop_oneof![Just(0), 0..1_000_000_000u64];
    (
        (network(), vec(1..=2usize, 12)),
        (
            vec((times(), any::<Index>()), 0..60),
            vec((times(), any::<Index>(), behind), 0..4),
        ),
        any::<(bool, bool, u64)>(),
    )
        .prop_map(
            |((network, nodes), (turns, restarts), (healed, answering, seed))| Plan {
                network,
                nodes,
                turns,
                restarts,
                healed,
                answering,
                seed,
            },
        )
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Of the direction with this place.
    Turn(usize),
    Heal,
    Restart {
        node: usize,
        behind_ms: u64,
    },
    /// A message over the direction with this place; its content by number.
    Arrive {
        direction: usize,
        message: u64,
    },
    Wake(usize),
}

struct Node {
    domain: usize,
    states: LinkStates,
    behind_ms: u64,
    wake: Option<u64>,
    /// How often each word was passed on.
    passed_on: HashMap<(DomainName, u64), usize>,
    /// The number of the word passed on last of each domain, and until when it counts.
    held: HashMap<DomainName, (u64, u64)>,
}

/// A network on the way through its plan.
pub(crate) struct Flooding {
    names: Vec<DomainName>,
    topology: Topology,
    directions: Vec<LinkDirection>,
    down: BTreeSet<usize>,
    nodes: Vec<Node>,
    healed: bool,
    answering: bool,
    /// Whether a node begins anew with its clock behind.
    behind: bool,
    end_ms: u64,
    random: u64,
    now_ms: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    scheduled: u64,
    messages: BTreeMap<u64, Vec<LinkState>>,
}

impl std::fmt::Debug for Flooding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let down: Vec<_> = self.down.iter().map(|place| &self.directions[*place]).collect();
        write!(f, "{:?} down at {} ms", down, self.now_ms)
    }
}

impl Flooding {
    pub(crate) fn new(plan: &Plan) -> Self {
        let names: Vec<DomainName> = plan.network.names().cloned().collect();
        let directions: Vec<LinkDirection> = plan
            .network
            .links
            .iter()
            .flat_map(|link| [(&link.n1, &link.n2), (&link.n2, &link.n1)])
            .map(|(from, to)| LinkDirection {
                from: from.clone(),
                to: to.clone(),
            })
            .collect();
        let mut flooding = Self {
            topology: Topology::new(plan.network.domains.clone(), &plan.network.links).unwrap(),
            nodes: Vec::new(),
            down: BTreeSet::new(),
            healed: plan.healed,
            answering: plan.answering,
            behind: plan.restarts.iter().any(|(_, _, behind_ms)| *behind_ms > 0),
            end_ms: 0,
            random: plan.seed,
            now_ms: 0,
            events: BinaryHeap::new(),
            scheduled: 0,
            messages: BTreeMap::new(),
            names,
            directions,
        };
        for (domain, name) in flooding.names.iter().enumerate() {
            for _ in 0..plan.nodes[domain] {
                flooding.nodes.push(Node {
                    domain,
                    states: LinkStates::new(name.clone(), Duration::ZERO),
                    behind_ms: 0,
                    wake: None,
                    passed_on: HashMap::new(),
                    held: HashMap::new(),
                });
            }
        }
        for (at, direction) in &plan.turns {
            if !flooding.directions.is_empty() {
                flooding.schedule(*at, Event::Turn(direction.index(flooding.directions.len())));
            }
        }
        for (at, node, behind_ms) in &plan.restarts {
            let node = node.index(flooding.nodes.len());
            let behind_ms = *behind_ms;
            flooding.schedule(*at, Event::Restart { node, behind_ms });
        }
        flooding.schedule(FAULTS_MS, Event::Heal);
        flooding.end_ms = FAULTS_MS
            + SETTLING_MS
            + REFRESH.as_millis() as u64
            + match plan.healed && (plan.answering || !flooding.behind) {
                true => 0,
                // What cannot be corrected has to be forgotten.
                false => MAX_AGE.as_millis() as u64,
            };
        flooding
    }

    pub(crate) fn run(&mut self) {
        for node in 0..self.nodes.len() {
            self.begin(node);
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > self.end_ms {
                break;
            }
            self.now_ms = at;
            self.happen(event);
        }
        self.now_ms = self.end_ms;
    }

    pub(crate) fn nodes(&self) -> Range<usize> {
        0..self.nodes.len()
    }

    /// What a node holds for down.
    pub(crate) fn known_to(&self, node: usize) -> BTreeSet<LinkDirection> {
        let down = self.own_down(node);
        let node = &self.nodes[node];
        let down: HashSet<_> = node.states.down(&self.topology, &down, self.elapsed());
        down.into_iter().collect()
    }

    /// What it has to hold for down: what is down, and whatever leads away from a domain that cannot be heard.
    pub(crate) fn truth_for(&self, node: usize) -> BTreeSet<LinkDirection> {
        let heard = self.heard_by(self.nodes[node].domain);
        let directions = self.directions.iter().enumerate();
        directions
            .filter(|(place, direction)| self.down.contains(place) || !heard.contains(&direction.from))
            .map(|(_, direction)| direction.clone())
            .collect()
    }

    /// From whom a path of directions that are up leads to a domain.
    fn heard_by(&self, domain: usize) -> HashSet<&DomainName> {
        let mut heard = HashSet::from([&self.names[domain]]);
        loop {
            let before = heard.len();
            for (place, LinkDirection { from, to }) in self.directions.iter().enumerate() {
                if !self.down.contains(&place) && heard.contains(to) {
                    heard.insert(from);
                }
            }
            if heard.len() == before {
                return heard;
            }
        }
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now_ms)
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    /// Below `bound`, by splitmix64.
    fn random(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Turn(direction) => self.turn(direction),
            Event::Heal if self.healed => {
                for direction in self.down.clone() {
                    self.turn(direction);
                }
            }
            Event::Heal => {}
            Event::Restart { node, behind_ms } => {
                let name = self.names[self.nodes[node].domain].clone();
                let states = LinkStates::new(name, self.elapsed());
                let node_state = &mut self.nodes[node];
                node_state.states = states;
                node_state.behind_ms = behind_ms;
                node_state.passed_on.clear();
                node_state.held.clear();
                self.begin(node);
            }
            Event::Arrive { direction, message } => {
                let states = self.messages[&message].clone();
                let to = self.directions[direction].to.clone();
                for node in self.nodes_of(&to) {
                    self.hear(node, direction, &states);
                }
            }
            Event::Wake(node) => {
                if self.nodes[node].wake == Some(self.now_ms) {
                    self.nodes[node].wake = None;
                    self.speak(node);
                }
            }
        }
    }

    fn nodes_of(&self, domain: &DomainName) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| self.names[node.domain] == *domain)
            .map(|(place, _)| place)
            .collect()
    }

    /// Its links come up: it has something to say to all neighbours.
    fn begin(&mut self, node: usize) {
        let topology = self.topology.clone();
        self.nodes[node].states.retain(&topology);
        self.speak(node);
    }

    fn turn(&mut self, direction: usize) {
        let from = self.directions[direction].from.clone();
        let up = self.down.remove(&direction);
        if !up {
            self.down.insert(direction);
        }
        for node in self.nodes_of(&from) {
            if up {
                let known = self.nodes[node].states.known(self.elapsed());
                self.send(direction, known);
            }
            self.speak(node);
        }
    }

    fn own_down(&self, node: usize) -> Vec<DomainName> {
        let own = &self.names[self.nodes[node].domain];
        let down = self.down.iter().map(|place| &self.directions[*place]);
        let own_down: BTreeSet<_> = down
            .filter(|down| down.from == *own)
            .map(|down| &down.to)
            .collect();
        own_down.into_iter().cloned().collect()
    }

    fn clock(&self, node: usize) -> Now {
        Now {
            elapsed: self.elapsed(),
            unix_ms: 2_000_000_000 + self.now_ms - self.nodes[node].behind_ms,
        }
    }

    fn speak(&mut self, node: usize) {
        let down = self.own_down(node);
        let now = self.clock(node);
        if let Some(word) = self.nodes[node].states.originate(down, now) {
            self.pass_on(node, word);
        }
        let next = self.nodes[node].states.next_change(self.elapsed());
        let next = next.expect("it has to speak again").as_millis() as u64;
        assert!(next > self.now_ms, "what is due has been done");
        if self.nodes[node].wake != Some(next) {
            self.nodes[node].wake = Some(next);
            self.schedule(next, Event::Wake(node));
        }
    }

    fn hear(&mut self, node: usize, direction: usize, states: &[LinkState]) {
        for state in states {
            let (now, clock) = (self.elapsed(), self.clock(node));
            let hearer = &mut self.nodes[node].states;
            if hearer.receive(state.clone(), clock) {
                self.pass_on(node, state.clone());
            } else if let Some(newer) = hearer.newer_than(state, now).filter(|_| self.answering) {
                // The directions of a link are next to each other.
                self.send(direction ^ 1, vec![newer]);
            }
        }
        self.speak(node);
    }

    /// To all neighbours, and never a second time; but for one that a word of the domain's former life came before, which has run out since.
    fn pass_on(&mut self, node: usize, word: LinkState) {
        let counts_until = self.now_ms + (MAX_AGE.as_millis() as u64).saturating_sub(word.age_ms);
        let passing = &mut self.nodes[node];
        let held = passing
            .held
            .insert(word.domain.clone(), (word.number, counts_until));
        assert!(
            held.is_none_or(|(number, until)| number < word.number || until <= self.now_ms),
            "{word:?} was passed on in place of a newer one"
        );
        let times = passing
            .passed_on
            .entry((word.domain.clone(), word.number))
            .or_default();
        *times += 1;
        assert!(*times <= if self.behind { 2 } else { 1 }, "{word:?} goes round");
        let own = self.names[self.nodes[node].domain].clone();
        for direction in 0..self.directions.len() {
            if self.directions[direction].from == own {
                self.send(direction, vec![word.clone()]);
            }
        }
    }

    fn send(&mut self, direction: usize, states: Vec<LinkState>) {
        let faulty = self.now_ms < FAULTS_MS;
        if self.down.contains(&direction) || (faulty && self.random(5) == 0) {
            return;
        }
        let message = self.scheduled;
        self.messages.insert(message, states);
        let copies = if self.random(5) == 0 { 2 } else { 1 };
        for _ in 0..copies {
            let at = self.now_ms + 1 + self.random(DELAY_MS_MAX);
            self.schedule(at, Event::Arrive { direction, message });
        }
    }
}
