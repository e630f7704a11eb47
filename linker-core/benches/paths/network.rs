//! The network of domains.

use std::collections::{BTreeMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;

use linker_core::id::DomainName;
use linker_core::network::{Domain, Link, LinkDirection, NextHops, Topology};

use super::{Path, Step};

/// A link of a network of 100 domains and 500 links is down, and a node looks for its ways anew.
pub(crate) const NEXT_HOPS: Path = Path {
    name: "next-hops-100",
    ready: || next_hops(100),
};

/// The same of 1000 domains and 5000 links.
pub(crate) const NEXT_HOPS_LARGE: Path = Path {
    name: "next-hops-1000",
    ready: || next_hops(1000),
};

/// One domain of a thousand is looked up by name.
pub(crate) const NEXT_HOP_FOUND: Path = Path {
    name: "next-hop-found",
    ready: next_hop_found,
};

const LINKS_PER_DOMAIN: usize = 5;

fn next_hops(domains: usize) -> Step {
    let links = links(domains);
    let table = table(domains, &links);
    let first = &links[0];
    let down = HashSet::from([LinkDirection {
        from: first.n1.clone(),
        to: first.n2.clone(),
    }]);
    let farthest = name(domains - 1);
    Box::new(move || {
        let recomputed = table.recompute(black_box(&down));
        assert!(black_box(recomputed).distance(&farthest).is_some());
    })
}

fn next_hop_found() -> Step {
    let domains = 1000;
    let table = table(domains, &links(domains));
    let names: Vec<DomainName> = (1..domains).map(name).collect();
    let mut at = 0;
    Box::new(move || {
        // All over the table, in an order that no step can guess.
        at = (at + 617) % names.len();
        assert!(table.next_hop(black_box(&names[at])).is_some());
    })
}

fn table(domains: usize, links: &[Link]) -> NextHops {
    let all = (0..domains).map(|number| Domain::named(name(number))).collect();
    let topology = Arc::new(Topology::new(all, links).unwrap());
    NextHops::compute(&topology, &name(0), &HashSet::new()).unwrap()
}

fn name(number: usize) -> DomainName {
    format!("domain-{number:04}").parse().unwrap()
}

/// A ring, so that everybody is reached, and links across it that look random and are the same each time.
fn links(domains: usize) -> Vec<Link> {
    let mut pairs: BTreeMap<(usize, usize), u32> = (0..domains)
        .map(|number| (ordered(number, (number + 1) % domains), 3))
        .collect();
    let mut state: u64 = 1;
    let mut random = |below: usize| {
        // Knuth's constants; the upper bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    while pairs.len() < domains * LINKS_PER_DOMAIN {
        let (a, b, weight) = (random(domains), random(domains), random(9));
        if a != b {
            pairs.entry(ordered(a, b)).or_insert(1 + weight as u32);
        }
    }
    let link = |((a, b), weight)| Link {
        n1: name(a),
        n2: name(b),
        weight,
    };
    pairs.into_iter().map(link).collect()
}

fn ordered(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
