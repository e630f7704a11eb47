//! Sessions themselves: `logins` and `idle`.

use super::{Bench, MEASURED};
use crate::cli::{IdleArguments, LoginsArguments};
use crate::clients::Clients;
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::protocol::Writer;
use crate::report::{Label, SessionsRow, Work};
use crate::runner::{Outcome, run};
use crate::scenario::TIMED_PHASES;
use crate::scenario::idle::{self, Idle, IdlePlan};
use crate::scenario::logins::{Logins, LoginsPlan};
use crate::wire::{MessageShape, RunTag};

impl Bench<'_> {
    pub(super) fn logins(&mut self, arguments: &LoginsArguments) -> Result<(), LoadError> {
        if arguments.users < arguments.at_once {
            return Err(LoadError::Usage("--users must be at least --at-once".to_owned()));
        }
        let load = format!("{} at once", arguments.at_once);
        let mut run_plan = self.run_plan(format!("logins, {load}"), TIMED_PHASES, arguments.at_once, 0)?;
        run_plan.clients_first = 0;
        let tag = RunTag::fresh();
        let outcome = run(&run_plan, |thread, reporter| {
            let clients_here = self.share(arguments.at_once, thread).count;
            let mut settings = self.target.client_settings(self.common, tag);
            settings.opening_max = clients_here;
            let clients = Clients::new(settings, clients_here)?;
            let plan = LoginsPlan {
                clients: clients_here,
                user_ids: self.user_ids(0, self.share(arguments.users, thread)),
                warm_up_ns: self.common.warm_up * SECOND,
                measure_ns: self.common.seconds * SECOND,
            };
            Ok((clients, Logins::new(plan, reporter)?))
        })?;
        self.add(
            Label {
                feature: "login",
                load,
                size: None,
                work: Work::LoggedIn,
                span: MEASURED,
            },
            &outcome,
        );
        Ok(())
    }

    pub(super) fn idle(&mut self, arguments: &IdleArguments) -> Result<(), LoadError> {
        let shape = MessageShape {
            feature: arguments.message.feature,
            size: arguments.message.size as usize,
            with_reference: false,
            with_confirmation: false,
            to_group: false,
        };
        let timeout_ns = self.common.timeout * SECOND;
        let extra_ns = 2 * arguments.settle * SECOND + self.common.seconds * SECOND + 300 * SECOND;
        let name = format!("{} idle sessions", arguments.sessions);
        let mut run_plan = self.run_plan(name, idle::PHASES, arguments.sessions, extra_ns)?;
        run_plan.clients_first = 0;
        if run_plan.server.is_none() {
            return Err(LoadError::Server(
                "whose memory? The server's process was not found: name it by --pid".to_owned(),
            ));
        }
        let tag = RunTag::fresh();
        let outcome = run(&run_plan, |thread, reporter| {
            let share = self.share(arguments.sessions, thread);
            let clients = Clients::new(self.target.client_settings(self.common, tag), share.count)?;
            let plan = IdlePlan {
                user_ids: self.user_ids(0, share),
                burst: arguments.burst,
                settle_ns: arguments.settle * SECOND,
                measure_ns: self.common.seconds * SECOND,
                timeout_ns,
            };
            Ok((
                clients,
                Idle::new(plan, Writer::new(self.target.kind, tag, shape), reporter)?,
            ))
        })?;
        self.add_sessions(arguments, &outcome);
        Ok(())
    }

    fn add_sessions(&mut self, arguments: &IdleArguments, outcome: &Outcome) {
        let reading = |phase: u32| outcome.mark(phase).and_then(|mark| mark.server.as_ref());
        let base = reading(idle::BASE);
        let idle_percent = |from: u32| {
            let (before, after) = (outcome.mark(from)?, outcome.mark(from + 1)?);
            let cpu_ns = after.server.as_ref()?.cpu_ns_since(before.server.as_ref()?);
            Some(cpu_ns as f64 / after.at_ns.saturating_sub(before.at_ns).max(1) as f64 * 100.0)
        };
        let sessions = u64::from(arguments.sessions);
        let mut stages = vec![("no session yet", idle::BASE), ("idle", idle::IDLE)];
        if arguments.burst > 0 {
            stages.push(("idle after a burst", idle::AFTER_BURST));
        }
        for (stage, phase) in stages {
            let Some(reading) = reading(phase) else { continue };
            let (here, base, percent) = if phase == idle::BASE {
                (0, None, None)
            } else {
                (sessions, base, idle_percent(phase))
            };
            self.report.sessions.push(SessionsRow::new(
                self.target.kind,
                stage,
                here,
                reading,
                base,
                percent,
            ));
        }
        let counts = &outcome.tally.counts;
        if !counts.flawless() {
            self.report
                .notes
                .push(format!("the burst had faults: {counts:?}"));
        }
        for (why, count) in &outcome.tally.disconnects {
            self.report
                .notes
                .push(format!("idle: ended connections: {why} × {count}"));
        }
    }
}
