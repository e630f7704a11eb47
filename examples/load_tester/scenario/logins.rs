//! Connecting, logging in and closing, over and over, by a bounded number of clients at once.

use crate::clients::{Clients, End};
use crate::error::LoadError;
use crate::gauges::Reporter;
use crate::protocol::LoginOptions;
use crate::scenario::{Scenario, TimedPhase, note_end};
use crate::sockets::ClientId;
use crate::tally::Tally;
use crate::wire::Incoming;

/// What a login run shall do.
#[derive(Clone, Debug)]
pub(crate) struct LoginsPlan {
    /// Clients at once.
    pub(crate) clients: u32,
    /// Users to log in, in turn; more than `clients`, so that no two sessions of one user meet.
    pub(crate) user_ids: Vec<String>,
    pub(crate) warm_up_ns: u64,
    pub(crate) measure_ns: u64,
}

/// A running login scenario. A login counts as delivered when its reply has come.
pub(crate) struct Logins {
    plan: LoginsPlan,
    next_user: usize,
    open: u32,
    reporter: Reporter,
    tally: Tally,
    phase: TimedPhase,
}

impl Logins {
    /// # Errors
    /// As [`Tally::new`].
    pub(crate) fn new(plan: LoginsPlan, reporter: Reporter) -> Result<Self, LoadError> {
        let tally = Tally::new()?;
        Ok(Self {
            plan,
            next_user: 0,
            open: 0,
            reporter,
            tally,
            phase: TimedPhase::default(),
        })
    }

    fn open(&mut self, clients: &mut Clients, id: ClientId) {
        let turn = self.next_user % self.plan.user_ids.len().max(1);
        self.next_user += 1;
        if let Some(user_id) = self.plan.user_ids.get(turn) {
            clients.open(id, user_id, LoginOptions::default());
            self.tally.counts.sent += 1;
            self.open += 1;
        }
    }
}

impl Scenario for Logins {
    fn on_ready(&mut self, clients: &mut Clients, id: ClientId, opened_ns: u64, now: u64) {
        self.tally.counts.delivered += 1;
        let latency_ns = now.saturating_sub(opened_ns);
        self.reporter.latency(latency_ns);
        if self.phase.measures(opened_ns) {
            self.tally.delivery.record(latency_ns);
        }
        clients.close(id, now);
    }

    fn on_frame(&mut self, _: &mut Clients, _: ClientId, frame: Incoming<'_>, _: u64) {
        if let Incoming::Error { code, .. } = frame {
            *self.tally.errors.entry(code.to_owned()).or_default() += 1;
        }
    }

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, now: u64) {
        note_end(&mut self.tally, clients, id, end);
        self.open -= 1;
        if now < self.phase.until_ns() {
            self.open(clients, id);
        }
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        self.tally.refuse_failed_login()?;
        if let Some(start_ns) = self.reporter.start_ns() {
            let first = self.phase.until_ns() == 0;
            self.phase
                .advance(start_ns, self.plan.warm_up_ns, self.plan.measure_ns, now);
            if first {
                for id in 0..self.plan.clients {
                    self.open(clients, id);
                }
            }
            if now >= self.phase.until_ns() && self.open == 0 {
                self.phase.end();
            }
        }
        let counts = &self.tally.counts;
        self.reporter
            .publish(self.phase.number(), clients, counts, u64::from(self.open), now);
        Ok(u64::MAX)
    }

    fn finished(&self) -> bool {
        self.phase.ended()
    }

    fn into_tally(self) -> Tally {
        self.tally
    }
}
