//! Sessions that do nothing: what they cost the server in memory, before and after they have done something.

use crate::clients::{Clients, End};
use crate::clock::MS;
use crate::error::LoadError;
use crate::gauges::Reporter;
use crate::protocol::{LoginOptions, Writer};
use crate::scenario::{Scenario, note_end};
use crate::sockets::ClientId;
use crate::stream_check::{Heard, StreamCheck};
use crate::tally::Tally;
use crate::wire::{Incoming, Stamp};

/// The phases, in order. Memory is read when one begins.
pub(crate) const PHASES: &[&str] = &[
    "first sessions",
    "none left",
    "log in",
    "settle",
    "idle",
    "burst",
    "settle",
    "idle after burst",
    "end",
];
/// Indices into [`PHASES`]: no session yet, all logged in and idle, idle after a burst, the end.
pub(crate) const BASE: u32 = 1;
pub(crate) const IDLE: u32 = 4;
pub(crate) const AFTER_BURST: u32 = 7;
const FIRST: u32 = 0;
const LOG_IN: u32 = 2;
const SETTLE: u32 = 3;
const BURST: u32 = 5;
const SETTLE_AGAIN: u32 = 6;
pub(crate) const END: u32 = 8;

/// How many sessions come and go before the first reading, so that what the server needs once is not counted.
const FIRST_SESSIONS: u32 = 64;
/// Sessions in their burst at once.
const BURSTING_MAX: u32 = 100;
/// How long the server has to clear up before the first reading.
const CLEAR_UP_NS: u64 = 1_000 * MS;

/// What an idle run shall do.
#[derive(Clone, Debug)]
pub(crate) struct IdlePlan {
    pub(crate) user_ids: Vec<String>,
    /// Messages each session sends to itself, all at once; 0 for no burst.
    pub(crate) burst: u32,
    /// How long the sessions rest before memory is read.
    pub(crate) settle_ns: u64,
    /// How long they are watched idling.
    pub(crate) measure_ns: u64,
    /// Longest a burst of all sessions may take without any arrival.
    pub(crate) timeout_ns: u64,
}

/// A running idle scenario.
pub(crate) struct Idle {
    plan: IdlePlan,
    writer: Writer,
    checks: Vec<StreamCheck>,
    heard: Vec<u32>,
    phase: u32,
    phase_since_ns: u64,
    /// Clients of the first round that have not ended yet.
    first_open: u32,
    next_to_burst: u32,
    bursting: u32,
    last_event_ns: u64,
    reporter: Reporter,
    tally: Tally,
}

impl Idle {
    /// # Errors
    /// As [`Tally::new`].
    pub(crate) fn new(plan: IdlePlan, writer: Writer, reporter: Reporter) -> Result<Self, LoadError> {
        let sessions = plan.user_ids.len();
        Ok(Self {
            writer,
            checks: (0..sessions).map(|_| StreamCheck::default()).collect(),
            heard: vec![0; sessions],
            phase: FIRST,
            phase_since_ns: 0,
            first_open: 0,
            next_to_burst: 0,
            bursting: 0,
            last_event_ns: 0,
            reporter,
            tally: Tally::new()?,
            plan,
        })
    }

    fn open(&self, clients: &mut Clients, count: u32) {
        for (id, user_id) in (0..count).zip(&self.plan.user_ids) {
            clients.open(id, user_id, LoginOptions::default());
        }
    }

    /// Has `id` send `count` messages to itself.
    fn burst(&mut self, clients: &mut Clients, id: ClientId, count: u32, now: u64) {
        let Some(out) = clients.outgoing(id) else { return };
        let user_id = self.plan.user_ids.get(id as usize).map_or("", String::as_str);
        for sequence in 0..count {
            self.writer.append(
                out,
                user_id.as_bytes(),
                Stamp {
                    sender: id,
                    sequence,
                    time_ns: now,
                },
            );
        }
        self.tally.counts.sent += u64::from(count);
    }

    fn burst_more(&mut self, clients: &mut Clients, now: u64) {
        while self.bursting < BURSTING_MAX && self.next_to_burst < self.plan.user_ids.len() as u32 {
            self.burst(clients, self.next_to_burst, self.plan.burst, now);
            self.next_to_burst += 1;
            self.bursting += 1;
            self.last_event_ns = now;
        }
    }

    fn on_message(&mut self, clients: &mut Clients, id: ClientId, stamp: Stamp, now: u64) {
        if self.phase == FIRST {
            clients.close(id, now);
            return;
        }
        let (Some(check), Some(heard)) = (self.checks.get_mut(id as usize), self.heard.get_mut(id as usize))
        else {
            return;
        };
        let counts = &mut self.tally.counts;
        if stamp.sender != id || stamp.sequence >= self.plan.burst {
            counts.misdelivered += 1;
            return;
        }
        match check.hear(stamp.sequence) {
            Heard::Next => {}
            Heard::OutOfOrder => counts.out_of_order += 1,
            Heard::Duplicate => {
                counts.duplicates += 1;
                return;
            }
        }
        counts.delivered += 1;
        *heard += 1;
        self.last_event_ns = now;
        self.reporter.latency(now.saturating_sub(stamp.time_ns));
        if *heard == self.plan.burst {
            self.bursting -= 1;
            self.burst_more(clients, now);
        }
    }

    /// Whether the present phase has done its work.
    fn phase_done(&mut self, clients: &mut Clients, now: u64) -> bool {
        let lasted_ns = now.saturating_sub(self.phase_since_ns);
        let sessions = self.plan.user_ids.len() as u32;
        match self.phase {
            FIRST => self.first_open == 0 && lasted_ns > CLEAR_UP_NS,
            BASE => true,
            LOG_IN => clients.ready() == sessions,
            SETTLE | SETTLE_AGAIN => lasted_ns > self.plan.settle_ns,
            IDLE | AFTER_BURST => lasted_ns > self.plan.measure_ns,
            BURST => {
                self.burst_more(clients, now);
                let stuck = now.saturating_sub(self.last_event_ns) > self.plan.timeout_ns;
                self.bursting == 0 || stuck
            }
            _ => false,
        }
    }

    fn enter(&mut self, clients: &mut Clients, phase: u32, now: u64) {
        self.phase = phase;
        self.phase_since_ns = now;
        match phase {
            LOG_IN => self.open(clients, u32::MAX),
            BURST if self.plan.burst == 0 => self.phase = END,
            SETTLE_AGAIN => {
                let burst = self.plan.burst;
                self.tally.counts.lost = self.checks.iter().map(|check| check.lost(burst)).sum();
            }
            _ => {}
        }
    }
}

impl Scenario for Idle {
    fn on_ready(&mut self, clients: &mut Clients, id: ClientId, _: u64, now: u64) {
        if self.phase == FIRST {
            self.burst(clients, id, 1, now);
        }
    }

    fn on_frame(&mut self, clients: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64) {
        match frame {
            Incoming::Message(Some(stamp)) => self.on_message(clients, id, stamp, now),
            Incoming::Message(None) => self.tally.counts.foreign += 1,
            Incoming::Error { code, .. } => {
                *self.tally.errors.entry(code.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, _: u64) {
        note_end(&mut self.tally, clients, id, end);
        if self.phase == FIRST {
            self.first_open = self.first_open.saturating_sub(1);
        }
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        self.tally.refuse_failed_login()?;
        if self.phase_since_ns == 0 {
            self.phase_since_ns = now;
            self.first_open = FIRST_SESSIONS.min(self.plan.user_ids.len() as u32);
            self.open(clients, self.first_open);
        }
        // The observer must have seen the phase before: it reads the memory when a phase begins.
        let seen = self.reporter.phase_seen(self.phase);
        if seen && self.phase != END && self.phase_done(clients, now) {
            self.enter(clients, self.phase + 1, now);
        }
        let counts = &self.tally.counts;
        self.reporter
            .publish(self.phase, clients, counts, u64::from(self.bursting), now);
        Ok(now + 10 * MS)
    }

    fn finished(&self) -> bool {
        self.phase == END && self.reporter.phase_seen(END)
    }

    fn into_tally(self) -> Tally {
        self.tally
    }
}
