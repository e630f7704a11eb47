//! Messages for users who are away, and then their coming back for them.

use crate::clients::{Clients, End};
use crate::clock::{MS, SECOND};
use crate::error::LoadError;
use crate::protocol::LoginOptions;
use crate::scenario::exchange::Exchange;
use crate::scenario::{Scenario, note_end};
use crate::sockets::ClientId;
use crate::stream_check::{Heard, StreamCheck};
use crate::tally::Tally;
use crate::wire::{Incoming, Stamp, append_fetch};

/// The phases, in order.
pub(crate) const PHASES: &[&str] = &["log in", "store", "rest", "come back", "drain", "listen", "end"];
/// Indices into [`PHASES`].
pub(crate) const STORE: u32 = 1;
pub(crate) const REST: u32 = 2;
pub(crate) const COME_BACK: u32 = 3;
pub(crate) const DRAIN: u32 = 4;
pub(crate) const LISTEN: u32 = 5;
const END: u32 = 6;

/// How long the server has to finish storing before anybody comes back.
const REST_NS: u64 = 1_000 * MS;
/// Draining is given up when nothing has come for this long.
const STALL_NS: u64 = 10 * SECOND;
/// How long to listen for repetitions at the end.
const LINGER_NS: u64 = 300 * MS;

/// How a user who comes back asks for what was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Asking {
    /// `options.replay` at login.
    Replay,
    /// `FETCH_MISSING_MESSAGES_REQUEST`, page by page, all users at once after all have logged in.
    Fetch,
}

/// What a drain run shall do beyond storing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainPlan {
    pub(crate) senders: u32,
    pub(crate) users: u32,
    pub(crate) asking: Asking,
    /// Messages a page, for [`Asking::Fetch`].
    pub(crate) page: u32,
    /// Whether the senders expect a confirmation of each drained message.
    pub(crate) confirmations: bool,
    /// Whether the server tells a user that nothing is left.
    pub(crate) says_when_empty: bool,
}

/// A running drain. Clients 0 to `senders` store, the `users` after them come back.
pub(crate) struct Drain {
    plan: DrainPlan,
    store: Exchange,
    absent_ids: Vec<String>,
    checks: Vec<StreamCheck>,
    expected: Vec<u32>,
    /// Users that have been told nothing is left.
    emptied: Vec<bool>,
    emptied_count: u32,
    phase: u32,
    phase_since_ns: u64,
    last_event_ns: u64,
}

impl Drain {
    /// Stores with `store`, whose recipients must be `absent_ids`.
    pub(crate) fn new(plan: DrainPlan, store: Exchange, absent_ids: Vec<String>) -> Self {
        let users = plan.users as usize;
        Self {
            plan,
            store,
            absent_ids,
            checks: (0..users).map(|_| StreamCheck::default()).collect(),
            expected: vec![0; users],
            emptied: vec![false; users],
            emptied_count: 0,
            phase: 0,
            phase_since_ns: 0,
            last_event_ns: 0,
        }
    }

    /// How many messages sender `user % senders` has sent to `user`, its turns going round its users.
    fn sent_to(&self, user: u32) -> u32 {
        let share = self.plan.users / self.plan.senders;
        let turn = user / self.plan.senders;
        let sent = self.store.sent_by(user % self.plan.senders);
        (sent + share - 1 - turn) / share
    }

    fn enter(&mut self, clients: &mut Clients, phase: u32, now: u64) {
        self.phase = phase;
        self.phase_since_ns = now;
        self.last_event_ns = now;
        match phase {
            COME_BACK => {
                self.expected = (0..self.plan.users).map(|user| self.sent_to(user)).collect();
                let options = LoginOptions {
                    replay: self.plan.asking == Asking::Replay,
                    ..LoginOptions::default()
                };
                for (id, user_id) in (self.plan.senders..).zip(&self.absent_ids) {
                    clients.open(id, user_id, options);
                }
            }
            DRAIN if self.plan.asking == Asking::Fetch => {
                for id in self.plan.senders..self.plan.senders + self.plan.users {
                    self.fetch(clients, id);
                }
            }
            END => self.count_lost(),
            _ => {}
        }
    }

    fn fetch(&self, clients: &mut Clients, id: ClientId) {
        if let Some(out) = clients.outgoing(id) {
            append_fetch(out, self.plan.page);
        }
    }

    fn phase_done(&mut self, clients: &Clients, now: u64) -> bool {
        let lasted_ns = now.saturating_sub(self.phase_since_ns);
        match self.phase {
            0 => self
                .store
                .reporter()
                .start_ns()
                .is_some_and(|start_ns| start_ns <= now),
            STORE => self.store.finished(),
            REST => lasted_ns > REST_NS,
            // With replay the messages come along with the logins, so draining is all of it.
            COME_BACK => {
                self.plan.asking == Asking::Replay || clients.ready() == self.plan.senders + self.plan.users
            }
            DRAIN => self.drained() || now.saturating_sub(self.last_event_ns) > STALL_NS,
            LISTEN => lasted_ns > LINGER_NS,
            _ => false,
        }
    }

    fn drained(&mut self) -> bool {
        let counts = &self.store.tally_mut().counts;
        let confirmed = !self.plan.confirmations || counts.confirmed >= counts.delivered;
        let emptied = if self.plan.says_when_empty {
            self.emptied_count == self.plan.users
        } else {
            let expected: u64 = self.expected.iter().copied().map(u64::from).sum();
            counts.delivered + counts.refused + counts.unanswered >= expected
        };
        emptied && confirmed
    }

    fn count_lost(&mut self) {
        let missing: u64 = self
            .checks
            .iter()
            .zip(&self.expected)
            .map(|(check, expected)| check.lost(*expected))
            .sum();
        let counts = &mut self.store.tally_mut().counts;
        // What was refused or never accepted was not promised.
        counts.lost = missing.saturating_sub(counts.refused + counts.unanswered);
    }

    fn on_message(&mut self, id: ClientId, stamp: Option<Stamp>, now: u64) {
        let (senders, users) = (self.plan.senders, self.plan.users);
        let share = users / senders;
        let user = id.wrapping_sub(senders);
        let Some(stamp) = stamp else {
            self.store.tally_mut().counts.foreign += 1;
            return;
        };
        let (position, turn) = (stamp.sequence / share, stamp.sequence % share);
        let expected = self.expected.get(user as usize).copied().unwrap_or(0);
        let own = user == turn * senders + stamp.sender && position < expected;
        let Some(check) = self.checks.get_mut(user as usize).filter(|_| own) else {
            self.store.tally_mut().counts.misdelivered += 1;
            return;
        };
        let heard = check.hear(position);
        let counts = &mut self.store.tally_mut().counts;
        match heard {
            Heard::Next => {}
            Heard::OutOfOrder => counts.out_of_order += 1,
            Heard::Duplicate => {
                counts.duplicates += 1;
                return;
            }
        }
        counts.delivered += 1;
        self.last_event_ns = now;
    }

    fn on_complete(&mut self, clients: &mut Clients, id: ClientId, left: u64) {
        if left > 0 {
            self.fetch(clients, id);
            return;
        }
        let user = id.wrapping_sub(self.plan.senders) as usize;
        if let Some(emptied) = self.emptied.get_mut(user)
            && !std::mem::replace(emptied, true)
        {
            self.emptied_count += 1;
        }
    }
}

impl Scenario for Drain {
    fn on_ready(&mut self, _: &mut Clients, _: ClientId, _: u64, _: u64) {}

    fn on_frame(&mut self, clients: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64) {
        match frame {
            Incoming::Message(stamp) if id >= self.plan.senders => self.on_message(id, stamp, now),
            Incoming::FetchComplete { left } => self.on_complete(clients, id, left),
            frame => {
                if matches!(frame, Incoming::Confirmation(_)) {
                    self.last_event_ns = now;
                }
                self.store.on_frame(clients, id, frame, now);
            }
        }
    }

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, _: u64) {
        note_end(self.store.tally_mut(), clients, id, end);
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        let mut wake_ns = now + 10 * MS;
        if self.phase <= STORE {
            wake_ns = self.store.step(clients, now)?.min(wake_ns);
        } else {
            self.store.tally_mut().refuse_failed_login()?;
        }
        let seen = self.store.reporter().phase_seen(self.phase);
        if seen && self.phase != END && self.phase_done(clients, now) {
            self.enter(clients, self.phase + 1, now);
        }
        let phase = self.phase;
        let (reporter, tally) = self.store.reporter_mut();
        reporter.publish(phase, clients, &tally.counts, 0, now);
        Ok(wake_ns)
    }

    fn finished(&self) -> bool {
        self.phase == END && self.store.reporter().phase_seen(END)
    }

    fn into_tally(self) -> Tally {
        self.store.into_tally()
    }
}
