//! What a node has heard of the links of all domains, and what follows from it.
//!
//! As in link-state routing protocols: each domain says which of its links are down, again when that changes and every [`REFRESH`]; whoever hears something
//! new tells all its neighbours. Words are numbered by their domain, so that each is passed on once however many ways it comes. A word grows older wherever it is,
//! and one that has not been renewed for [`MAX_AGE`] says nothing any more: its domain is silent and nothing is sent through it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::link_state::LinkState;
use super::topology::{LinkDirection, Topology};
use crate::clock::Now;
use crate::id::DomainName;

/// A domain says again how its links are, after this time without a change.
pub const REFRESH: Duration = Duration::from_secs(10);
/// A word as old as this counts for nothing: three times it was not renewed.
pub const MAX_AGE: Duration = Duration::from_secs(35);
/// A node gives the others so long from its own start to be heard of.
pub const STARTING: Duration = Duration::from_secs(20);

/// How far a number may be ahead of this node's clock, in ms. Numbers follow the clock of their domain, which may be wrong by years; but one near the end of all numbers
/// would leave its domain none to speak with, for ever. Who hears of its own domain goes half as far ([`LinkStates::believes`]).
const AHEAD_MAX_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// Domains kept of which the topology says nothing (yet): another one may have read a newer document.
const STRANGERS_MAX: usize = 4096;
/// Names in all words together: a network of a thousand domains and ten thousand links has 20 000 if all is down.
const NAMES_MAX: usize = 1 << 17;

#[derive(Debug)]
struct Word {
    number: u64,
    down: Vec<DomainName>,
    /// How old it was when it was heard.
    age: Duration,
    heard_at: Duration,
    /// The number of one that had run out and gave way to it or a later one, and when it ran out.
    run_out: Option<(u64, Duration)>,
}

impl Word {
    fn age(&self, now: Duration) -> Duration {
        self.age.saturating_add(now.saturating_sub(self.heard_at))
    }

    fn counts(&self, now: Duration) -> bool {
        self.age(now) < MAX_AGE
    }

    /// To a larger number. To any once it counts for nothing, for its domain may have begun anew, its clock behind; but then only to what was said since. The time that
    /// words take on their way is in no age: copies of one that has run out would be taken in and passed on in circles.
    fn gives_way_to(&self, other: &Self, now: Duration) -> bool {
        let said = now.saturating_sub(other.age(now));
        let ran_out_before = |(number, end): (u64, Duration)| other.number <= number && said < end;
        if self.number >= other.number {
            return !self.counts(now) && !ran_out_before((self.number, self.ends_at()));
        }
        !self.run_out.is_some_and(ran_out_before)
    }

    /// What is to be remembered of it by the one it gives way to.
    fn run_out_for(&self, other: &Self) -> Option<(u64, Duration)> {
        match self.number >= other.number {
            true => Some((self.number, self.ends_at())),
            false => self.run_out,
        }
    }

    fn said_by(&self, domain: &DomainName, now: Duration) -> LinkState {
        LinkState {
            domain: domain.clone(),
            number: self.number,
            // What counts is younger than `MAX_AGE`.
            age_ms: self.age(now).as_millis() as u64,
            down: self.down.clone(),
        }
    }

    /// When it will count for nothing.
    fn ends_at(&self) -> Duration {
        self.heard_at.saturating_add(MAX_AGE.saturating_sub(self.age))
    }
}

/// What this node itself has said last.
#[derive(Debug)]
struct Said {
    down: Vec<DomainName>,
    at: Duration,
}

/// The words of all domains, as far as this node has heard them. One for each node; nodes of one domain speak for it alike.
#[derive(Debug)]
pub struct LinkStates {
    own: DomainName,
    started: Duration,
    said: Option<Said>,
    /// The largest number ever said or heard of the own domain's words.
    number: u64,
    words: BTreeMap<DomainName, Word>,
    /// The domains of the network; all others are strangers.
    known: HashSet<DomainName>,
    /// In all words together.
    names: usize,
}

impl LinkStates {
    /// Nothing is heard yet, and everybody is given some time ([`STARTING`]).
    pub fn new(own: DomainName, started: Duration) -> Self {
        Self {
            own,
            started,
            said: None,
            number: 0,
            words: BTreeMap::new(),
            known: HashSet::new(),
            names: 0,
        }
    }

    /// What the own domain has to say now, for all neighbours: something when this node sees other links `down` (by name) than when it last spoke, when nobody of the domain has said
    /// the same for [`REFRESH`], or when what others believe was said before this node started and is not true any more.
    pub fn originate(&mut self, down: Vec<DomainName>, now: Now) -> Option<LinkState> {
        let due = match &self.said {
            Some(said) if said.down == down => self.repeats_at(said) <= now.elapsed,
            _ => true,
        };
        if !due {
            return None;
        }
        // Others hold what has the larger number. So it has to grow even if the clock went back, over a restart too.
        self.number = self.number.saturating_add(1).max(now.unix_ms);
        self.said = Some(Said {
            down: down.clone(),
            at: now.elapsed,
        });
        let word = Word {
            number: self.number,
            down,
            age: Duration::ZERO,
            heard_at: now.elapsed,
            run_out: None,
        };
        let state = word.said_by(&self.own, now.elapsed);
        self.keep(self.own.clone(), word);
        Some(state)
    }

    /// When what was said is to be said again.
    fn repeats_at(&self, said: &Said) -> Duration {
        let after_own = said.at.saturating_add(REFRESH);
        match self.words.get(&self.own) {
            // Said by this node, or by another one that sees the same: once is enough.
            Some(word) if word.down == said.down => {
                let theirs = word.heard_at.saturating_add(REFRESH.saturating_sub(word.age));
                after_own.max(theirs)
            }
            // Of a former life of this node, or of one that may be gone: it cannot be heard again once it is answered, so this ends.
            Some(word) if word.age > word.heard_at.saturating_sub(self.started) => self.started,
            // Nodes of one domain see different things for a moment. Answering at once would go on without end.
            _ => after_own,
        }
    }

    /// Takes in what a neighbour, or another node of the own domain, passed on. Whether it is news: then it is to be passed on to all neighbours as it came.
    pub fn receive(&mut self, state: LinkState, now: Now) -> bool {
        if !self.believes(&state, now) {
            return false;
        }
        let now = now.elapsed;
        let mut word = Word {
            number: state.number,
            down: state.down,
            age: Duration::from_millis(state.age_ms),
            heard_at: now,
            run_out: None,
        };
        if !word.counts(now) {
            return false;
        }
        if state.domain == self.own {
            self.number = self.number.max(word.number);
        }
        if let Some(held) = self.words.get(&state.domain) {
            if !held.gives_way_to(&word, now) {
                return false;
            }
            word.run_out = held.run_out_for(&word);
        }
        if !self.make_room(&state.domain, &word, now) {
            return false;
        }
        self.keep(state.domain, word);
        true
    }

    /// Whether somebody can have said this: its number is not too far in the future. A domain that hears of its own speaks with larger ones from then on, and those
    /// have to be within what the others believe: so it believes less than they do.
    pub fn believes(&self, state: &LinkState, now: Now) -> bool {
        let ahead_max_ms = match state.domain == self.own {
            true => AHEAD_MAX_MS / 2,
            false => AHEAD_MAX_MS,
        };
        state.number <= now.unix_ms.saturating_add(ahead_max_ms)
    }

    /// What is known instead of a word that was passed on and is older: for who passed it on. A domain that begins anew, its clock behind, learns so which numbers it has used.
    pub fn newer_than(&self, state: &LinkState, now: Duration) -> Option<LinkState> {
        let (domain, word) = self.words.get_key_value(&state.domain)?;
        let newer = word.counts(now) && word.number > state.number;
        newer.then(|| word.said_by(domain, now))
    }

    /// What counts for nothing any more goes first, then strangers where one of the network has something to say.
    fn make_room(&mut self, domain: &DomainName, word: &Word, now: Duration) -> bool {
        if !self.has_room(domain, word) {
            self.forget(|_, word| !word.counts(now));
        }
        if !self.has_room(domain, word) && !self.is_stranger(domain) {
            self.forget_strangers();
        }
        self.has_room(domain, word)
    }

    fn has_room(&self, domain: &DomainName, word: &Word) -> bool {
        let held = self.words.get(domain);
        let names = self.names - held.map_or(0, |held| held.down.len()) + word.down.len();
        let one_more = held.is_none() && self.is_stranger(domain);
        names <= NAMES_MAX && (!one_more || self.words.len() < self.known.len() + STRANGERS_MAX)
    }

    fn is_stranger(&self, domain: &DomainName) -> bool {
        *domain != self.own && !self.known.contains(domain)
    }

    fn keep(&mut self, domain: DomainName, word: Word) {
        self.names += word.down.len();
        if let Some(former) = self.words.insert(domain, word) {
            self.names -= former.down.len();
        }
    }

    fn forget_strangers(&mut self) {
        let known = std::mem::take(&mut self.known);
        let own = self.own.clone();
        self.forget(|domain, _| *domain != own && !known.contains(domain));
        self.known = known;
    }

    fn forget(&mut self, gone: impl Fn(&DomainName, &Word) -> bool) {
        self.words.retain(|domain, word| !gone(domain, word));
        self.names = self.words.values().map(|word| word.down.len()).sum();
    }

    /// From now on the network has these domains. What was heard of others is forgotten; it is heard again should they belong to it later.
    pub fn retain(&mut self, topology: &Topology) {
        let names = topology.domains().iter().map(|domain| domain.name.clone());
        self.known = names.collect();
        self.forget_strangers();
    }

    /// All that counts now, the own word included, for a neighbour whose link has just come up.
    pub fn known(&self, now: Duration) -> Vec<LinkState> {
        let counting = self.words.iter().filter(|(_, word)| word.counts(now));
        counting.map(|(domain, word)| word.said_by(domain, now)).collect()
    }

    /// All directions of links that nothing can be sent over: of the own domain what this node sees itself, of every other what it says, and all where it is silent.
    pub fn down(
        &self,
        topology: &Topology,
        own_down: &[DomainName],
        now: Duration,
    ) -> HashSet<LinkDirection> {
        let direction = |from: &DomainName, to: &DomainName| LinkDirection {
            from: from.clone(),
            to: to.clone(),
        };
        let mut down: HashSet<LinkDirection> = own_down.iter().map(|to| direction(&self.own, to)).collect();
        let starting = now < self.started.saturating_add(STARTING);
        for domain in topology.domains() {
            let from = &domain.name;
            if *from == self.own {
                continue;
            }
            match self.words.get(from) {
                Some(word) if word.counts(now) => down.extend(word.down.iter().map(|to| direction(from, to))),
                None if starting => {}
                _ => down.extend(
                    topology
                        .neighbours(from)
                        .into_iter()
                        .map(|to| direction(from, to)),
                ),
            }
        }
        down
    }

    /// When something changes next without anything being heard: a domain becomes silent, or the own one has to speak again. In the past where that is due now.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let ends = self.words.values().map(Word::ends_at).filter(|end| *end > now);
        let starting = Some(self.started.saturating_add(STARTING)).filter(|end| *end > now);
        let repeats = self.said.as_ref().map(|said| self.repeats_at(said));
        ends.chain(starting).chain(repeats).min()
    }
}
