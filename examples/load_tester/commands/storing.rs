//! Messages for users who are away: `store` and `drain`.

use super::{Bench, MEASURED, Share};
use crate::cli::{DrainArguments, Feature, StoreArguments, StoringArguments, TargetKind};
use crate::clients::Clients;
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::flight::Goal;
use crate::protocol::{LoginOptions, Writer};
use crate::report::{Label, Span, Work};
use crate::runner::run;
use crate::scenario::TIMED_PHASES;
use crate::scenario::drain::{self, Asking, Drain, DrainPlan};
use crate::scenario::exchange::{Exchange, ExchangePlan, Pacing, Recipients};
use crate::wire::{MessageShape, RunTag};

/// How far above the first user the absent ones begin.
const ABSENT_OFFSET: u64 = 5_000_000;

impl Bench<'_> {
    pub(super) fn store(&mut self, arguments: &StoreArguments) -> Result<(), LoadError> {
        let storing = arguments.storing;
        let (pacing, load) = match arguments.rate {
            Some(rate) => (
                self.paced(f64::from(rate)),
                format!("{} at {rate}/s", storing.senders),
            ),
            None => (
                Pacing::Window(storing.in_flight),
                format!("{}×{}", storing.senders, storing.in_flight),
            ),
        };
        self.visit_first(storing, ABSENT_OFFSET)?;
        let run_plan = self.run_plan(format!("store {load}"), TIMED_PHASES, storing.senders, 0)?;
        let messages_max = arguments.messages / u64::from(self.common.threads);
        let seconds = (self.common.warm_up, self.common.seconds);
        let outcome = self.run_exchange(&run_plan, |thread| {
            self.storing_plan(storing, thread, pacing, seconds, messages_max, false)
        })?;
        self.add(
            Label {
                feature: "RELIABLE",
                load,
                size: Some(storing.size),
                work: Work::Accepted,
                span: MEASURED,
            },
            &outcome,
        );
        let stored = outcome.tally.counts.answered;
        self.report.notes.push(format!(
            "{stored} messages now wait in the server's store for users who stay away"
        ));
        Ok(())
    }

    fn storing_plan(
        &self,
        storing: StoringArguments,
        thread: u32,
        pacing: Pacing,
        (warm_up, seconds): (u64, u64),
        messages_max: u64,
        confirm: bool,
    ) -> ExchangePlan {
        let senders = self.share(storing.senders, thread);
        let users_per_sender = storing.users.div_ceil(storing.senders);
        let absent = Share {
            first: senders.first * users_per_sender,
            count: senders.count * users_per_sender,
        };
        ExchangePlan {
            user_ids: self.user_ids(0, senders),
            absent_ids: self.user_ids(ABSENT_OFFSET, absent),
            login_options: LoginOptions {
                accepted: true,
                ..LoginOptions::default()
            },
            pacing,
            recipients: Recipients::Absent {
                count: users_per_sender,
            },
            goal: Goal::Answer,
            shape: MessageShape {
                feature: Feature::Reliable,
                size: storing.size as usize,
                with_reference: true,
                with_confirmation: confirm,
                to_group: false,
            },
            warm_up_ns: warm_up * SECOND,
            measure_ns: seconds * SECOND,
            timeout_ns: self.common.timeout * SECOND,
            messages_max,
        }
    }

    pub(super) fn drain(&mut self, arguments: &DrainArguments) -> Result<(), LoadError> {
        const STORE_SECONDS_MAX: u64 = 600;
        let storing = arguments.storing;
        let users = storing.users.div_ceil(storing.senders) * storing.senders;
        let load = format!("{users} users, {:?}", arguments.asking).to_lowercase();
        self.visit_first(storing, ABSENT_OFFSET)?;
        let mut run_plan = self.run_plan(
            format!("drain {load}"),
            drain::PHASES,
            storing.senders + users,
            2 * STORE_SECONDS_MAX * SECOND,
        )?;
        run_plan.clients_first = storing.senders;
        let tag = RunTag::fresh();
        let messages_max = arguments.messages / u64::from(self.common.threads);
        let outcome = run(&run_plan, |thread, reporter| {
            let pacing = Pacing::Window(storing.in_flight);
            let limits = (0, STORE_SECONDS_MAX);
            let plan = self.storing_plan(storing, thread, pacing, limits, messages_max, arguments.confirm);
            let drain_plan = DrainPlan {
                senders: plan.user_ids.len() as u32,
                users: plan.absent_ids.len() as u32,
                asking: arguments.asking,
                page: arguments.page,
                confirmations: arguments.confirm,
                says_when_empty: self.target.kind == TargetKind::Linker,
            };
            let absent_ids = plan.absent_ids.clone();
            let mut clients = Clients::new(
                self.target.client_settings(self.common, tag),
                drain_plan.senders + drain_plan.users,
            )?;
            let writer = Writer::new(self.target.kind, tag, plan.shape);
            let store = Exchange::new(plan, writer, reporter)?;
            store.open_all(&mut clients);
            Ok((clients, Drain::new(drain_plan, store, absent_ids)))
        })?;
        let from = match arguments.asking {
            Asking::Replay => drain::COME_BACK,
            Asking::Fetch => drain::DRAIN,
        };
        let span = Span {
            from,
            until: drain::LISTEN,
        };
        self.add(
            Label {
                feature: "RELIABLE",
                load,
                size: Some(storing.size),
                work: Work::Delivered,
                span,
            },
            &outcome,
        );
        Ok(())
    }
}
