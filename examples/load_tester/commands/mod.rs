//! From the command line to plans, and from outcomes to the report.

mod crowd;
mod exchange;
mod group;
mod sessions;
mod slow_reader;
mod storing;
mod supports;
mod visits;

use std::time::Duration;

use crate::cli::{Command, Common, TargetKind};
use crate::clients::Clients;
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::protocol::Writer;
use crate::report::{Label, Report, Row, Span};
use crate::runner::{Outcome, RunPlan, run};
use crate::scenario::exchange::{Exchange, ExchangePlan, Pacing};
use crate::scenario::{COOL, MEASURE};
use crate::target::{Target, allow_files};
use crate::wire::RunTag;

/// Messages under way at most at a fixed rate, in seconds of it: beyond, the server has lost anyway.
const IN_FLIGHT_SECONDS: f64 = 2.0;
/// Time a run may need beyond what it measures: logging in late, giving up, listening for repetitions.
const SLACK_NS: u64 = 15 * SECOND;
/// Between two runs on one server, for it to see the clients of the first leave.
const PAUSE: Duration = Duration::from_secs(1);
const MEASURED: Span = Span {
    from: MEASURE,
    until: COOL,
};

/// Everything that a scenario needs to run on one server.
pub(crate) struct Bench<'a> {
    pub(crate) common: &'a Common,
    pub(crate) target: &'a Target,
    pub(crate) report: &'a mut Report,
}

impl Bench<'_> {
    /// Runs `command` and adds what came of it to the report.
    ///
    /// # Errors
    /// Whatever kept it from running to its end.
    pub(crate) fn execute(&mut self, command: &Command) -> Result<(), LoadError> {
        supports::check(self.target.kind, command)?;
        match command {
            Command::Closed(arguments) => self.closed(arguments),
            Command::Open(arguments) => self.open(arguments),
            Command::SeedTable(arguments) => self.seed_table(arguments),
            Command::Logins(arguments) => self.logins(arguments),
            Command::Idle(arguments) => self.idle(arguments),
            Command::Crowd(arguments) => self.crowd(arguments),
            Command::Group(arguments) => self.group(arguments),
            Command::Store(arguments) => self.store(arguments),
            Command::Drain(arguments) => self.drain(arguments),
            Command::SlowReader(arguments) => self.slow_reader(arguments),
        }
    }

    fn echoes(&self) -> bool {
        self.target.kind == TargetKind::Echo
    }

    /// A thread's share of `rate` messages a second.
    fn paced(&self, rate: f64) -> Pacing {
        let share = rate / f64::from(self.common.threads);
        let in_flight_max = (share * IN_FLIGHT_SECONDS).max(1000.0) as u64;
        Pacing::Every {
            interval_ns: SECOND as f64 / share,
            in_flight_max,
        }
    }

    fn run_exchange(
        &self,
        run_plan: &RunPlan,
        plan: impl Fn(u32) -> ExchangePlan + Sync,
    ) -> Result<Outcome, LoadError> {
        let tag = RunTag::fresh();
        run(run_plan, |thread, reporter| {
            let plan = plan(thread);
            let count = plan.user_ids.len() as u32;
            let mut clients = Clients::new(self.target.client_settings(self.common, tag), count)?;
            let writer = Writer::new(self.target.kind, tag, plan.shape);
            let exchange = Exchange::new(plan, writer, reporter)?;
            exchange.open_all(&mut clients);
            Ok((clients, exchange))
        })
    }

    /// Adds what came of a run to the report, and gives the server a moment.
    fn add(&mut self, label: Label, outcome: &Outcome) {
        match Row::of(self.target.kind, label, outcome) {
            Some(row) => self.report.rows.push(row),
            None => self
                .report
                .notes
                .push("a run ended before anything was measured".to_owned()),
        }
        std::thread::sleep(PAUSE);
    }

    fn run_plan(
        &self,
        name: String,
        phases: &'static [&'static str],
        connections: u32,
        extra_ns: u64,
    ) -> Result<RunPlan, LoadError> {
        let common = self.common;
        if connections < common.threads {
            return Err(LoadError::Usage(
                "every thread needs at least one connection".to_owned(),
            ));
        }
        allow_files(u64::from(connections))?;
        Ok(RunPlan {
            name: format!("{} {name}", self.target.kind.name()),
            threads: common.threads,
            phases,
            clients_first: connections,
            limit_ns: (common.warm_up + common.seconds + common.timeout) * SECOND + extra_ns + SLACK_NS,
            server: self.target.pid,
        })
    }

    /// Thread `thread`'s share of `total`.
    fn share(&self, total: u32, thread: u32) -> Share {
        let threads = self.common.threads;
        let (each, left) = (total / threads, total % threads);
        Share {
            first: each * thread + left.min(thread),
            count: each + u32::from(thread < left),
        }
    }

    fn user_ids(&self, offset: u64, share: Share) -> Vec<String> {
        let first = self.common.first_user + offset + u64::from(share.first);
        (first..first + u64::from(share.count))
            .map(|number| format!("{}-{number}", self.common.app_name))
            .collect()
    }
}

/// A part of some clients or users.
#[derive(Clone, Copy, Debug)]
struct Share {
    first: u32,
    count: u32,
}

/// The name of `command` as it is typed.
pub(crate) fn name(command: &Command) -> &'static str {
    match command {
        Command::Closed(_) => "closed",
        Command::Open(_) => "open",
        Command::SeedTable(_) => "seed-table",
        Command::Group(_) => "group",
        Command::Idle(_) => "idle",
        Command::Store(_) => "store",
        Command::Drain(_) => "drain",
        Command::SlowReader(_) => "slow-reader",
        Command::Logins(_) => "logins",
        Command::Crowd(_) => "crowd",
    }
}
