//! What goes to the registry at once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::messages::PresenceOp;
use crate::session::SessionEntry;

/// Changes looked at for one batch, and at most in it.
pub(super) const BATCH_MAX: usize = 512;

/// Sessions that come and sessions that go, each in order. No user has both, so that the two may be told in any order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) coming: Vec<Arc<SessionEntry>>,
    pub(super) going: Vec<Arc<SessionEntry>>,
}

impl Batch {
    /// Takes the next ones out of `waiting`. Where clients come and go all the time, sorts alternate, so that runs of one sort would be short; only of
    /// the same user must nothing be overtaken.
    pub(super) fn take(waiting: &mut VecDeque<PresenceOp>) -> Self {
        let mut batch = Self::default();
        let (mut coming, mut going, mut held) = (HashSet::new(), HashSet::new(), HashSet::new());
        let looked_at = waiting.len().min(BATCH_MAX);
        let mut kept = Vec::new();
        for op in waiting.drain(..looked_at) {
            let (entry, list, users, others) = match &op {
                PresenceOp::Register(entry) => (entry, &mut batch.coming, &mut coming, &going),
                PresenceOp::Farewell(entry) => (entry, &mut batch.going, &mut going, &coming),
            };
            if others.contains(&entry.user) || held.contains(&entry.user) {
                held.insert(entry.user);
                kept.push(op);
            } else {
                users.insert(entry.user);
                list.push(Arc::clone(entry));
            }
        }
        for op in kept.into_iter().rev() {
            waiting.push_front(op);
        }
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.coming.is_empty() && self.going.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use actix::{Actor, Context, Handler, System};
    use linker_core::clock::Now;
    use linker_core::id::SessionId;
    use linker_core::testkit::sample::user;

    use super::*;
    use crate::session::ToSession;

    struct Deaf;

    impl Actor for Deaf {
        type Context = Context<Self>;
    }

    impl Handler<ToSession> for Deaf {
        type Result = ();

        fn handle(&mut self, _: ToSession, _: &mut Self::Context) {}
    }

    fn numbers(entries: &[Arc<SessionEntry>]) -> Vec<u64> {
        entries.iter().map(|entry| entry.id.0).collect()
    }

    #[test]
    fn different_users_come_and_go_together_and_each_in_order() {
        System::new().block_on(async {
            let mailbox = Arc::new(Deaf.start().recipient());
            let now = Now {
                elapsed: std::time::Duration::ZERO,
                unix_ms: 0,
            };
            let entry = |of: u64, session: u64| {
                let entry = SessionEntry::new(SessionId(session), user(of), mailbox.clone(), 1, false, now);
                Arc::new(entry)
            };
            let come = |of, session| PresenceOp::Register(entry(of, session));
            let go = |of, session| PresenceOp::Farewell(entry(of, session));
            let mut waiting = VecDeque::from([
                come(1, 1),
                go(2, 2),
                come(1, 3),
                go(1, 1),
                come(1, 4),
                come(2, 5),
                go(3, 6),
            ]);
            let first = Batch::take(&mut waiting);
            assert_eq!(
                (numbers(&first.coming), numbers(&first.going)),
                (vec![1, 3], vec![2, 6])
            );
            let second = Batch::take(&mut waiting);
            assert_eq!(
                (numbers(&second.coming), numbers(&second.going)),
                (vec![5], vec![1])
            );
            let third = Batch::take(&mut waiting);
            assert_eq!((numbers(&third.coming), numbers(&third.going)), (vec![4], vec![]));
            assert!(Batch::take(&mut waiting).is_empty() && waiting.is_empty());
        });
    }
}
