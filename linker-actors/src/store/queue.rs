//! What is to be written, in order; what is taken back before its turn is never written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::{Insert, StoreBatch, WaitReason};

use super::StoreOp;

/// Rows of one transaction: where larger ones bring no more.
const INSERTS_MAX: usize = 4000;
const DELETES_MAX: usize = 5000;
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Changes for which an empty queue may keep room: what a burst needed beyond that goes back when it is over.
const ROOM_KEPT: usize = 2 * DELETES_MAX;

struct QueuedInsert {
    ticket: Ticket,
    envelope: Arc<Envelope>,
    reason: WaitReason,
    home: Option<DomainName>,
    replaces: Option<MessageId>,
}

/// Inserts and deletes that wait for a transaction.
#[derive(Default)]
pub(super) struct Queue {
    inserts: BTreeMap<u64, QueuedInsert>,
    by_id: HashMap<MessageId, u64>,
    next: u64,
    deletes: Vec<Deleted>,
    absent: Vec<MessageId>,
    behind: Vec<(Ticket, MessageId)>,
    redirected: Vec<(Ticket, MessageId, DomainName)>,
}

/// One transaction's worth.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) tickets: Vec<Ticket>,
    pub(super) deleted: Vec<Deleted>,
    /// Who is told that its row says something else.
    pub(super) changed: Vec<Ticket>,
    pub(super) batch: StoreBatch,
}

/// A row that is to go.
#[derive(Clone, Copy)]
pub(super) struct Deleted {
    pub(super) user: UserId,
    pub(super) id: MessageId,
    /// As in [`StoreBatch::forwarded`].
    pub(super) forwarded: Option<u8>,
}

/// A row that need not be written after all.
pub(super) struct Unwritten {
    pub(super) of: Deleted,
    /// Who wanted it written.
    pub(super) ticket: Ticket,
    /// The row that was to go with the same transaction.
    pub(super) replaced: Option<(UserId, MessageId)>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty()
            && self.deletes.is_empty()
            && self.absent.is_empty()
            && self.behind.is_empty()
            && self.redirected.is_empty()
    }

    /// Adds a change. Answers the row that need not be written after all, if this delete found it waiting.
    pub(super) fn push(&mut self, op: StoreOp) -> Option<Unwritten> {
        match op {
            StoreOp::Insert {
                ticket,
                envelope,
                reason,
                home,
                replaces,
            } => {
                self.by_id.insert(envelope.id, self.next);
                self.inserts.insert(
                    self.next,
                    QueuedInsert {
                        ticket,
                        envelope,
                        reason,
                        home,
                        replaces,
                    },
                );
                self.next += 1;
                None
            }
            StoreOp::Delete { user, id, forwarded } => {
                let of = Deleted { user, id, forwarded };
                let waiting = self.take_back(&of);
                // What has come from another domain may have been here before: that row goes too.
                if waiting.as_ref().is_none_or(|insert| insert.envelope.hops() > 0) {
                    self.deletes.push(of);
                }
                waiting.map(|insert| Unwritten {
                    of,
                    ticket: insert.ticket,
                    replaced: insert.replaces.map(|id| (insert.envelope.from, id)),
                })
            }
            StoreOp::Absent { id } => {
                self.absent.push(id);
                None
            }
            StoreOp::Behind { ticket, id } => {
                self.behind.push((ticket, id));
                None
            }
            StoreOp::Redirect { ticket, id, home } => {
                self.redirected.push((ticket, id, home));
                None
            }
        }
    }

    fn take_back(&mut self, of: &Deleted) -> Option<QueuedInsert> {
        let place = self.by_id.get(&of.id)?;
        let insert = self.inserts.get(place)?;
        if of.forwarded.is_some_and(|within| within < insert.envelope.hops()) {
            return None;
        }
        let insert = self.inserts.remove(place);
        self.by_id.remove(&of.id);
        insert
    }

    /// Takes the next transaction's worth.
    pub(super) fn take(&mut self) -> Taken {
        let mut taken = Taken::default();
        let mut bytes = 0;
        // What was sent on by this node and has come back is added anew once its former row is gone: claims are by id.
        let came_back = self.deletes.iter().filter_map(|of| self.by_id.get(&of.id));
        let blocked = came_back.min().copied();
        while taken.tickets.len() < INSERTS_MAX && bytes < BYTES_MAX {
            let Some(first) = self
                .inserts
                .first_entry()
                .filter(|first| Some(*first.key()) != blocked)
            else {
                break;
            };
            let insert = first.remove();
            self.by_id.remove(&insert.envelope.id);
            bytes += insert.envelope.cost();
            taken.tickets.push(insert.ticket);
            // The row of the message that a confirmation is for belongs to the confirmation's sender.
            taken.deleted.extend(insert.replaces.map(|id| Deleted {
                user: insert.envelope.from,
                id,
                forwarded: None,
            }));
            taken.batch.inserts.push(Insert {
                envelope: insert.envelope,
                reason: insert.reason,
                home: insert.home,
            });
        }
        let deletes = self.deletes.len().min(DELETES_MAX);
        taken.deleted.extend(self.deletes.drain(..deletes));
        for Deleted { id, forwarded, .. } in &taken.deleted {
            match forwarded {
                None => taken.batch.deletes.push(*id),
                Some(within) => taken.batch.forwarded.push((*id, *within)),
            }
        }
        let absent = self.absent.len().min(DELETES_MAX);
        taken.batch.absent = self.absent.drain(..absent).collect();
        let behind = self.behind.len().min(DELETES_MAX);
        for (ticket, id) in self.behind.drain(..behind) {
            taken.changed.push(ticket);
            taken.batch.behind.push(id);
        }
        let redirected = self.redirected.len().min(DELETES_MAX);
        for (ticket, id, home) in self.redirected.drain(..redirected) {
            taken.changed.push(ticket);
            taken.batch.redirected.push((id, home));
        }
        if self.is_empty() && self.room() > ROOM_KEPT {
            *self = Self {
                next: self.next,
                ..Self::default()
            };
        }
        taken
    }

    /// Changes that it could hold without growing.
    fn room(&self) -> usize {
        let lists = [
            self.deletes.capacity(),
            self.absent.capacity(),
            self.behind.capacity(),
            self.redirected.capacity(),
        ];
        lists.into_iter().fold(self.by_id.capacity(), usize::max)
    }
}

#[cfg(test)]
mod tests {
    use linker_core::envelope::Trail;
    use linker_core::testkit::sample;

    use super::*;

    fn insert(n: u64, hops: usize) -> StoreOp {
        let path = vec!["domain-01".parse().expect("a domain name"); hops];
        StoreOp::Insert {
            ticket: Ticket {
                shard: 0,
                slot: n as u32,
                generation: 0,
            },
            envelope: Arc::new(Envelope {
                trail: Some(Box::new(Trail { path, after: None })),
                ..sample::message(n, sample::user(1), sample::user(2))
            }),
            reason: WaitReason::Forward,
            home: None,
            replaces: None,
        }
    }

    fn delete(n: u64, forwarded: Option<u8>) -> StoreOp {
        StoreOp::Delete {
            user: sample::user(2),
            id: sample::message_id(n),
            forwarded,
        }
    }

    fn inserted(taken: &Taken) -> Vec<MessageId> {
        taken
            .batch
            .inserts
            .iter()
            .map(|insert| insert.envelope.id)
            .collect()
    }

    #[test]
    fn what_is_deleted_before_its_turn_is_never_written() {
        let mut queue = Queue::default();
        queue.push(insert(1, 0));
        queue.push(insert(2, 0));
        let unwritten = queue.push(delete(1, None)).expect("it waits");
        assert_eq!(unwritten.ticket.slot, 1);
        let taken = queue.take();
        assert_eq!(inserted(&taken), [sample::message_id(2)]);
        assert!(taken.batch.deletes.is_empty() && queue.is_empty());
    }

    #[test]
    fn room_that_a_burst_needed_goes_back() {
        const NOBODY: Ticket = Ticket {
            shard: 0,
            slot: 0,
            generation: 0,
        };
        let bursts: [fn(u64) -> StoreOp; 5] = [
            |n| insert(n, 0),
            |n| delete(n, None),
            |n| StoreOp::Absent {
                id: sample::message_id(n),
            },
            |n| StoreOp::Behind {
                ticket: NOBODY,
                id: sample::message_id(n),
            },
            |n| StoreOp::Redirect {
                ticket: NOBODY,
                id: sample::message_id(n),
                home: DomainName::upstream(),
            },
        ];
        for burst in bursts {
            let mut queue = Queue::default();
            for n in 0..3 * ROOM_KEPT as u64 {
                queue.push(burst(n));
            }
            while !queue.is_empty() {
                queue.take();
            }
            assert!(queue.room() <= ROOM_KEPT);
        }
    }

    #[test]
    fn what_has_come_back_is_written_once_its_former_row_is_gone() {
        let mut queue = Queue::default();
        queue.push(insert(1, 2));
        assert!(queue.push(delete(1, Some(0))).is_none());
        queue.push(insert(2, 0));
        let taken = queue.take();
        assert_eq!(inserted(&taken), []);
        assert_eq!(taken.batch.forwarded, [(sample::message_id(1), 0)]);
        assert_eq!(inserted(&queue.take()), [1, 2].map(sample::message_id));
    }

    #[test]
    fn what_had_been_here_before_is_deleted_with_what_was_to_be_written() {
        for forwarded in [None, Some(2)] {
            let mut queue = Queue::default();
            queue.push(insert(1, 2));
            assert!(queue.push(delete(1, forwarded)).is_some());
            let taken = queue.take();
            assert_eq!(inserted(&taken), []);
            assert_eq!(taken.deleted.len(), 1, "its former row may be there yet");
        }
    }
}
