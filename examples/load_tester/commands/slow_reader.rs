//! Readers that do not read: `slow-reader`.

use super::{Bench, MEASURED, Share};
use crate::cli::{Feature, SlowReaderArguments};
use crate::clients::Clients;
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::flight::Goal;
use crate::protocol::{LoginOptions, Writer};
use crate::report::{Label, Work};
use crate::runner::run;
use crate::scenario::TIMED_PHASES;
use crate::scenario::exchange::{Exchange, ExchangePlan, Recipients};
use crate::scenario::slow_reader::SlowReader;
use crate::wire::{MessageShape, RunTag};

/// How far above the first user the readers begin.
const READERS_OFFSET: u64 = 6_000_000;

impl Bench<'_> {
    pub(super) fn slow_reader(&mut self, arguments: &SlowReaderArguments) -> Result<(), LoadError> {
        let reliable = arguments.message.feature == Feature::Reliable;
        let readers_each = arguments.readers.div_ceil(arguments.senders);
        let readers = readers_each * arguments.senders;
        let load = format!("{readers} readers at {}/s", arguments.rate);
        let connections = arguments.senders + readers;
        let name = format!("slow {} {load}", arguments.message.feature.name());
        let run_plan = self.run_plan(name, TIMED_PHASES, connections, 0)?;
        let tag = RunTag::fresh();
        let outcome = run(&run_plan, |thread, reporter| {
            let senders = self.share(arguments.senders, thread);
            let readers = Share {
                first: senders.first * readers_each,
                count: senders.count * readers_each,
            };
            let reader_ids = self.user_ids(READERS_OFFSET, readers);
            let plan = ExchangePlan {
                user_ids: self.user_ids(0, senders),
                absent_ids: reader_ids.clone(),
                login_options: LoginOptions {
                    accepted: reliable,
                    ..LoginOptions::default()
                },
                pacing: self.paced(f64::from(arguments.rate)),
                recipients: Recipients::Absent { count: readers_each },
                goal: if reliable { Goal::Answer } else { Goal::Sent },
                shape: MessageShape {
                    feature: arguments.message.feature,
                    size: arguments.message.size as usize,
                    with_reference: reliable,
                    with_confirmation: false,
                    to_group: false,
                },
                warm_up_ns: self.common.warm_up * SECOND,
                measure_ns: self.common.seconds * SECOND,
                timeout_ns: self.common.timeout * SECOND,
                messages_max: u64::MAX,
            };
            let settings = self.target.client_settings(self.common, tag);
            let mut clients = Clients::new(settings, senders.count + readers.count)?;
            let writer = Writer::new(self.target.kind, tag, plan.shape);
            let sending = Exchange::new(plan, writer, reporter)?;
            let scenario = SlowReader::new(sending, senders.count, &reader_ids, &mut clients);
            Ok((clients, scenario))
        })?;
        let work = if reliable { Work::Accepted } else { Work::Sent };
        self.add(
            Label {
                feature: arguments.message.feature.name(),
                load,
                size: Some(arguments.message.size),
                work,
                span: MEASURED,
            },
            &outcome,
        );
        Ok(())
    }
}
