//! What is to be written, in order; what is taken back before its turn is never written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::{Insert, StoreBatch, WaitReason};

use super::StoreOp;

/// Rows of one transaction: where larger ones bring no more.
const INSERTS_MAX: usize = 1000;
const DELETES_MAX: usize = 5000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

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
    deletes: Vec<(UserId, MessageId)>,
    absent: Vec<MessageId>,
    behind: Vec<(Ticket, MessageId)>,
}

/// One transaction's worth.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) tickets: Vec<Ticket>,
    pub(super) deleted: Vec<(UserId, MessageId)>,
    pub(super) behind: Vec<(Ticket, MessageId)>,
    pub(super) batch: StoreBatch,
}

/// A row that need not be written after all.
pub(super) struct Unwritten {
    pub(super) user: UserId,
    pub(super) id: MessageId,
    /// Who wanted it written.
    pub(super) ticket: Ticket,
    /// The row that was to go with the same transaction.
    pub(super) replaced: Option<(UserId, MessageId)>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.deletes.is_empty() && self.absent.is_empty() && self.behind.is_empty()
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
            StoreOp::Delete { user, id } => {
                let waiting = self
                    .by_id
                    .remove(&id)
                    .and_then(|place| self.inserts.remove(&place));
                if let Some(insert) = waiting {
                    let replaced = insert.replaces.map(|id| (insert.envelope.from, id));
                    return Some(Unwritten {
                        user,
                        id,
                        ticket: insert.ticket,
                        replaced,
                    });
                }
                self.deletes.push((user, id));
                None
            }
            StoreOp::Absent { id } => {
                self.absent.push(id);
                None
            }
            StoreOp::Behind { ticket, id } => {
                self.behind.push((ticket, id));
                None
            }
        }
    }

    /// Takes the next transaction's worth.
    pub(super) fn take(&mut self) -> Taken {
        let mut taken = Taken::default();
        let mut bytes = 0;
        // What was sent on and has come back is added anew: its former row has to be gone before, or the one would be taken for the other and removed.
        let blocked = match self.by_id.is_empty() {
            true => None,
            false => self
                .deletes
                .iter()
                .filter_map(|(_, id)| self.by_id.get(id))
                .min()
                .copied(),
        };
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
            taken
                .deleted
                .extend(insert.replaces.map(|id| (insert.envelope.from, id)));
            taken.batch.inserts.push(Insert {
                envelope: insert.envelope,
                reason: insert.reason,
                home: insert.home,
            });
        }
        let deletes = self.deletes.len().min(DELETES_MAX);
        taken.deleted.extend(self.deletes.drain(..deletes));
        taken.batch.deletes = taken.deleted.iter().map(|(_, id)| *id).collect();
        if self.deletes.is_empty() {
            self.deletes = Vec::new();
        }
        let absent = self.absent.len().min(DELETES_MAX);
        taken.batch.absent = self.absent.drain(..absent).collect();
        let behind = self.behind.len().min(DELETES_MAX);
        taken.behind = self.behind.drain(..behind).collect();
        taken.batch.behind = taken.behind.iter().map(|(_, id)| *id).collect();
        taken
    }
}
