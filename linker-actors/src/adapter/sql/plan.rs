//! What a batch comes to, decided in memory from what was looked up for it: no statement runs here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, UserId};
use linker_core::port::{Insert, InsertOutcome, StoreBatch, WaitReason};

/// Sender, recipient and reference.
pub(in crate::adapter) type Repeatable<'b> = (UserId, UserId, &'b str);

/// A row that has an id of the batch.
#[derive(Debug, Clone, Copy)]
pub(in crate::adapter) struct Existing {
    pub(in crate::adapter) seq: i64,
    /// False: it was removed, and is only still to be deleted.
    pub(in crate::adapter) waits: bool,
    /// How many domains its message has left.
    pub(in crate::adapter) hops: u8,
}

/// What the file holds of what the batch is about.
#[derive(Debug, Default)]
pub(in crate::adapter) struct Known<'b> {
    pub(in crate::adapter) ids: HashMap<MessageId, Existing>,
    /// The newest row within the window, where there is one.
    pub(in crate::adapter) repeatable: HashMap<Repeatable<'b>, MessageId>,
    /// Counted rows of every user who gets one that counts.
    pub(in crate::adapter) counted: HashMap<UserId, u64>,
}

/// What is to be written before the deletes.
#[derive(Debug, Default)]
pub(in crate::adapter) struct Plan<'b> {
    /// One an insert.
    pub(in crate::adapter) outcomes: Vec<InsertOutcome>,
    /// Rows to add, in order.
    pub(in crate::adapter) rows: Vec<Cow<'b, Insert>>,
    /// Rows that are there, whose messages have come farther since, and where they stand.
    pub(in crate::adapter) farther: Vec<(i64, Cow<'b, Insert>)>,
    /// Recipient and user told of: the event that waits there goes.
    pub(in crate::adapter) superseded: Vec<(UserId, UserId)>,
    /// Rows to delete for good, because their ids are used again.
    #[cfg_attr(
        not(feature = "sqlite"),
        expect(dead_code, reason = "elsewhere removed rows are gone at once")
    )]
    pub(in crate::adapter) reused: Vec<i64>,
    /// Counted rows added, by user.
    pub(in crate::adapter) added: HashMap<UserId, u64>,
}

/// Where an id or an event of this batch stands.
#[derive(Debug, Clone, Copy)]
struct Planned {
    slot: usize,
}

struct Decision<'b, 'k> {
    batch: &'b StoreBatch,
    known: &'k mut Known<'b>,
    /// `None`: superseded by a later event of the batch.
    slots: Vec<Option<Cow<'b, Insert>>>,
    ids: HashMap<MessageId, Planned>,
    events: HashMap<(UserId, UserId), Planned>,
    reused: Vec<i64>,
    farther: Vec<(i64, Cow<'b, Insert>)>,
}

/// Goes through the inserts as if they came one by one.
pub(in crate::adapter) fn decide<'b>(batch: &'b StoreBatch, mut known: Known<'b>) -> Plan<'b> {
    let mut decision = Decision {
        batch,
        known: &mut known,
        slots: Vec::with_capacity(batch.inserts.len()),
        ids: HashMap::new(),
        events: HashMap::new(),
        reused: Vec::new(),
        farther: Vec::new(),
    };
    let outcomes = batch
        .inserts
        .iter()
        .map(|insert| decision.decide(insert))
        .collect();
    decision.into_plan(outcomes)
}

impl<'b> Decision<'b, '_> {
    fn decide(&mut self, insert: &'b Insert) -> InsertOutcome {
        let envelope = &insert.envelope;
        let superseded = envelope.kind.is_event() && self.events.contains_key(&event_of(envelope));
        if self.ids.contains_key(&envelope.id) || (self.waits(&envelope.id) && !superseded) {
            self.come_farther(insert);
            return InsertOutcome::Stored;
        }
        let repeatable = repeatable_of(envelope);
        if let Some(first) = repeatable.and_then(|key| self.known.repeatable.get(&key)) {
            return InsertOutcome::Duplicate(*first);
        }
        if envelope.kind.counts() {
            let counted = self.known.counted.entry(envelope.to).or_default();
            if *counted >= self.batch.max_per_user {
                return InsertOutcome::InboxFull;
            }
            *counted += 1;
        }
        if let Some(key) = repeatable
            && self.batch.now_ms >= self.batch.dedupe_since_ms
        {
            self.known.repeatable.insert(key, envelope.id);
        }
        self.plan(insert);
        InsertOutcome::Stored
    }

    /// The message is there, or planned, already.
    fn come_farther(&mut self, insert: &'b Insert) {
        let (id, hops) = (insert.envelope.id, insert.envelope.hops());
        if let Some(planned) = self.ids.get(&id) {
            let slot = self.slots[planned.slot].as_mut();
            if let Some(former) = slot.filter(|former| former.envelope.hops() < hops) {
                replace(former, insert);
            }
        } else if let Some(existing) = self.known.ids.get_mut(&id)
            && existing.hops < hops
        {
            existing.hops = hops;
            match self.farther.iter_mut().find(|(_, of)| of.envelope.id == id) {
                Some((_, former)) => replace(former, insert),
                None => self.farther.push((existing.seq, Cow::Borrowed(insert))),
            }
        }
    }

    fn waits(&self, id: &MessageId) -> bool {
        self.known.ids.get(id).is_some_and(|existing| existing.waits)
    }

    fn plan(&mut self, insert: &'b Insert) {
        let envelope = &insert.envelope;
        let planned = Planned {
            slot: self.slots.len(),
        };
        if let Some(existing) = self.known.ids.remove(&envelope.id) {
            self.reused.push(existing.seq);
        }
        if envelope.kind.is_event() {
            let older = self.events.insert(event_of(envelope), planned);
            if let Some(older) = older.and_then(|older| self.slots[older.slot].take()) {
                self.ids.remove(&older.envelope.id);
            }
            // The row that waits there goes, however far it had come.
            self.farther.retain(|(_, of)| {
                !of.envelope.kind.is_event() || event_of(&of.envelope) != event_of(envelope)
            });
        }
        self.ids.insert(envelope.id, planned);
        self.slots.push(Some(Cow::Borrowed(insert)));
    }

    fn into_plan(mut self, outcomes: Vec<InsertOutcome>) -> Plan<'b> {
        // Added and deleted at once: it has had its effect on the rest of the batch, and need not touch the disk.
        for id in &self.batch.deletes {
            if let Some(planned) = self.ids.get(id) {
                self.slots[planned.slot] = None;
            }
        }
        for (id, within) in &self.batch.forwarded {
            if let Some(planned) = self.ids.get(id) {
                let slot = &mut self.slots[planned.slot];
                *slot = slot.take().filter(|insert| insert.envelope.hops() > *within);
            }
        }
        let rows: Vec<Cow<'b, Insert>> = self.slots.into_iter().flatten().collect();
        let mut added: HashMap<UserId, u64> = HashMap::new();
        for insert in rows.iter().filter(|insert| insert.envelope.kind.counts()) {
            *added.entry(insert.envelope.to).or_default() += 1;
        }
        Plan {
            outcomes,
            rows,
            superseded: self.events.into_keys().collect(),
            reused: self.reused,
            farther: self.farther,
            added,
        }
    }
}

/// The same message has come farther: it waits for what the former one waits for, unless that was on its way.
fn replace<'b>(former: &mut Cow<'b, Insert>, insert: &'b Insert) {
    if former.reason == WaitReason::Forward {
        *former = Cow::Borrowed(insert);
    } else {
        former.to_mut().envelope = Arc::clone(&insert.envelope);
    }
}

fn event_of(envelope: &Envelope) -> (UserId, UserId) {
    (envelope.to, envelope.from)
}

pub(in crate::adapter) fn repeatable_of(envelope: &Envelope) -> Option<Repeatable<'_>> {
    Some((envelope.from, envelope.to, envelope.dedupe_reference()?))
}
