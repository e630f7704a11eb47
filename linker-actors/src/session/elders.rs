//! The other sessions that a user has when one more logs in with `replay`. What is under way to them at that moment is older than all that comes from now on:
//! where one of them has lost its connection, and is about to give it back, a replay that began at once would miss it.

use std::sync::Arc;

use super::SessionEntry;

/// Older sessions of a user, and what they had been handed when the younger one came.
pub(super) struct Elders {
    wait_for: Vec<(Arc<SessionEntry>, u64)>,
}

impl Elders {
    /// `None` where nothing is under way to any of them.
    pub(super) fn of(sessions: impl IntoIterator<Item = Arc<SessionEntry>>) -> Option<Box<Self>> {
        let busy = sessions.into_iter().filter(|entry| entry.backlog_bytes() > 0);
        let wait_for: Vec<_> = busy
            .map(|entry| {
                let handed = entry.handed_bytes();
                (entry, handed)
            })
            .collect();
        (!wait_for.is_empty()).then(|| Box::new(Self { wait_for }))
    }

    /// Whether all of it is proven or given back.
    pub(super) fn are_done(&mut self) -> bool {
        self.wait_for
            .retain(|(entry, handed)| !entry.is_done_with(*handed));
        self.wait_for.is_empty()
    }
}
