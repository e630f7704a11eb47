//! One sender and its groups: `group`.

use super::{Bench, MEASURED, Share};
use crate::cli::GroupArguments;
use crate::clients::Clients;
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::protocol::{Writer, group_recipient};
use crate::report::{Label, Work};
use crate::runner::run;
use crate::scenario::TIMED_PHASES;
use crate::scenario::group::{Group, GroupPlan};
use crate::wire::{MessageShape, RunTag};

impl Bench<'_> {
    pub(super) fn group(&mut self, arguments: &GroupArguments) -> Result<(), LoadError> {
        let members = arguments.groups * arguments.group_size;
        let connections = self.common.threads * (members + 1);
        let shape = MessageShape {
            feature: arguments.message.feature,
            size: arguments.message.size as usize,
            with_reference: false,
            with_confirmation: false,
            to_group: true,
        };
        let load = format!(
            "{}×{} members×{}",
            arguments.groups, arguments.group_size, arguments.in_flight
        );
        let run_plan = self.run_plan(format!("group {load}"), TIMED_PHASES, connections, 0)?;
        let tag = RunTag::fresh();
        let outcome = run(&run_plan, |thread, reporter| {
            let mut clients = Clients::new(self.target.client_settings(self.common, tag), members + 1)?;
            let share = Share {
                first: thread * (members + 1),
                count: members + 1,
            };
            let user_ids = self.user_ids(0, share);
            let first_group = thread * arguments.groups;
            let group_members = user_ids.get(1..).unwrap_or_default();
            let recipients = (first_group..)
                .zip(group_members.chunks(arguments.group_size as usize))
                .map(|(group, members)| group_recipient(self.target.kind, group, members))
                .collect();
            let plan = GroupPlan {
                user_ids,
                recipients,
                first_group,
                groups: arguments.groups,
                group_size: arguments.group_size,
                window: arguments.in_flight,
                warm_up_ns: self.common.warm_up * SECOND,
                measure_ns: self.common.seconds * SECOND,
                timeout_ns: self.common.timeout * SECOND,
            };
            let group = Group::new(plan, Writer::new(self.target.kind, tag, shape), reporter)?;
            group.open_all(&mut clients);
            Ok((clients, group))
        })?;
        let feature = arguments.message.feature.name();
        self.add(
            Label {
                feature,
                load,
                size: Some(arguments.message.size),
                work: Work::Delivered,
                span: MEASURED,
            },
            &outcome,
        );
        Ok(())
    }
}
