//! Link states: what this domain tells the others, what they tell, and the ways that follow from it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linker_core::bus::{BatchWriter, BusFrame};
use linker_core::directory::Directory;
use linker_core::id::{DomainName, NodeInstance};
use linker_core::network::{LinkState, LinkStates};
use linker_core::port::{NodeRecord, NodeState, Store};
use tokio::sync::Notify;

use super::neighbour::Neighbour;
use super::way::Hop;
use super::{counting, pump};
use crate::node::Node;

/// How often it is looked whether anything has aged.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Words of neighbours that have not been looked at; beyond that they are dropped, and told again before long.
const WORDS_MAX: usize = 1024;
/// States in one payload.
const STATES_MAX: usize = 256;

/// What is to be looked at.
#[derive(Default)]
pub(super) struct Inputs {
    what: Mutex<What>,
    wanted: Notify,
}

#[derive(Default)]
struct What {
    came_up: Vec<Arc<Neighbour>>,
    words: VecDeque<(DomainName, Vec<LinkState>)>,
    directory: bool,
    member_gone: bool,
    members: Vec<Member>,
}

/// A node of this domain.
#[derive(Clone, PartialEq, Eq)]
struct Member {
    node: NodeInstance,
    links_down: Vec<DomainName>,
}

impl Inputs {
    fn with(&self, change: impl FnOnce(&mut What)) {
        change(&mut self.what.lock().unwrap_or_else(PoisonError::into_inner));
        self.wanted.notify_one();
    }

    pub(super) fn look(&self) {
        self.wanted.notify_one();
    }

    pub(super) fn changed(&self, came_up: Option<&Arc<Neighbour>>) {
        self.with(|what| what.came_up.extend(came_up.cloned()));
    }

    pub(super) fn directory_changed(&self) {
        self.with(|what| what.directory = true);
    }

    pub(super) fn member_gone(&self) {
        self.with(|what| what.member_gone = true);
    }

    pub(super) fn told(&self, from: DomainName, states: Vec<LinkState>) {
        self.with(|what| {
            if what.words.len() < WORDS_MAX {
                what.words.push_back((from, states));
            }
        });
    }

    pub(super) fn set_members(&self, records: &[NodeRecord]) {
        let up = records.iter().filter(|record| record.state == NodeState::Up);
        let members: Vec<Member> = up
            .map(|record| Member {
                node: record.node.clone(),
                links_down: record.links_down.clone(),
            })
            .collect();
        let mut what = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        if what.members != members {
            what.members = members;
            drop(what);
            self.wanted.notify_one();
        }
    }

    /// All but the members, which stay.
    fn take(&self) -> What {
        let mut what = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        let members = what.members.clone();
        let left = What {
            members,
            ..What::default()
        };
        std::mem::replace(&mut *what, left)
    }
}

/// Keeps the ways to other domains as they should be, for as long as the node runs.
pub(super) struct Keeper {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    states: LinkStates,
    pumped: HashSet<DomainName>,
    has_ingress: bool,
    /// Domains of the network of which somebody has passed on words that nobody can have said.
    from_the_future: HashSet<DomainName>,
    /// Which of the own links were down when it was last looked.
    own_down: Option<Vec<DomainName>>,
}

impl Keeper {
    pub(super) fn new(node: &Arc<Node>, store: &Arc<dyn Store>) -> Self {
        let own = node.directory().own_domain().clone();
        Self {
            states: LinkStates::new(own, node.clock.now().elapsed),
            node: Arc::clone(node),
            store: Arc::clone(store),
            pumped: HashSet::new(),
            has_ingress: false,
            from_the_future: HashSet::new(),
            own_down: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut due = self.node.clock.now().elapsed;
        loop {
            let node = Arc::clone(&self.node);
            let wanted = tokio::time::timeout(LOOK_EVERY, node.links.inputs.wanted.notified()).await;
            let now = node.clock.now().elapsed;
            if wanted.is_err() && now < due {
                continue;
            }
            // Whatever is taken is looked at: it does not come again.
            let what = node.links.inputs.take();
            let directory = Arc::clone(&node.directory());
            if directory.topology().domains().len() <= 1 && self.pumped.is_empty() {
                continue;
            }
            self.look(&directory, what);
            due = self
                .states
                .next_change(now)
                .map_or(Duration::MAX, |at| at.max(now));
        }
    }

    fn look(&mut self, directory: &Directory, what: What) {
        let now = self.node.clock.now();
        if what.directory || self.own_down.is_none() {
            self.reconcile(directory);
            self.states.retain(directory.topology());
            self.node.links.strays.add_all();
        }
        self.start_pumps(directory);
        for (from, states) in what.words {
            let mut news = Vec::new();
            let mut newer = Vec::new();
            for state in states {
                match self.states.receive(state.clone(), now) {
                    true => news.push(state),
                    false if !self.states.believes(&state, now) => {
                        self.tell_of_future(directory, &from, &state)
                    }
                    false => newer.extend(self.states.newer_than(&state, now.elapsed)),
                }
            }
            self.flood(directory, &what.members, Some(&from), news);
            // Who passed on what is old learns what is newer: a domain that has started again, with its clock behind, its own former word.
            if let Some(neighbour) = self.node.links.neighbour(&from).filter(|_| !newer.is_empty())
                && self.leads(&what.members, Some(&from))
            {
                self.tell(directory, &neighbour, &newer);
            }
        }
        let own_down = self.node.links.down(directory);
        if self.leads(&what.members, None) {
            let down = domain_down(&self.node.me, &own_down, &what.members);
            if let Some(word) = self.states.originate(down, now) {
                self.flood(directory, &what.members, None, vec![word]);
            }
        }
        for neighbour in what.came_up {
            // Whatever it missed while the link was down.
            self.tell(directory, &neighbour, &self.states.known(now.elapsed));
        }
        self.set_hops(directory, &own_down, now.elapsed);
        self.own_down = Some(own_down);
        if what.member_gone {
            let (node, store) = (Arc::clone(&self.node), Arc::clone(&self.store));
            self.node.backend.spawn(counting::take_over(node, store));
        }
    }

    /// Once for each domain: either its clock is years ahead, and nobody can send through it, or somebody makes it up.
    fn tell_of_future(&mut self, directory: &Directory, from: &DomainName, state: &LinkState) {
        let is_known = directory.topology().domain(&state.domain).is_some();
        if is_known && self.from_the_future.insert(state.domain.clone()) {
            tracing::warn!(domain.name = %state.domain, neighbour.domain = %from, number = state.number, "what a domain is said to say of its links is from years ahead; it is not believed");
        }
    }

    /// Starts and ends links as the document, and the node's own configuration, say.
    fn reconcile(&mut self, directory: &Directory) {
        let links = &self.node.links;
        let own = directory.own_domain().clone();
        if !self.has_ingress && !directory.topology().neighbours(&own).is_empty() {
            self.has_ingress = true;
            super::start::open_ingress(&self.node);
        }
        let mut wanted: HashMap<DomainName, String> = HashMap::new();
        for name in directory.topology().neighbours(&own) {
            let told = directory.topology().domain(name);
            let told = told.and_then(|domain| domain.amqp_urls.first().cloned());
            if let Some(url) = links.settings.urls.get(name).cloned().or(told) {
                wanted.insert(name.clone(), url);
            }
        }
        let mut neighbours = links.neighbours.write().unwrap_or_else(PoisonError::into_inner);
        neighbours.retain(|name, neighbour| {
            let stays = wanted.get(name) == Some(&neighbour.url);
            if !stays {
                tracing::info!(neighbour.domain = %name, "the link is not wanted any more");
                neighbour.stop();
            }
            stays
        });
        for (name, url) in wanted {
            if neighbours.contains_key(&name) {
                continue;
            }
            let Some(maker) = &links.settings.maker else {
                continue;
            };
            let link = match maker.link(&name, &url) {
                Ok(link) => link,
                Err(error) => {
                    tracing::error!(neighbour.domain = %name, error = %error, "there can be no link");
                    continue;
                }
            };
            let neighbour = Neighbour::new(
                &self.node,
                own.clone(),
                name.clone(),
                links.next_number(),
                url,
                link,
            );
            let node = Arc::clone(&self.node);
            self.node.backend.spawn(Arc::clone(&neighbour).run(node));
            neighbours.insert(name, neighbour);
        }
    }

    fn start_pumps(&mut self, directory: &Directory) {
        for domain in directory.topology().domains() {
            if domain.name != *directory.own_domain() {
                let _ = self.node.links.way(&domain.name);
            }
        }
        for way in self.node.links.ways() {
            if self.pumped.insert(way.home.clone()) {
                let (node, store) = (Arc::clone(&self.node), Arc::clone(&self.store));
                self.node.backend.spawn(pump::run(node, store, way));
            }
        }
    }

    fn set_hops(&self, directory: &Directory, own_down: &[DomainName], now: Duration) {
        if self
            .node
            .links
            .neighbours()
            .iter()
            .any(|neighbour| neighbour.is_losing())
        {
            // It tells when it is done.
            return;
        }
        let down = self.states.down(directory.topology(), own_down, now);
        let directory = directory.with_links_down(&down);
        for way in self.node.links.ways() {
            let hop = directory.next_hops().next_hop(&way.home);
            let hop = hop.and_then(|hop| self.node.links.neighbour(hop));
            let hop = hop.filter(|hop| hop.is_up());
            let former = way.hop();
            if former.as_ref().map(|hop| &hop.name) != hop.as_ref().map(|hop| &hop.name) {
                tracing::info!(
                    to.domain = %way.home,
                    hop.domain = hop.as_ref().map(|hop| hop.name.as_str()),
                    "the way to a domain has changed"
                );
            }
            way.set_hop(hop);
        }
        *self
            .node
            .links
            .down_in_network
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = down;
    }

    /// Whether this node, of those of its domain, is the one that speaks for it; or to this neighbour.
    fn leads(&self, members: &[Member], to: Option<&DomainName>) -> bool {
        let reaches = |member: &&Member| to.is_none_or(|to| !member.links_down.contains(to));
        let others = members.iter().filter(|member| member.node != self.node.me);
        others.filter(reaches).all(|member| member.node > self.node.me)
    }

    /// Passes news on to all neighbours but the one that has told them.
    fn flood(
        &self,
        directory: &Directory,
        members: &[Member],
        but: Option<&DomainName>,
        news: Vec<LinkState>,
    ) {
        if news.is_empty() {
            return;
        }
        for neighbour in self.node.links.neighbours() {
            if Some(&neighbour.name) != but && neighbour.is_up() && self.leads(members, Some(&neighbour.name))
            {
                self.tell(directory, &neighbour, &news);
            }
        }
    }

    fn tell(&self, directory: &Directory, neighbour: &Neighbour, states: &[LinkState]) {
        for some in states.chunks(STATES_MAX) {
            let mut writer = BatchWriter::new(&self.node.me);
            writer.push(&BusFrame::LinkStates {
                from: directory.own_domain().clone(),
                states: some.to_vec(),
            });
            neighbour.tell(&self.node, writer.take());
        }
    }
}

/// The links that no node of the domain can use.
fn domain_down(me: &NodeInstance, own_down: &[DomainName], members: &[Member]) -> Vec<DomainName> {
    let others = members.iter().filter(|member| member.node != *me);
    let others: Vec<&Member> = others.collect();
    let is_down = |name: &&DomainName| others.iter().all(|member| member.links_down.contains(name));
    own_down.iter().filter(is_down).cloned().collect()
}
