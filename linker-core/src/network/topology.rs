//! Domains and the links between them, as a graph. The only file that names petgraph: elsewhere a domain is its name, or inside this crate its
//! [`DomainId`].

use std::collections::HashSet;

use petgraph::algo::dijkstra;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::unionfind::UnionFind;
use petgraph::visit::{EdgeFiltered, EdgeRef};

use crate::id::DomainName;

/// A domain of one topology: its place in the order of names. Means nothing in another topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DomainId(u32);

impl DomainId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    fn node(self) -> NodeIndex {
        NodeIndex::from(self.0)
    }
}

/// A domain, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: DomainName,
    /// Where clients connect to, complete with the path.
    pub ws_urls: Vec<String>,
    /// Where the brokers are that take other domains' messages; without credentials.
    pub amqp_urls: Vec<String>,
}

impl Domain {
    /// A domain of which only the name is known.
    pub fn named(name: DomainName) -> Self {
        Self {
            name,
            ws_urls: Vec::new(),
            amqp_urls: Vec::new(),
        }
    }
}

/// Two domains that hand each other messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// One end.
    pub n1: DomainName,
    /// The other.
    pub n2: DomainName,
    /// What crossing it costs, at least 1.
    pub weight: u32,
}

/// One of the two directions of a link. Each is a connection of its own and can be down alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkDirection {
    /// Who hands over.
    pub from: DomainName,
    /// Who takes.
    pub to: DomainName,
}

/// What is wrong with a domain or link among others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyFault {
    /// Two domains of one name.
    #[error("the domain {0} is listed twice; allowed: a name of its own for each domain")]
    RepeatedDomain(DomainName),
    /// A link's end is nowhere.
    #[error("no domain is called {0}; allowed: a name that is listed under `domains`")]
    UnknownDomain(DomainName),
    /// A link from a domain to itself.
    #[error("the link leads from {0} to itself; allowed: two different domains")]
    SelfLink(DomainName),
    /// Two links between the same two domains.
    #[error("{n1} and {n2} are linked twice; allowed: one link between two domains, both ways")]
    RepeatedLink {
        /// One end.
        n1: DomainName,
        /// The other.
        n2: DomainName,
    },
    /// A link that costs nothing: shortest paths could go in circles.
    #[error("the weight is 0; allowed: 1 or more")]
    ZeroWeight,
}

/// Which of the parts given has a fault, each counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopologyPlace {
    /// A domain.
    Domain(usize),
    /// A link as a whole.
    Link(usize),
    /// One end of a link.
    LinkN1(usize),
    /// The other end of a link.
    LinkN2(usize),
    /// The weight of a link.
    LinkWeight(usize),
}

/// A fault and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place:?}: {fault}")]
pub struct TopologyProblem {
    /// Where.
    pub place: TopologyPlace,
    /// What is wrong.
    #[source]
    pub fault: TopologyFault,
}

/// Domains and links that fit together. Equal content makes equal topologies, whatever the order it was given in.
#[derive(Debug, Clone)]
pub struct Topology {
    /// By name; a domain's place is its [`DomainId`] and its node in `graph`.
    domains: Vec<Domain>,
    /// Two edges a link. Nothing is ever removed, so indexes stay true.
    graph: DiGraph<(), u32>,
    /// For each domain a label that it shares with those to which some path leads when all links are up.
    islands: Vec<DomainId>,
}

impl Topology {
    /// Builds the graph.
    ///
    /// # Errors
    /// Every problem, not only the first.
    pub fn new(mut domains: Vec<Domain>, links: &[Link]) -> Result<Self, Vec<TopologyProblem>> {
        let problems = find_problems(&domains, links);
        if !problems.is_empty() {
            return Err(problems);
        }
        domains.sort_by(|a, b| a.name.cmp(&b.name));
        let mut graph = DiGraph::with_capacity(domains.len(), links.len() * 2);
        for _ in &domains {
            graph.add_node(());
        }
        let mut islands = UnionFind::<u32>::new(domains.len());
        for link in links {
            if let (Some(a), Some(b)) = (find(&domains, &link.n1), find(&domains, &link.n2)) {
                graph.add_edge(a.node(), b.node(), link.weight);
                graph.add_edge(b.node(), a.node(), link.weight);
                islands.union(a.0, b.0);
            }
        }
        let islands = islands.into_labeling().into_iter().map(DomainId).collect();
        Ok(Self {
            domains,
            graph,
            islands,
        })
    }

    /// One domain and no link.
    pub(crate) fn single(domain: Domain) -> (Self, DomainId) {
        let mut graph = DiGraph::with_capacity(1, 0);
        graph.add_node(());
        let own = DomainId(0);
        let topology = Self {
            domains: vec![domain],
            graph,
            islands: vec![own],
        };
        (topology, own)
    }

    /// All domains, by name.
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// The domain of this name.
    pub fn domain(&self, name: &DomainName) -> Option<&Domain> {
        self.id(name).map(|id| self.by_id(id))
    }

    /// The domains that `name` has a link with, by name; none for an unknown name.
    pub fn neighbours(&self, name: &DomainName) -> Vec<&DomainName> {
        let Some(id) = self.id(name) else {
            return Vec::new();
        };
        let mut nodes: Vec<NodeIndex> = self.graph.neighbors(id.node()).collect();
        nodes.sort_unstable();
        nodes
            .into_iter()
            .map(|node| &self.domains[node.index()].name)
            .collect()
    }

    /// Groups of domains between which no path leads, even with all links up; one group where all can reach each other. By name.
    pub fn islands(&self) -> Vec<Vec<&DomainName>> {
        let mut labels: Vec<DomainId> = Vec::new();
        let mut groups: Vec<Vec<&DomainName>> = Vec::new();
        for (domain, label) in self.domains.iter().zip(&self.islands) {
            match labels.iter().position(|known| known == label) {
                Some(place) => groups[place].push(&domain.name),
                None => {
                    labels.push(*label);
                    groups.push(vec![&domain.name]);
                }
            }
        }
        groups
    }

    pub(crate) fn id(&self, name: &DomainName) -> Option<DomainId> {
        find(&self.domains, name)
    }

    /// All ids, by name.
    pub(crate) fn ids(&self) -> impl Iterator<Item = DomainId> + use<> {
        (0..self.domains.len() as u32).map(DomainId)
    }

    pub(crate) fn by_id(&self, id: DomainId) -> &Domain {
        &self.domains[id.index()]
    }

    /// Whether some path leads from one to the other when all links are up.
    pub(crate) fn are_connected(&self, a: DomainId, b: DomainId) -> bool {
        self.islands[a.index()] == self.islands[b.index()]
    }

    /// The links that are up.
    pub(crate) fn ways(&self, down: &HashSet<LinkDirection>) -> Ways<'_> {
        let mut closed = vec![false; self.graph.edge_count()];
        for direction in down {
            // Link states may tell of links that this document does not have (any more).
            let (Some(from), Some(to)) = (self.id(&direction.from), self.id(&direction.to)) else {
                continue;
            };
            if let Some(edge) = self.graph.find_edge(from.node(), to.node()) {
                closed[edge.index()] = true;
            }
        }
        Ways {
            topology: self,
            closed,
        }
    }
}

/// A topology without the links that are down.
pub(crate) struct Ways<'t> {
    topology: &'t Topology,
    closed: Vec<bool>,
}

impl Ways<'_> {
    /// What the cheapest path to each domain costs; `None` where there is no path.
    pub(crate) fn distances(&self, own: DomainId) -> Vec<Option<u64>> {
        let open = EdgeFiltered::from_fn(&self.topology.graph, |edge| !self.closed[edge.id().index()]);
        let costs = dijkstra(&open, own.node(), None, |edge| u64::from(*edge.weight()));
        let mut distances = vec![None; self.topology.domains.len()];
        for (node, cost) in costs {
            distances[node.index()] = Some(cost);
        }
        distances
    }

    /// Whom `from` can hand over to directly, and at what cost.
    pub(crate) fn leaving(&self, from: DomainId) -> impl Iterator<Item = (DomainId, u64)> {
        self.topology
            .graph
            .edges(from.node())
            .filter(|edge| !self.closed[edge.id().index()])
            .map(|edge| (DomainId(edge.target().index() as u32), u64::from(*edge.weight())))
    }
}

fn find(domains: &[Domain], name: &DomainName) -> Option<DomainId> {
    let place = domains.binary_search_by(|domain| domain.name.cmp(name)).ok()?;
    Some(DomainId(place as u32))
}

fn find_problems(domains: &[Domain], links: &[Link]) -> Vec<TopologyProblem> {
    let mut problems = Vec::new();
    let mut report = |place, fault| problems.push(TopologyProblem { place, fault });
    let mut names = HashSet::with_capacity(domains.len());
    for (index, domain) in domains.iter().enumerate() {
        if !names.insert(&domain.name) {
            let fault = TopologyFault::RepeatedDomain(domain.name.clone());
            report(TopologyPlace::Domain(index), fault);
        }
    }
    let mut pairs = HashSet::with_capacity(links.len());
    for (index, Link { n1, n2, weight }) in links.iter().enumerate() {
        let ends = [
            (n1, TopologyPlace::LinkN1(index)),
            (n2, TopologyPlace::LinkN2(index)),
        ];
        for (end, place) in ends {
            if !names.contains(end) {
                report(place, TopologyFault::UnknownDomain(end.clone()));
            }
        }
        if n1 == n2 {
            report(TopologyPlace::Link(index), TopologyFault::SelfLink(n1.clone()));
        } else if !pairs.insert((n1.min(n2), n1.max(n2))) {
            let (n1, n2) = (n1.clone(), n2.clone());
            report(TopologyPlace::Link(index), TopologyFault::RepeatedLink { n1, n2 });
        }
        if *weight == 0 {
            report(TopologyPlace::LinkWeight(index), TopologyFault::ZeroWeight);
        }
    }
    problems
}
