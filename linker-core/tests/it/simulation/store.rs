//! A store as its port describes it, and the queue in front of it as linker-actors keeps it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, NodeInstance, UserId};
use linker_core::port::{
    Insert, InsertOutcome, Page, PageFilter, PageRequest, StoreBatch, StoredRow, TakeOver, WaitReason,
};

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) reason: WaitReason,
    pub(crate) stored_ms: u64,
    /// Who moves it.
    pub(crate) owner: Option<NodeInstance>,
}

/// Rows by sequence; what is here outlives the node.
#[derive(Debug, Default)]
pub(crate) struct ModelStore {
    pub(crate) rows: BTreeMap<u64, Row>,
    newest_seq: u64,
}

impl ModelStore {
    pub(crate) fn apply(&mut self, batch: &StoreBatch) -> Vec<InsertOutcome> {
        let outcomes = batch
            .inserts
            .iter()
            .map(|insert| self.insert(insert, batch))
            .collect();
        for row in self.rows.values_mut() {
            if batch.absent.contains(&row.envelope.id) {
                row.reason = WaitReason::Absent;
                row.owner = None;
            }
            if batch.behind.contains(&row.envelope.id) {
                row.reason = WaitReason::Behind;
                row.owner = None;
            }
        }
        self.rows
            .retain(|_, row| !batch.deletes.contains(&row.envelope.id));
        outcomes
    }

    fn insert(&mut self, insert: &Insert, batch: &StoreBatch) -> InsertOutcome {
        let Insert { envelope, reason, .. } = insert;
        if self.rows.values().any(|row| row.envelope.id == envelope.id) {
            return InsertOutcome::Stored;
        }
        let key = |e: &Envelope| Some((e.from, e.to, e.dedupe_reference()?.to_owned()));
        let same = |row: &&Row| {
            row.stored_ms >= batch.dedupe_since_ms
                && key(envelope).is_some()
                && key(&row.envelope) == key(envelope)
        };
        if let Some(first) = self.rows.values().rev().find(same) {
            return InsertOutcome::Duplicate(first.envelope.id);
        }
        let counted = self
            .rows
            .values()
            .filter(|row| row.envelope.to == envelope.to && row.envelope.kind.counts());
        if envelope.kind.counts() && counted.count() as u64 >= batch.max_per_user {
            return InsertOutcome::InboxFull;
        }
        if envelope.kind.is_event() {
            self.rows.retain(|_, row| {
                let of = &row.envelope;
                !(of.kind.is_event() && of.to == envelope.to && of.from == envelope.from)
            });
        }
        self.newest_seq += 1;
        let row = Row {
            envelope: Arc::clone(envelope),
            reason: *reason,
            stored_ms: batch.now_ms,
            owner: batch.node.clone().filter(|_| *reason == WaitReason::Fault),
        };
        self.rows.insert(self.newest_seq, row);
        InsertOutcome::Stored
    }

    pub(crate) fn page(&self, request: &PageRequest) -> Page {
        let mut page = Page {
            rows: Vec::new(),
            exhausted: true,
        };
        let mut cost = 0;
        for (&seq, row) in self.rows.range(request.after_seq + 1..) {
            let behind = request.filter == PageFilter::All || row.reason == WaitReason::Behind;
            if row.envelope.to != request.user || !behind {
                continue;
            }
            if page.rows.len() >= request.max_rows as usize || cost > request.max_bytes {
                page.exhausted = false;
                break;
            }
            cost += row.envelope.cost();
            page.rows.push(StoredRow {
                seq,
                envelope: Arc::clone(&row.envelope),
                reason: row.reason,
            });
        }
        page
    }

    pub(crate) fn take_over(&mut self, request: &TakeOver) -> Page {
        let mut page = Page {
            rows: Vec::new(),
            exhausted: true,
        };
        for (&seq, row) in self.rows.range_mut(request.after_seq + 1..) {
            let spared = |owner: &NodeInstance| request.spared.contains(owner);
            if row.reason != WaitReason::Fault || row.owner.as_ref().is_some_and(spared) {
                continue;
            }
            if page.rows.len() >= request.max_rows as usize {
                page.exhausted = false;
                break;
            }
            row.owner.clone_from(&request.node);
            page.rows.push(StoredRow {
                seq,
                envelope: Arc::clone(&row.envelope),
                reason: row.reason,
            });
        }
        page
    }

    pub(crate) fn count(&self, user: &UserId, except: &[MessageId]) -> u64 {
        let waits = |row: &&Row| row.envelope.to == *user && !except.contains(&row.envelope.id);
        self.rows.values().filter(waits).count() as u64
    }
}

pub(crate) enum StoreOp {
    Insert {
        ticket: Ticket,
        envelope: Arc<Envelope>,
        reason: WaitReason,
        replaces: Option<MessageId>,
    },
    Delete {
        user: UserId,
        id: MessageId,
    },
    Absent {
        id: MessageId,
    },
    Behind {
        ticket: Ticket,
        id: MessageId,
    },
}

struct Queued {
    ticket: Ticket,
    envelope: Arc<Envelope>,
    reason: WaitReason,
    replaces: Option<MessageId>,
}

/// One transaction's worth.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) deleted: Vec<(UserId, MessageId)>,
    pub(crate) batch: StoreBatch,
}

/// Inserts and deletes that wait for a transaction; what is taken back before its turn is never written.
#[derive(Default)]
pub(crate) struct Queue {
    inserts: BTreeMap<u64, Queued>,
    by_id: HashMap<MessageId, u64>,
    next: u64,
    deletes: Vec<(UserId, MessageId)>,
    absent: Vec<MessageId>,
    behind: Vec<(Ticket, MessageId)>,
}

/// A row that need not be written after all.
pub(crate) struct Unwritten {
    pub(crate) user: UserId,
    pub(crate) id: MessageId,
    /// Who wanted it written.
    pub(crate) ticket: Ticket,
    /// The row that was to go with the same transaction.
    pub(crate) replaced: Option<(UserId, MessageId)>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.deletes.is_empty() && self.absent.is_empty() && self.behind.is_empty()
    }

    /// Answers the row that need not be written after all, if this delete found it waiting.
    pub(crate) fn push(&mut self, op: StoreOp) -> Option<Unwritten> {
        match op {
            StoreOp::Insert {
                ticket,
                envelope,
                reason,
                replaces,
            } => {
                self.by_id.insert(envelope.id, self.next);
                let queued = Queued {
                    ticket,
                    envelope,
                    reason,
                    replaces,
                };
                self.inserts.insert(self.next, queued);
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

    pub(crate) fn take(&mut self, inserts_max: usize) -> Taken {
        let mut taken = Taken::default();
        while taken.tickets.len() < inserts_max {
            let Some((_, insert)) = self.inserts.pop_first() else {
                break;
            };
            self.by_id.remove(&insert.envelope.id);
            taken.tickets.push(insert.ticket);
            let replaced = insert.replaces.map(|id| (insert.envelope.from, id));
            taken.deleted.extend(replaced);
            taken.batch.inserts.push(Insert {
                envelope: insert.envelope,
                reason: insert.reason,
                home: None,
            });
        }
        taken.deleted.append(&mut self.deletes);
        taken.batch.absent = std::mem::take(&mut self.absent);
        for (ticket, id) in std::mem::take(&mut self.behind) {
            // Answered behind the inserts.
            taken.tickets.push(ticket);
            taken.batch.behind.push(id);
        }
        taken.batch.deletes = taken.deleted.iter().map(|(_, id)| *id).collect();
        taken
    }
}
