//! A domain's store as its port describes it, and the queue in front of it as linker-actors keeps it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::{Insert, InsertOutcome, Page, StoreBatch, StoredRow, WaitReason};

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) reason: WaitReason,
    pub(crate) home: Option<DomainName>,
    pub(crate) stored_ms: u64,
}

/// Rows by sequence; what is here outlives the node.
#[derive(Debug, Default)]
pub(crate) struct ModelStore {
    pub(crate) rows: BTreeMap<u64, Row>,
    newest_seq: u64,
}

impl ModelStore {
    pub(crate) fn apply(&mut self, batch: &StoreBatch) -> Vec<InsertOutcome> {
        let insert = |insert| self.insert(insert, batch);
        let outcomes = batch.inserts.iter().map(insert).collect();
        if !batch.absent.is_empty() {
            for row in self.rows.values_mut() {
                if batch.absent.contains(&row.envelope.id) {
                    row.reason = WaitReason::Absent;
                    row.home = None;
                }
            }
        }
        if !batch.deletes.is_empty() {
            self.rows
                .retain(|_, row| !batch.deletes.contains(&row.envelope.id));
        }
        if !batch.forwarded.is_empty() {
            let is_gone = |row: &Row| {
                let hops = row.envelope.hops();
                let of = |(id, within): &(MessageId, u8)| *id == row.envelope.id && hops <= *within;
                batch.forwarded.iter().any(of)
            };
            self.rows.retain(|_, row| !is_gone(row));
        }
        outcomes
    }

    fn insert(&mut self, insert: &Insert, batch: &StoreBatch) -> InsertOutcome {
        let Insert {
            envelope,
            reason,
            home,
        } = insert;
        if let Some(row) = self.rows.values_mut().find(|row| row.envelope.id == envelope.id) {
            if row.envelope.hops() < envelope.hops() {
                row.envelope = Arc::clone(envelope);
                if row.reason == WaitReason::Forward {
                    row.reason = *reason;
                    row.home.clone_from(home);
                }
            }
            return InsertOutcome::Stored;
        }
        let same = |row: &&Row| {
            let (of, new) = (&row.envelope, envelope);
            row.stored_ms >= batch.dedupe_since_ms
                && new.dedupe_reference().is_some()
                && (of.from, of.to, of.dedupe_reference()) == (new.from, new.to, new.dedupe_reference())
        };
        if let Some(first) = self.rows.values().rev().find(same) {
            return InsertOutcome::Duplicate(first.envelope.id);
        }
        self.newest_seq += 1;
        let row = Row {
            envelope: Arc::clone(envelope),
            reason: *reason,
            home: home.clone(),
            stored_ms: batch.now_ms,
        };
        self.rows.insert(self.newest_seq, row);
        InsertOutcome::Stored
    }

    pub(crate) fn page(&self, after_seq: u64, max_rows: u32, fits: impl Fn(&Row) -> bool) -> Page {
        let mut page = Page {
            rows: Vec::new(),
            exhausted: true,
        };
        for (&seq, row) in self.rows.range(after_seq + 1..) {
            if !fits(row) {
                continue;
            }
            if page.rows.len() >= max_rows as usize {
                page.exhausted = false;
                break;
            }
            page.rows.push(StoredRow {
                seq,
                envelope: Arc::clone(&row.envelope),
                reason: row.reason,
            });
        }
        page
    }

    pub(crate) fn recipients(&self) -> BTreeSet<UserId> {
        self.rows.values().map(|row| row.envelope.to).collect()
    }

    pub(crate) fn rehome(&mut self, users: &[(UserId, Option<DomainName>)]) {
        let homes: HashMap<UserId, &Option<DomainName>> =
            users.iter().map(|(user, home)| (*user, home)).collect();
        for row in self.rows.values_mut() {
            match homes.get(&row.envelope.to) {
                Some(Some(home)) => {
                    row.reason = WaitReason::Forward;
                    row.home = Some(home.clone());
                }
                Some(None) if row.reason == WaitReason::Forward => {
                    row.reason = WaitReason::Fault;
                    row.home = None;
                }
                Some(None) | None => {}
            }
        }
    }
}

pub(crate) enum StoreOp {
    Insert {
        ticket: Ticket,
        insert: Insert,
        replaces: Option<MessageId>,
    },
    Delete {
        user: UserId,
        id: MessageId,
        forwarded: Option<u8>,
    },
    Absent(MessageId),
}

/// One transaction's worth.
#[derive(Default, Clone)]
pub(crate) struct Taken {
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) deleted: Vec<(UserId, MessageId, Option<u8>)>,
    pub(crate) batch: StoreBatch,
}

/// Changes that wait for a transaction; what is taken back before its turn is never written.
#[derive(Default)]
pub(crate) struct Queue {
    inserts: BTreeMap<u64, (Ticket, Insert, Option<MessageId>)>,
    by_id: HashMap<MessageId, u64>,
    next: u64,
    deletes: Vec<(UserId, MessageId, Option<u8>)>,
    absent: Vec<MessageId>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.deletes.is_empty() && self.absent.is_empty()
    }

    /// Answers the row that need not be written after all, if this delete found it waiting.
    pub(crate) fn push(&mut self, op: StoreOp) -> Option<(UserId, MessageId, Option<u8>)> {
        match op {
            StoreOp::Insert {
                ticket,
                insert,
                replaces,
            } => {
                self.by_id.insert(insert.envelope.id, self.next);
                self.inserts.insert(self.next, (ticket, insert, replaces));
                self.next += 1;
            }
            StoreOp::Delete { user, id, forwarded } => {
                let goes = |(_, insert, _): &(Ticket, Insert, Option<MessageId>)| {
                    forwarded.is_none_or(|within| insert.envelope.hops() <= within)
                };
                let place = self.by_id.get(&id).copied();
                let place = place.filter(|place| self.inserts.get(place).is_some_and(goes));
                if let Some((_, insert, _)) = place.and_then(|place| self.inserts.remove(&place)) {
                    self.by_id.remove(&id);
                    if insert.envelope.hops() == 0 {
                        return Some((user, id, forwarded));
                    }
                }
                self.deletes.push((user, id, forwarded));
            }
            StoreOp::Absent(id) => self.absent.push(id),
        }
        None
    }

    pub(crate) fn take(&mut self) -> Taken {
        let mut taken = Taken::default();
        let leaving: BTreeSet<MessageId> = self.deletes.iter().map(|(_, id, _)| *id).collect();
        while let Some(first) = self.inserts.first_entry() {
            if leaving.contains(&first.get().1.envelope.id) {
                break;
            }
            let (ticket, insert, replaces) = first.remove();
            self.by_id.remove(&insert.envelope.id);
            taken.tickets.push(ticket);
            taken
                .deleted
                .extend(replaces.map(|id| (insert.envelope.from, id, None)));
            taken.batch.deletes.extend(replaces);
            taken.batch.inserts.push(insert);
        }
        for (user, id, forwarded) in std::mem::take(&mut self.deletes) {
            taken.deleted.push((user, id, forwarded));
            match forwarded {
                None => taken.batch.deletes.push(id),
                Some(within) => taken.batch.forwarded.push((id, within)),
            }
        }
        taken.batch.absent = std::mem::take(&mut self.absent);
        taken
    }
}
