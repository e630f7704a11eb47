//! What waits to be handed over to other domains, and whose homes have moved.

use std::ops::Bound;

use linker_core::id::{DomainName, NodeInstance, UserId};
use linker_core::port::WaitReason;

use super::store::Rows;

impl Rows {
    pub(super) fn backlog(&self, spared: &[NodeInstance]) -> Vec<(DomainName, u64)> {
        let left = |seq: &&u64| {
            let owner = self.rows.get(seq).and_then(|row| row.owner.as_ref());
            owner.is_none_or(|owner| !spared.contains(owner))
        };
        self.forwards
            .iter()
            .map(|(home, seqs)| (home.clone(), seqs.iter().filter(left).count() as u64))
            .filter(|(_, rows)| *rows > 0)
            .collect()
    }

    pub(super) fn recipients(&self, after: Option<&UserId>, max: u32) -> Vec<UserId> {
        let after = after.map(ToString::to_string);
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.recipients
            .range::<str, _>((from, Bound::Unbounded))
            .take(max as usize)
            .map(|(_, user)| *user)
            .collect()
    }

    pub(super) fn rehome(&mut self, user: &UserId, home: Option<&DomainName>) {
        let Some(inbox) = self.inboxes.get(user) else {
            return;
        };
        let reason = match home {
            Some(_) => WaitReason::Forward,
            None => WaitReason::Fault,
        };
        // Towards a domain go those that do not go there yet; back come those that go to any.
        let moved: Vec<u64> = inbox
            .seqs
            .iter()
            .copied()
            .filter(|seq| self.waits_for_home(*seq, home) != home.is_some())
            .collect();
        for seq in moved {
            self.wait_for(seq, reason, home.cloned());
        }
    }
}
