//! Keeps book of what was promised and what came of it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use linker_core::envelope::{Envelope, Kind};
use linker_core::id::UserId;

/// A message, however often it was sent.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) has_reference: bool,
    pub(crate) confirm: bool,
    pub(crate) sent_at: Duration,
    pub(crate) accepted: bool,
    pub(crate) arrived_at: Option<Duration>,
    pub(crate) arrivals: u32,
    pub(crate) confirmed: bool,
    pub(crate) is_repeated: bool,
    /// It had to go on at home before the one before it had come.
    pub(crate) waited_too_long: bool,
    /// Links it has crossed, all copies together, and the longest path of one that arrived.
    pub(crate) crossings: u32,
    pub(crate) path: usize,
}

/// What is worth telling of a world that did well.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) repetitions: u64,
    /// Inversions, by what excuses them.
    pub(crate) excused_by_wait: u64,
    pub(crate) excused_by_faults: u64,
    pub(crate) longest_path: usize,
    pub(crate) most_crossings: u32,
    /// From sent to first arrival, the longest.
    pub(crate) slowest: Duration,
    /// Until all was quiet.
    pub(crate) quiet_after: Duration,
    pub(crate) events: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.repetitions += other.repetitions;
        self.excused_by_wait += other.excused_by_wait;
        self.excused_by_faults += other.excused_by_faults;
        self.longest_path = self.longest_path.max(other.longest_path);
        self.most_crossings = self.most_crossings.max(other.most_crossings);
        self.slowest = self.slowest.max(other.slowest);
        self.quiet_after = self.quiet_after.max(other.quiet_after);
        self.events += other.events;
    }
}

pub(crate) struct Checker {
    pub(crate) messages: Vec<Message>,
    /// When each domain's node died, or lost what it had read.
    pub(crate) crashes: Vec<Vec<Duration>>,
    /// When each user moved, or was logged out.
    moves: Vec<Vec<Duration>>,
    arrivals: HashMap<(usize, usize), Vec<usize>>,
}

/// The number of a message, or of the one that a confirmation is for.
fn number_of(envelope: &Envelope) -> usize {
    let text = match &envelope.reference {
        Some(reference) => reference,
        None => std::str::from_utf8(&envelope.content).unwrap(),
    };
    text.parse().unwrap()
}

fn place_of(user: &UserId) -> usize {
    user.number() as usize / 10
}

impl Checker {
    pub(crate) fn new(domains: usize, users: usize) -> Self {
        Self {
            messages: Vec::new(),
            crashes: vec![Vec::new(); domains],
            moves: vec![Vec::new(); users],
            arrivals: HashMap::new(),
        }
    }

    pub(crate) fn sent(
        &mut self,
        from: usize,
        to: usize,
        has_reference: bool,
        confirm: bool,
        now: Duration,
    ) -> usize {
        self.messages.push(Message {
            from,
            to,
            has_reference,
            confirm,
            sent_at: now,
            accepted: false,
            arrived_at: None,
            arrivals: 0,
            confirmed: false,
            is_repeated: false,
            waited_too_long: false,
            crossings: 0,
            path: 0,
        });
        self.messages.len() - 1
    }

    pub(crate) fn accepted(&mut self, number: u64) {
        self.messages[number as usize].accepted = true;
    }

    pub(crate) fn unanswered(&self) -> Vec<usize> {
        let open = |number: &usize| !self.messages[*number].accepted && !self.messages[*number].confirmed;
        (0..self.messages.len()).filter(open).collect()
    }

    pub(crate) fn crosses(&mut self, envelope: &Envelope) {
        if envelope.kind.counts() {
            self.messages[number_of(envelope)].crossings += 1;
        }
    }

    pub(crate) fn waited_too_long(&mut self, envelope: &Envelope) {
        if envelope.kind.counts() {
            self.messages[number_of(envelope)].waited_too_long = true;
        }
    }

    pub(crate) fn left(&mut self, user: &UserId, now: Duration) {
        self.moves[place_of(user)].push(now);
    }

    pub(crate) fn received(&mut self, user: &UserId, envelope: &Envelope, now: Duration) {
        let number = number_of(envelope);
        let message = &mut self.messages[number];
        if envelope.kind == Kind::Confirmation {
            assert_eq!(place_of(user), message.from, "a confirmation for another one");
            assert!(message.confirm, "nobody has asked for this confirmation");
            assert!(message.arrived_at.is_some(), "confirmed before it arrived");
            message.confirmed = true;
            return;
        }
        assert_eq!(place_of(user), message.to, "a message for another one");
        assert_eq!(place_of(&envelope.from), message.from, "of another one");
        message.arrivals += 1;
        let path = envelope.trail.as_ref().map_or(0, |trail| trail.path.len());
        message.path = message.path.max(path);
        if message.arrived_at.is_none() {
            message.arrived_at = Some(now);
            let pair = (message.from, message.to);
            self.arrivals.entry(pair).or_default().push(number);
        }
    }

    /// What is still owed to somebody.
    pub(crate) fn missing(&self) -> Vec<String> {
        let lost = |message: &&Message| {
            // Of what nobody was told it is safe a crash may take the confirmation.
            message.accepted && (message.arrived_at.is_none() || message.confirm && !message.confirmed)
        };
        let messages = self.messages.iter().enumerate();
        let missing = messages.filter(|(_, message)| lost(message));
        missing
            .map(|(number, message)| format!("{number}: {message:?}"))
            .collect()
    }

    fn happened(times: &[Duration], from: Duration, to: Duration) -> bool {
        times.iter().any(|at| *at >= from && *at <= to)
    }

    /// What came in another order than it was sent has an excuse.
    pub(crate) fn check_order(&self, homes: &[Vec<usize>], tally: &mut Tally) {
        let mut inversions = BTreeMap::new();
        for arrived in self.arrivals.values() {
            let mut largest = 0;
            for number in arrived {
                if *number < largest {
                    inversions.insert(*number, largest);
                }
                largest = largest.max(*number);
            }
        }
        for (late, early) in inversions {
            let (first, last) = (&self.messages[late], &self.messages[early]);
            let pair = (first.from, first.to);
            let (sent_at, arrived_at) = (first.sent_at, first.arrived_at.unwrap());
            let between = self.messages[late + 1..=early].iter();
            let mut between = between.filter(|message| (message.from, message.to) == pair);
            if between.any(|message| message.waited_too_long) {
                tally.excused_by_wait += 1;
                continue;
            }
            let people = [pair.0, pair.1];
            let moved = people.iter().any(|user| {
                Self::happened(&self.moves[*user], Duration::ZERO, arrived_at) || homes[*user].len() > 1
            });
            let crashed = people
                .iter()
                .flat_map(|user| &homes[*user])
                .any(|home| Self::happened(&self.crashes[*home], sent_at, arrived_at));
            if moved || crashed || first.is_repeated {
                tally.excused_by_faults += 1;
                continue;
            }
            panic!("{early} came before {late} without an excuse: {last:?}, {first:?}");
        }
    }

    pub(crate) fn tally(&self, tally: &mut Tally) {
        for message in &self.messages {
            tally.messages += 1;
            tally.repetitions += u64::from(message.arrivals.saturating_sub(1));
            let took = message.arrived_at.map(|at| at - message.sent_at);
            tally.slowest = tally.slowest.max(took.unwrap_or_default());
            tally.longest_path = tally.longest_path.max(message.path);
            tally.most_crossings = tally.most_crossings.max(message.crossings);
        }
    }
}
