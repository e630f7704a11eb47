//! What a seed decides before the first event: which network it is, and how unlucky.

use std::time::Duration;

pub(crate) use crate::simulation::Rng;

/// What sort of world it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A few domains, and anything may go wrong.
    Small,
    /// The same with many domains.
    Large,
    /// Four in a ring, of whose links one at a time is cut for a moment: all can be reached all the time, so that nobody has to wait long for anything.
    Ring,
}

/// The world of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) domains: usize,
    /// Two domains and the weight of their link.
    pub(crate) links: Vec<(usize, usize, u32)>,
    /// Where each user lives at first.
    pub(crate) homes: Vec<usize>,
    /// How long users write before everything heals.
    pub(crate) length: Duration,
    /// Between two acts of a user, at most.
    pub(crate) pause: Duration,
    /// Messages of one act, at most.
    pub(crate) burst: u64,
    pub(crate) commit_window: Duration,
    /// One way over a link, at most.
    pub(crate) latency: Duration,
    /// From task to task, at most.
    pub(crate) hop: Duration,
    /// One way to the store, at most.
    pub(crate) store: Duration,
    /// Until a session has proven what it has, at most.
    pub(crate) proof: Duration,
    /// Payloads under way to one neighbour.
    pub(crate) window: usize,
    /// Messages of one payload.
    pub(crate) batch: usize,
    /// Rows of one page.
    pub(crate) page_rows: u32,
    /// Users in a hundred who are always there.
    pub(crate) steady: u64,
    /// Messages in a hundred that are sent again.
    pub(crate) repeats: u64,
    pub(crate) faults: Faults,
}

/// How often something goes wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// A link is cut, in one direction or both, and its ends are told or not.
    pub(crate) cuts: u64,
    /// A link is cut and healed several times in a row.
    pub(crate) flaps: u64,
    /// Some domains are cut off from all others.
    pub(crate) partitions: u64,
    /// A link becomes slow.
    pub(crate) slows: u64,
    /// Confirmations do not come for a while.
    pub(crate) stalls: u64,
    /// A neighbour takes no more for a while.
    pub(crate) fulls: u64,
    pub(crate) crashes: u64,
    /// A node loses its ingress for a moment.
    pub(crate) ingress_losses: u64,
    pub(crate) stores_away: u64,
    pub(crate) stores_slow: u64,
    /// A node stands still.
    pub(crate) freezes: u64,
    /// Users move to another domain.
    pub(crate) moves: u64,
    /// One link after the other is cut for a moment.
    pub(crate) one_at_a_time: u64,
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Plan {
    pub(crate) fn of(rng: &mut Rng, sort: Sort) -> Self {
        let domains = match sort {
            Sort::Large => 60 + rng.below(141) as usize,
            Sort::Small => rng.pick(&[2, 2, 3, 3, 4, 4, 5, 6, 8, 12]),
            Sort::Ring => 4,
        };
        let users = match sort {
            Sort::Large => 24,
            Sort::Small => 2 + rng.below(5) as usize,
            Sort::Ring => 8,
        };
        // Where the first lives is not where the second does.
        let first = rng.below(domains as u64) as usize;
        let second = (first + 1 + rng.below(domains as u64 - 1) as usize) % domains;
        let homes = (0..users).map(|user| match user {
            0 => first,
            1 => second,
            _ => rng.below(domains as u64) as usize,
        });
        let homes = homes.collect();
        let length = ms(rng.pick(&[3000, 10_000, 30_000, 60_000]));
        // About as many messages whatever the length.
        let acts = rng.pick(&[10, 20, 40]);
        let plan = Self {
            domains,
            links: links(domains, rng),
            homes,
            length,
            pause: length / acts,
            burst: rng.pick(&[1, 3, 8]),
            commit_window: ms(rng.pick(&[5, 20, 20, 100, 1000])),
            latency: ms(rng.pick(&[1, 5, 30, 100])),
            hop: Duration::from_micros(rng.pick(&[50, 500, 5000, 20_000])),
            store: ms(rng.pick(&[2, 10, 60, 200])),
            proof: ms(rng.pick(&[5, 50, 400])),
            window: rng.pick(&[1, 4, 16]),
            batch: rng.pick(&[1, 4, 32]),
            page_rows: rng.pick(&[1, 4, 16, 64]),
            steady: rng.pick(&[100, 100, 50]),
            repeats: rng.pick(&[0, 0, 15]),
            faults: Faults::of(rng),
        };
        match sort {
            Sort::Ring => plan.into_ring(),
            Sort::Small | Sort::Large => plan,
        }
    }

    fn into_ring(self) -> Self {
        Self {
            links: vec![(0, 1, 1), (1, 2, 1), (2, 3, 1), (0, 3, 1)],
            homes: (0..8).map(|user| user % 4).collect(),
            steady: 100,
            repeats: 0,
            length: ms(12_000),
            pause: ms(200),
            page_rows: self.page_rows.max(16),
            window: self.window.max(4),
            batch: self.batch.max(4),
            commit_window: self.commit_window.min(ms(100)),
            latency: self.latency.min(ms(30)),
            hop: self.hop.min(ms(5)),
            store: self.store.min(ms(60)),
            faults: Faults {
                one_at_a_time: 6,
                ..Faults::default()
            },
            ..self
        }
    }
}

impl Faults {
    fn of(rng: &mut Rng) -> Self {
        // Some worlds know one kind of fault only: what they break is easy to tell.
        let kinds = rng.pick(&[10, 25, 60]);
        let mut some = |often: u64| match rng.percent(kinds) {
            true => 1 + rng.below(often),
            false => 0,
        };
        Self {
            cuts: some(8),
            flaps: some(3),
            partitions: some(2),
            slows: some(3),
            stalls: some(3),
            fulls: some(3),
            crashes: some(3),
            ingress_losses: some(2),
            stores_away: some(2),
            stores_slow: some(2),
            freezes: some(3),
            moves: some(3),
            one_at_a_time: 0,
        }
    }
}

/// A line, a ring, or a tree with some more links.
fn links(domains: usize, rng: &mut Rng) -> Vec<(usize, usize, u32)> {
    let is_weighted = rng.percent(40);
    let weight = |rng: &mut Rng| match is_weighted {
        true => 1 + rng.below(5) as u32,
        false => 1,
    };
    let mut links: Vec<(usize, usize, u32)> = Vec::new();
    let shape = rng.below(4);
    for domain in 1..domains {
        let before = match shape {
            0 | 1 => domain - 1,
            _ => rng.below(domain as u64) as usize,
        };
        links.push((before, domain, weight(rng)));
    }
    if shape == 1 && domains > 2 {
        links.push((0, domains - 1, weight(rng)));
    }
    if shape > 1 {
        for _ in 0..rng.below(domains as u64) {
            let a = rng.below(domains as u64) as usize;
            let b = rng.below(domains as u64) as usize;
            let (a, b) = (a.min(b), a.max(b));
            if a != b && !links.iter().any(|(n1, n2, _)| (*n1, *n2) == (a, b)) {
                links.push((a, b, weight(rng)));
            }
        }
    }
    links
}
