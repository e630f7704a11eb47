//! Next hops against a model that relaxes every link until nothing changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use linker_core::id::DomainName;
use linker_core::network::{Link, LinkDirection, NextHops, Topology, TopologyFault, TopologyPlace};
use proptest::prelude::*;

use crate::strategy::{Network, choices, domain_name, network};

/// A network, and directions of its links that are down.
fn faulty_network() -> impl Strategy<Value = (Network, HashSet<LinkDirection>)> {
    (network(), choices(), choices()).prop_map(|(network, forth, back)| {
        let mut down = HashSet::new();
        for (place, link) in network.links.iter().enumerate() {
            // A quarter of the directions, so that something is left.
            if forth[place] && back[place] {
                down.insert(direction(&link.n1, &link.n2));
            }
            if forth[place] && back[place + 32] {
                down.insert(direction(&link.n2, &link.n1));
            }
        }
        (network, down)
    })
}

fn direction(from: &DomainName, to: &DomainName) -> LinkDirection {
    LinkDirection {
        from: from.clone(),
        to: to.clone(),
    }
}

fn topology(network: &Network) -> Arc<Topology> {
    Arc::new(Topology::new(network.domains.clone(), &network.links).unwrap())
}

/// What is up, both directions apart, with its cost.
fn steps<'n>(
    network: &'n Network,
    down: &HashSet<LinkDirection>,
) -> Vec<(&'n DomainName, &'n DomainName, u64)> {
    network
        .links
        .iter()
        .flat_map(|Link { n1, n2, weight }| [(n1, n2, u64::from(*weight)), (n2, n1, u64::from(*weight))])
        .filter(|(from, to, _)| !down.contains(&direction(from, to)))
        .collect()
}

/// Bellman and Ford: what the cheapest path to `to` costs from everywhere.
fn costs_to<'n>(
    steps: &[(&'n DomainName, &'n DomainName, u64)],
    to: &'n DomainName,
) -> HashMap<&'n DomainName, u64> {
    let mut costs = HashMap::from([(to, 0)]);
    loop {
        let mut changed = false;
        for (from, next, cost) in steps {
            let Some(rest) = costs.get(next).copied() else {
                continue;
            };
            let known = costs.entry(*from).or_insert(u64::MAX);
            if rest + cost < *known {
                *known = rest + cost;
                changed = true;
            }
        }
        if !changed {
            return costs;
        }
    }
}

proptest! {
    /// The neighbour with the smallest name among those that are first on some cheapest path, and nothing where there is no path.
    #[test]
    fn next_hops_lie_on_cheapest_paths((network, down) in faulty_network()) {
        let topology = topology(&network);
        let steps = steps(&network, &down);
        for to in network.names() {
            let costs = costs_to(&steps, to);
            for own in network.names() {
                let table = NextHops::compute(&topology, own, &down).unwrap();
                prop_assert_eq!(table.distance(to), costs.get(own).copied());
                let expected = steps
                    .iter()
                    .filter(|(from, next, cost)| {
                        *from == own && own != to
                            && costs.get(next).is_some_and(|rest| Some(&(rest + cost)) == costs.get(own))
                    })
                    .map(|(_, next, _)| *next)
                    .min();
                prop_assert_eq!(table.next_hop(to), expected, "from {} to {}", own, to);
            }
        }
    }

    #[test]
    fn following_everyones_own_table_arrives((network, down) in faulty_network()) {
        let topology = topology(&network);
        let tables: HashMap<&DomainName, NextHops> = network
            .names()
            .map(|own| (own, NextHops::compute(&topology, own, &down).unwrap()))
            .collect();
        for from in network.names() {
            for to in network.names() {
                let Some(mut left) = tables[from].distance(to) else {
                    prop_assert_eq!(tables[from].next_hop(to), None);
                    continue;
                };
                let mut at = from;
                while at != to {
                    let next = tables[at].next_hop(to).unwrap();
                    prop_assert!(!down.contains(&direction(at, next)));
                    let less = tables[next].distance(to).unwrap();
                    prop_assert!(less < left, "{} to {} by {}: {} then {}", at, to, next, left, less);
                    (at, left) = (next, less);
                }
                prop_assert_eq!(left, 0);
            }
        }
    }

    #[test]
    fn the_order_given_does_not_matter(
        (network, down) in faulty_network(),
        turns in any::<[prop::sample::Index; 2]>(),
        swapped in choices(),
    ) {
        let mut other = network.clone();
        other.domains.rotate_left(turns[0].index(network.domains.len()));
        other.links.rotate_left(turns[1].index(network.links.len().max(1)));
        for (link, swap) in other.links.iter_mut().zip(swapped) {
            if swap {
                std::mem::swap(&mut link.n1, &mut link.n2);
            }
        }
        let (one, other) = (topology(&network), topology(&other));
        prop_assert_eq!(one.domains(), other.domains());
        prop_assert_eq!(one.islands(), other.islands());
        for own in network.names() {
            prop_assert_eq!(one.neighbours(own), other.neighbours(own));
            let tables = [&one, &other].map(|topology| NextHops::compute(topology, own, &down).unwrap());
            for to in network.names() {
                prop_assert_eq!(tables[0].next_hop(to), tables[1].next_hop(to));
            }
        }
    }

    #[test]
    fn links_that_come_back_leave_no_trace((network, down) in faulty_network()) {
        let topology = topology(&network);
        for own in network.names() {
            let whole = NextHops::compute(&topology, own, &HashSet::new()).unwrap();
            let cut = whole.recompute(&down);
            let fresh = NextHops::compute(&topology, own, &down).unwrap();
            let healed = cut.recompute(&HashSet::new());
            for to in network.names() {
                prop_assert_eq!((cut.next_hop(to), cut.distance(to)), (fresh.next_hop(to), fresh.distance(to)));
                prop_assert_eq!((healed.next_hop(to), healed.distance(to)), (whole.next_hop(to), whole.distance(to)));
            }
        }
    }

    /// Two domains share an island exactly if some path leads from one to the other while all links are up.
    #[test]
    fn islands_are_what_links_hold_together(network in network()) {
        let topology = topology(&network);
        let islands = topology.islands();
        prop_assert_eq!(islands.iter().map(Vec::len).sum::<usize>(), network.domains.len());
        for own in network.names() {
            let table = NextHops::compute(&topology, own, &HashSet::new()).unwrap();
            let island = islands.iter().find(|island| island.contains(&own)).unwrap();
            for to in network.names() {
                prop_assert_eq!(island.contains(&to), table.distance(to).is_some());
            }
        }
    }

    #[test]
    fn states_of_unknown_links_are_ignored((network, mut down) in faulty_network()) {
        let topology = topology(&network);
        let own = &network.domains[0].name;
        let before = NextHops::compute(&topology, own, &down).unwrap();
        down.insert(direction(own, &"elsewhere".parse().unwrap()));
        down.insert(direction(own, own));
        let after = before.recompute(&down);
        for to in network.names() {
            prop_assert_eq!(before.next_hop(to), after.next_hop(to));
        }
    }

    /// However many faults there are, each is told, where it is.
    #[test]
    fn every_fault_is_told(
        network in network(),
        kinds in prop::collection::vec(0..5u8, 0..6),
    ) {
        let Network { mut domains, mut links } = network;
        let own = domains[0].name.clone();
        let nowhere: DomainName = "nowhere".parse().unwrap();
        let fresh: Vec<DomainName> = (0..6).map(|number| domain_name(100 + number)).collect();
        let mut expected = Vec::new();
        for (round, kind) in kinds.into_iter().enumerate() {
            let link = |n1: &DomainName, n2: &DomainName, weight| Link { n1: n1.clone(), n2: n2.clone(), weight };
            let peer = &fresh[round];
            domains.push(linker_core::network::Domain::named(peer.clone()));
            let at = links.len();
            match kind {
                0 => {
                    expected.push((TopologyPlace::Domain(domains.len()), TopologyFault::RepeatedDomain(own.clone())));
                    domains.push(domains[0].clone());
                }
                1 => {
                    expected.push((TopologyPlace::LinkN2(at), TopologyFault::UnknownDomain(nowhere.clone())));
                    // From a domain of its own, so that it does not repeat a link.
                    links.push(link(peer, &nowhere, 1));
                }
                2 => {
                    expected.push((TopologyPlace::Link(at), TopologyFault::SelfLink(peer.clone())));
                    links.push(link(peer, peer, 1));
                }
                3 => {
                    let fault = TopologyFault::RepeatedLink { n1: own.clone(), n2: peer.clone() };
                    expected.push((TopologyPlace::Link(at + 1), fault));
                    links.push(link(peer, &own, 1));
                    links.push(link(&own, peer, 2));
                }
                _ => {
                    expected.push((TopologyPlace::LinkWeight(at), TopologyFault::ZeroWeight));
                    links.push(link(peer, &own, 0));
                }
            }
        }
        let problems = Topology::new(domains, &links).err().unwrap_or_default();
        let told: Vec<_> = problems.into_iter().map(|problem| (problem.place, problem.fault)).collect();
        prop_assert_eq!(told.len(), expected.len());
        prop_assert!(expected.iter().all(|fault| told.contains(fault)), "{:?}", told);
    }
}

#[test]
fn a_domain_that_is_not_in_the_network_has_no_table() {
    let network = Network {
        domains: vec![linker_core::network::Domain::named(domain_name(0))],
        links: Vec::new(),
    };
    let elsewhere = "elsewhere".parse().unwrap();
    assert!(NextHops::compute(&topology(&network), &elsewhere, &HashSet::new()).is_none());
    let table = NextHops::compute(&topology(&network), &domain_name(0), &HashSet::new()).unwrap();
    assert_eq!(
        (table.next_hop(&elsewhere), table.distance(&elsewhere)),
        (None, None)
    );
    assert_eq!(
        (table.next_hop(&domain_name(0)), table.distance(&domain_name(0))),
        (None, Some(0))
    );
}

/// How long that takes is printed: `cargo test -p linker-core --release --test it a_large_network -- --nocapture`.
#[test]
fn a_large_network_has_a_way_everywhere() {
    let (domains, links) = (1000, 5000);
    let pair = |place: usize| match place {
        // A ring, and chords of many lengths.
        0..1000 => (place, (place + 1) % domains),
        _ => (
            place % domains,
            (place % domains + 2 + 97 * (place / domains)) % domains,
        ),
    };
    let network = Network {
        domains: (0..domains)
            .map(|n| linker_core::network::Domain::named(domain_name(n)))
            .collect(),
        links: (0..links)
            .map(|place| Link {
                n1: domain_name(pair(place).0),
                n2: domain_name(pair(place).1),
                weight: 1 + place as u32 % 7,
            })
            .collect(),
    };
    let topology = topology(&network);
    let own = domain_name(0);
    let table = NextHops::compute(&topology, &own, &HashSet::new()).unwrap();
    let down: HashSet<LinkDirection> = network
        .links
        .iter()
        .skip(domains)
        .step_by(50)
        .map(|link| direction(&link.n1, &link.n2))
        .collect();
    let started = std::time::Instant::now();
    let table = table.recompute(&down);
    println!(
        "{domains} domains, {links} links, {} of them down: {:?}",
        down.len(),
        started.elapsed()
    );
    for to in network.names().filter(|to| **to != own) {
        assert!(table.next_hop(to).is_some(), "the ring is up");
    }
}
