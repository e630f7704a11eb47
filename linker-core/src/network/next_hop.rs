//! Where one domain sends what is for another.

use std::collections::HashSet;
use std::sync::Arc;

use super::topology::{Domain, DomainId, LinkDirection, Topology};
use crate::id::DomainName;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    distance: u64,
    /// The neighbour to hand over to; `None` for the own domain.
    hop: Option<DomainId>,
}

/// One domain's row of the routing table: for every other domain the neighbour that is first on a cheapest path of links that are up.
///
/// Among several such neighbours the one with the smallest name is taken, so that all nodes of a domain agree. Each hop makes the remaining
/// distance smaller: where all domains know the same link states, no message goes in circles.
#[derive(Debug, Clone)]
pub struct NextHops {
    topology: Arc<Topology>,
    own: DomainId,
    ways: Vec<Option<Way>>,
}

impl NextHops {
    /// Computes the row of `own`. Links in `down` that the topology does not have are ignored. `None` if the topology does not know `own`.
    pub fn compute(
        topology: &Arc<Topology>,
        own: &DomainName,
        down: &HashSet<LinkDirection>,
    ) -> Option<Self> {
        Some(Self::compute_by_id(Arc::clone(topology), topology.id(own)?, down))
    }

    /// The row of a network's only domain.
    pub(crate) fn alone(domain: Domain) -> Self {
        let (topology, own) = Topology::single(domain);
        Self::compute_by_id(Arc::new(topology), own, &HashSet::new())
    }

    /// The same domain's row while other links are down.
    pub fn recompute(&self, down: &HashSet<LinkDirection>) -> Self {
        Self::compute_by_id(Arc::clone(&self.topology), self.own, down)
    }

    fn compute_by_id(topology: Arc<Topology>, own: DomainId, down: &HashSet<LinkDirection>) -> Self {
        Self {
            ways: ways_from(&topology, own, down),
            topology,
            own,
        }
    }

    /// The neighbour to hand over to what is for `to`. `None` for the own domain, and where no path is up.
    pub fn next_hop(&self, to: &DomainName) -> Option<&DomainName> {
        self.by_id(self.topology.id(to)?)
    }

    /// What the cheapest path costs, 0 for the own domain. `None` where no path is up.
    pub fn distance(&self, to: &DomainName) -> Option<u64> {
        let way = self.ways[self.topology.id(to)?.index()]?;
        Some(way.distance)
    }

    /// Whose row this is.
    pub fn own(&self) -> &DomainName {
        &self.topology.by_id(self.own).name
    }

    pub(crate) fn own_id(&self) -> DomainId {
        self.own
    }

    pub(crate) fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// As [`NextHops::next_hop`], by an id of the same topology: one array access.
    pub(crate) fn by_id(&self, to: DomainId) -> Option<&DomainName> {
        let hop = self.ways[to.index()]?.hop?;
        Some(&self.topology.by_id(hop).name)
    }
}

fn ways_from(topology: &Topology, own: DomainId, down: &HashSet<LinkDirection>) -> Vec<Option<Way>> {
    let open = topology.ways(down);
    let distances = open.distances(own);
    let mut nearest_first: Vec<(u64, DomainId)> = topology
        .ids()
        .zip(&distances)
        .filter_map(|(id, distance)| distance.map(|distance| (distance, id)))
        .collect();
    nearest_first.sort_unstable();

    // No link is free, so a domain's predecessors on its cheapest paths all come before it, and their first hops are final when they are read.
    // Ids are in the order of names: the smallest id is the smallest name.
    let mut ways: Vec<Option<Way>> = distances
        .iter()
        .map(|distance| distance.map(|distance| Way { distance, hop: None }))
        .collect();
    for (distance, id) in nearest_first {
        let first_hop = ways[id.index()].and_then(|way| way.hop);
        for (next, cost) in open.leaving(id) {
            let Some(way) = &mut ways[next.index()] else {
                continue;
            };
            if distance + cost == way.distance {
                let hop = first_hop.unwrap_or(next);
                way.hop = Some(way.hop.map_or(hop, |known| known.min(hop)));
            }
        }
    }
    ways
}
