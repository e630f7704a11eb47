//! Other domains: the ways there, the links to the neighbours, and what comes in from them.
//!
//! Nothing here decides what becomes of a message: routers do, by `linker_core::custody`. See ARCHITECTURE.md, "Many domains".

mod close;
mod counting;
mod ingress;
mod neighbour;
mod outbox;
mod pace;
pub(crate) mod pump;
mod receipts;
mod refusal;
mod rehome;
mod start;
mod states;
pub(crate) mod way;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use linker_core::custody::{Forwarding, Ticket};
use linker_core::directory::Directory;
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeInstance, SessionId};
use linker_core::link::PairTails;
use linker_core::network::LinkDirection;
use linker_core::port::{LINK_SLOTS, LinkMaker, slot_of};

pub(crate) use close::close_away;
pub(crate) use neighbour::Neighbour;
pub(crate) use start::{start, stop};

use self::receipts::Receipts;
use self::states::Inputs;
use self::way::{Hop, Way};

/// How this node reaches other domains, and they it.
#[derive(Default)]
pub(crate) struct LinkSettings {
    pub(crate) maker: Option<Arc<dyn LinkMaker>>,
    /// Where neighbours' brokers are, credentials included; wins over the document.
    pub(crate) urls: HashMap<DomainName, String>,
    pub(crate) ingress: Option<Arc<dyn linker_core::port::Ingress>>,
}

/// What a node knows of the ways to other domains.
pub(crate) struct Links {
    settings: LinkSettings,
    ways: RwLock<HashMap<DomainName, Arc<Way<Neighbour>>>>,
    neighbours: RwLock<HashMap<DomainName, Arc<Neighbour>>>,
    next_number: AtomicU32,
    /// The last messages that left, by slot.
    tails: Vec<Mutex<PairTails>>,
    /// What is owed to neighbours for what came from them.
    pub(crate) receipts: Receipts,
    inputs: Inputs,
    strays: rehome::Strays,
    /// The links that are down anywhere, as of the last look.
    down_in_network: Mutex<HashSet<LinkDirection>>,
    /// Rows that wait in the store, by the domain they are for, as of the last look.
    backlog: Mutex<HashMap<DomainName, u64>>,
}

/// A domain of the network and its links, as this node knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainReport {
    /// Its name.
    pub name: DomainName,
    /// Its links to its neighbours, by name.
    pub links: Vec<LinkReport>,
}

/// One direction of a link, as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkReport {
    /// The neighbour.
    pub to: DomainName,
    /// Whether anything can be handed over.
    pub is_up: bool,
    /// What is known only of this domain's own links.
    pub own: Option<OwnLink>,
}

/// What a node knows of its own links besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLink {
    /// Why nothing can be handed over; `None` while it is up.
    pub down: Option<String>,
    /// Messages of this domain that wait for it in the store.
    pub backlog: u64,
    /// Since when it is up or down, ms since the epoch.
    pub since_ms: u64,
}

impl Links {
    pub(crate) fn new(settings: LinkSettings, now: Duration) -> Self {
        Self {
            settings,
            ways: RwLock::default(),
            neighbours: RwLock::default(),
            next_number: AtomicU32::new(1),
            tails: (0..LINK_SLOTS).map(|_| Mutex::new(PairTails::new(now))).collect(),
            receipts: Receipts::default(),
            inputs: Inputs::default(),
            strays: rehome::Strays::default(),
            down_in_network: Mutex::default(),
            backlog: Mutex::default(),
        }
    }

    fn way(&self, home: &DomainName) -> Arc<Way<Neighbour>> {
        let known = self.ways.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = known.get(home) {
            return Arc::clone(way);
        }
        drop(known);
        let mut ways = self.ways.write().unwrap_or_else(PoisonError::into_inner);
        let way = ways.entry(home.clone()).or_insert_with(|| Way::new(home.clone()));
        self.inputs.look();
        Arc::clone(way)
    }

    fn ways(&self) -> Vec<Arc<Way<Neighbour>>> {
        let ways = self.ways.read().unwrap_or_else(PoisonError::into_inner);
        ways.values().cloned().collect()
    }

    fn neighbours(&self) -> Vec<Arc<Neighbour>> {
        let neighbours = self.neighbours.read().unwrap_or_else(PoisonError::into_inner);
        neighbours.values().cloned().collect()
    }

    fn neighbour(&self, name: &DomainName) -> Option<Arc<Neighbour>> {
        let neighbours = self.neighbours.read().unwrap_or_else(PoisonError::into_inner);
        neighbours.get(name).cloned()
    }

    /// The message that left just before this one, of the same sender to the same recipient.
    pub(crate) fn predecessor(&self, envelope: &Envelope, now: Duration) -> Option<MessageId> {
        let slot = usize::from(slot_of(&envelope.from, &envelope.to));
        let mut tails = self.tails[slot].lock().unwrap_or_else(PoisonError::into_inner);
        tails.next(envelope.from, envelope.to, envelope.id, now)
    }

    /// The link on the way to `home`.
    pub(crate) fn next_link(&self, home: &DomainName) -> Option<SessionId> {
        self.way(home).hop().map(|hop| hop.id)
    }

    /// Hands a RELIABLE message to the link on the way to `home`. `epoch_of`: since when the router knows of no loss on a link.
    pub(crate) fn forward(
        &self,
        home: &DomainName,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        first: bool,
        epoch_of: impl FnOnce(&Neighbour) -> u64,
    ) -> Forwarding {
        self.way(home).hand_over(first, |hop| {
            let taken = hop.offer(envelope, ticket, epoch_of(hop));
            if taken {
                tracing::debug!(message.id = %envelope.id, hop.domain = %hop.name, stored = first, "handed to a link");
            }
            taken
        })
    }

    /// Hands a FAST message to the link on the way to `home`.
    pub(crate) fn forward_fast(&self, home: &DomainName, envelope: &Arc<Envelope>) -> bool {
        self.way(home).hop().is_some_and(|hop| hop.offer_fast(envelope))
    }

    pub(crate) fn divert(&self, home: &DomainName, anyhow: bool) -> bool {
        self.way(home).gate.divert(anyhow)
    }

    pub(crate) fn stored(&self, home: &DomainName) {
        self.way(home).stored();
    }

    pub(crate) fn shut(&self, home: &DomainName) {
        self.way(home).shut();
    }

    pub(crate) fn stray(&self, user: linker_core::id::UserId) {
        self.strays.add(user);
    }

    /// A link went up or down, or a way was asked for that was not known.
    fn changed(&self, came_up: Option<&Arc<Neighbour>>) {
        self.inputs.changed(came_up);
    }

    /// The link of this neighbour is down.
    fn lose(&self, neighbour: &Arc<Neighbour>) {
        for way in self.ways() {
            way.lose(neighbour);
        }
    }

    /// Another directory is in force: domains, links and homes may have changed.
    pub(crate) fn directory_changed(&self) {
        self.inputs.directory_changed();
    }

    /// The nodes of this domain that live, this one included.
    pub(crate) fn set_members(&self, members: &[linker_core::port::NodeRecord]) {
        self.inputs.set_members(members);
    }

    /// A node of this domain is gone: what it was to hand over is anybody's.
    pub(crate) fn member_gone(&self) {
        self.inputs.member_gone();
    }

    /// The neighbours that nothing can be handed over to now, by name.
    pub(crate) fn down(&self, directory: &Directory) -> Vec<DomainName> {
        let own = directory.own_domain();
        let is_down = |name: &&&DomainName| self.neighbour(name).is_none_or(|neighbour| !neighbour.is_up());
        let neighbours = directory.topology().neighbours(own);
        let mut down: Vec<DomainName> = neighbours
            .iter()
            .filter(is_down)
            .map(|name| (*name).clone())
            .collect();
        down.sort();
        down
    }

    /// All domains and their links.
    pub(crate) fn report(&self, directory: &Directory) -> Vec<DomainReport> {
        let topology = directory.topology();
        let own = directory.own_domain();
        let backlog = self.backlog_by_link(directory);
        let down = self
            .down_in_network
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let link = |from: &DomainName, to: &DomainName| {
            let own = (from == own).then(|| self.report_own(to, &backlog));
            let direction = LinkDirection {
                from: from.clone(),
                to: to.clone(),
            };
            LinkReport {
                to: to.clone(),
                is_up: match &own {
                    Some(own) => own.down.is_none(),
                    None => !down.contains(&direction),
                },
                own,
            }
        };
        let report = |name: &DomainName| {
            let neighbours = topology.neighbours(name);
            DomainReport {
                links: neighbours.iter().map(|to| link(name, to)).collect(),
                name: name.clone(),
            }
        };
        topology
            .domains()
            .iter()
            .map(|domain| report(&domain.name))
            .collect()
    }

    fn report_own(&self, to: &DomainName, backlog: &HashMap<DomainName, u64>) -> OwnLink {
        let health = self.neighbour(to).map(|neighbour| neighbour.health());
        OwnLink {
            down: match &health {
                Some(health) => health.down.clone(),
                None => Some("no url is known for it".into()),
            },
            backlog: backlog.get(to).copied().unwrap_or_default(),
            since_ms: health.map_or(0, |health| health.since_ms),
        }
    }

    /// What waits, by the neighbour that is next when all links are up.
    fn backlog_by_link(&self, directory: &Directory) -> HashMap<DomainName, u64> {
        let mut by_link = HashMap::new();
        let backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
        for (home, rows) in backlog.iter() {
            if let Some(hop) = directory.next_hops().next_hop(home) {
                *by_link.entry(hop.clone()).or_default() += *rows;
            }
        }
        by_link
    }

    fn next_number(&self) -> u32 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is handed to a store as its node, where there can be several.
fn as_owner(node: &crate::node::Node) -> Option<NodeInstance> {
    node.cluster.as_ref().map(|_| node.me.clone())
}

/// The nodes of this domain that live, this one aside.
pub(crate) fn others(node: &crate::node::Node) -> Vec<NodeInstance> {
    let peers = node.cluster.iter().flat_map(|cluster| cluster.peers.all());
    peers.map(|peer| peer.instance.clone()).collect()
}

/// The nodes of this domain that live.
fn living(node: &crate::node::Node) -> Vec<NodeInstance> {
    let mut living = others(node);
    living.push(node.me.clone());
    living
}
