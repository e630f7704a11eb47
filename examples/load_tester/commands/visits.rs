//! Has users who will be away be known first, to servers that keep messages for none but those.

use super::{Bench, Share};
use crate::cli::{StoringArguments, TargetKind};
use crate::clients::Clients;
use crate::clock::SECOND;
use crate::error::LoadError;
use crate::runner::{RunPlan, run};
use crate::scenario::visits::{self, Visits};
use crate::target::allow_files;
use crate::wire::RunTag;

/// Longest that all visits may take.
const VISITS_MAX_NS: u64 = 600 * SECOND;

impl Bench<'_> {
    /// Has all absent users of `storing`, whose numbers begin `offset` above the first, log in once and leave.
    ///
    /// # Errors
    /// If one could not log in.
    pub(super) fn visit_first(&self, storing: StoringArguments, offset: u64) -> Result<(), LoadError> {
        if self.target.kind != TargetKind::Mqtt {
            return Ok(());
        }
        let users = storing.users.div_ceil(storing.senders) * storing.senders;
        let clients_here = self.common.logins_at_once.min(users);
        allow_files(u64::from(clients_here))?;
        let plan = RunPlan {
            name: format!("{} visits", self.target.kind.name()),
            threads: 1,
            phases: visits::PHASES,
            clients_first: 0,
            limit_ns: VISITS_MAX_NS,
            server: None,
        };
        run(&plan, |_, reporter| {
            let mut settings = self.target.client_settings(self.common, RunTag::fresh());
            settings.opening_max = clients_here;
            let everybody = Share {
                first: 0,
                count: users,
            };
            let visits = Visits::new(self.user_ids(offset, everybody), clients_here, reporter)?;
            Ok((Clients::new(settings, clients_here)?, visits))
        })?;
        Ok(())
    }
}
