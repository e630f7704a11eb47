//! Waiting messages in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, CountRequest, Insert, InsertOutcome, Page, PageFilter, PageRequest, Record, RecordWrite,
    Records, Repeatable, Store, StoreBatch, StoreError, StoredRow, TakeOver, WaitReason, Waiting,
};

use super::records::MemoryRecords;

/// [`Store`] in memory: never away, bounded by nothing but the inbox limit, and gone with the process.
///
/// What it has taken is *not* safe from a crash; it is for tests and for nodes whose operator wants no file.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    records: Mutex<MemoryRecords>,
}

#[derive(Debug)]
pub(super) struct Row {
    envelope: Arc<Envelope>,
    reason: WaitReason,
    /// Who moves it.
    pub(super) owner: Option<NodeInstance>,
    /// Where its recipient lives, of what waits to be handed over.
    home: Option<DomainName>,
    stored_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) seqs: BTreeSet<u64>,
    /// Rows that count towards the limit.
    counted: u64,
}

/// Sender, recipient and reference.
type Reference = (UserId, UserId, Box<str>);

#[derive(Debug, Default)]
pub(super) struct Rows {
    newest_seq: u64,
    pub(super) rows: BTreeMap<u64, Row>,
    by_id: HashMap<MessageId, u64>,
    pub(super) inboxes: HashMap<UserId, Inbox>,
    /// Those who have an inbox, by the text of their id.
    pub(super) recipients: BTreeMap<Box<str>, UserId>,
    by_reference: HashMap<Reference, BTreeSet<u64>>,
    /// By recipient and the user told of.
    events: HashMap<(UserId, UserId), u64>,
    /// By arrival time, then sequence: a clock may step back.
    arrivals: BTreeSet<(u64, u64)>,
    /// Those that wait for [`WaitReason::Fault`].
    faults: BTreeSet<u64>,
    /// Those that wait for [`WaitReason::Forward`].
    pub(super) forwards: BTreeMap<DomainName, BTreeSet<u64>>,
}

fn repeatable(envelope: &Envelope) -> Option<Reference> {
    let reference = envelope.dedupe_reference()?;
    Some((envelope.from, envelope.to, reference.into()))
}

impl Rows {
    fn insert(&mut self, insert: Insert, batch: &StoreBatch) -> InsertOutcome {
        let Insert {
            envelope,
            reason,
            home,
        } = insert;
        let is_moved = matches!(reason, WaitReason::Fault | WaitReason::Forward);
        let row = Row {
            envelope,
            owner: batch.node.clone().filter(|_| is_moved),
            home: home.filter(|_| reason == WaitReason::Forward),
            reason,
            stored_ms: batch.now_ms,
        };
        let envelope = &row.envelope;
        if let Some(&seq) = self.by_id.get(&envelope.id) {
            self.replace(seq, row);
            return InsertOutcome::Stored;
        }
        if let Some(waiting) = self.repeated(envelope, batch.dedupe_since_ms) {
            return InsertOutcome::Duplicate(waiting);
        }
        let counts = envelope.kind.counts();
        let counted = self.inboxes.get(&envelope.to).map_or(0, |inbox| inbox.counted);
        if counts && counted >= batch.max_per_user {
            return InsertOutcome::InboxFull;
        }
        if envelope.kind.is_event()
            && let Some(&older) = self.events.get(&(envelope.to, envelope.from))
        {
            self.remove(older);
        }
        self.add(row);
        InsertOutcome::Stored
    }

    /// The same message stands in this row: where it has come farther since, that is the one to keep.
    fn replace(&mut self, seq: u64, newer: Row) {
        let Some(row) = self.rows.get_mut(&seq) else {
            return;
        };
        if row.envelope.hops() >= newer.envelope.hops() {
            return;
        }
        row.envelope = newer.envelope;
        if row.reason == WaitReason::Forward {
            self.wait_for(seq, newer.reason, newer.home);
            if let Some(row) = self.rows.get_mut(&seq) {
                row.owner = newer.owner;
            }
        }
    }

    fn repeated(&self, envelope: &Envelope, since_ms: u64) -> Option<MessageId> {
        let seqs = self.by_reference.get(&repeatable(envelope)?)?;
        seqs.iter()
            .rev()
            .filter_map(|seq| self.rows.get(seq))
            .find(|row| row.stored_ms >= since_ms)
            .map(|row| row.envelope.id)
    }

    fn add(&mut self, row: Row) {
        self.newest_seq += 1;
        let seq = self.newest_seq;
        let envelope = &row.envelope;
        self.by_id.insert(envelope.id, seq);
        let inbox = self.inboxes.entry(envelope.to).or_insert_with(|| {
            let text = envelope.to.to_string().into();
            self.recipients.insert(text, envelope.to);
            Inbox::default()
        });
        inbox.seqs.insert(seq);
        inbox.counted += u64::from(envelope.kind.counts());
        if let Some(key) = repeatable(envelope) {
            self.by_reference.entry(key).or_default().insert(seq);
        }
        if envelope.kind.is_event() {
            self.events.insert((envelope.to, envelope.from), seq);
        }
        self.arrivals.insert((row.stored_ms, seq));
        self.rows.insert(seq, row);
        self.list(seq);
    }

    /// Notes a row where those are looked for that wait for the same.
    fn list(&mut self, seq: u64) {
        let Some(row) = self.rows.get(&seq) else { return };
        match (row.reason, &row.home) {
            (WaitReason::Fault, _) => drop(self.faults.insert(seq)),
            (WaitReason::Forward, Some(home)) => {
                self.forwards.entry(home.clone()).or_default().insert(seq);
            }
            _ => {}
        }
    }

    fn unlist(&mut self, seq: u64) {
        let Some(row) = self.rows.get(&seq) else { return };
        self.faults.remove(&seq);
        if let Some(home) = &row.home
            && let Some(seqs) = self.forwards.get_mut(home)
        {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.forwards.remove(home);
            }
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Arc<Envelope>> {
        self.unlist(seq);
        let row = self.rows.remove(&seq)?;
        let envelope = row.envelope;
        self.by_id.remove(&envelope.id);
        self.arrivals.remove(&(row.stored_ms, seq));
        if let Some(inbox) = self.inboxes.get_mut(&envelope.to) {
            inbox.seqs.remove(&seq);
            inbox.counted -= u64::from(envelope.kind.counts());
            if inbox.seqs.is_empty() {
                self.inboxes.remove(&envelope.to);
                self.recipients.remove(&*envelope.to.to_string());
            }
        }
        if let Some(key) = repeatable(&envelope)
            && let Some(seqs) = self.by_reference.get_mut(&key)
        {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.by_reference.remove(&key);
            }
        }
        if envelope.kind.is_event() {
            self.events.remove(&(envelope.to, envelope.from));
        }
        Some(envelope)
    }

    fn apply(&mut self, mut batch: StoreBatch) -> Vec<InsertOutcome> {
        let inserts = std::mem::take(&mut batch.inserts);
        let outcomes = inserts
            .into_iter()
            .map(|insert| self.insert(insert, &batch))
            .collect();
        for id in &batch.absent {
            self.let_go(id, WaitReason::Absent);
        }
        for id in &batch.behind {
            self.let_go(id, WaitReason::Behind);
        }
        for (id, home) in batch.redirected.drain(..) {
            if let Some(&seq) = self.by_id.get(&id)
                && self.waits_for_home(seq, None)
            {
                self.wait_for(seq, WaitReason::Forward, Some(home));
                if let Some(row) = self.rows.get_mut(&seq) {
                    row.owner.clone_from(&batch.node);
                }
            }
        }
        for id in &batch.deletes {
            if let Some(&seq) = self.by_id.get(id) {
                self.remove(seq);
            }
        }
        for (id, within) in &batch.forwarded {
            if let Some(&seq) = self.by_id.get(id)
                && self
                    .rows
                    .get(&seq)
                    .is_some_and(|row| row.envelope.hops() <= *within)
            {
                self.remove(seq);
            }
        }
        outcomes
    }

    fn let_go(&mut self, id: &MessageId, reason: WaitReason) {
        if let Some(&seq) = self.by_id.get(id) {
            self.wait_for(seq, reason, None);
        }
    }

    /// From now on, and as nobody's.
    pub(super) fn wait_for(&mut self, seq: u64, reason: WaitReason, home: Option<DomainName>) {
        self.unlist(seq);
        if let Some(row) = self.rows.get_mut(&seq) {
            row.reason = reason;
            row.owner = None;
            row.home = home;
        }
        self.list(seq);
    }

    /// Whether it waits to be handed over to `home`, or for `None` to any domain.
    pub(super) fn waits_for_home(&self, seq: u64, home: Option<&DomainName>) -> bool {
        let row = self.rows.get(&seq);
        row.is_some_and(|row| {
            row.reason == WaitReason::Forward && (home.is_none() || row.home.as_ref() == home)
        })
    }

    fn take_over(&mut self, request: &TakeOver) -> Page {
        let mut page = Page {
            rows: Vec::new(),
            exhausted: true,
        };
        let mut cost = 0;
        let after = (Bound::Excluded(request.after_seq), Bound::Unbounded);
        let none = BTreeSet::new();
        let left = match &request.home {
            Some(home) => self.forwards.get(home).unwrap_or(&none),
            None => &self.faults,
        };
        for &seq in left.range(after) {
            let Some(row) = self.rows.get_mut(&seq) else {
                continue;
            };
            if row
                .owner
                .as_ref()
                .is_some_and(|owner| request.spared.contains(owner))
            {
                continue;
            }
            if page.rows.len() >= request.max_rows as usize || cost > request.max_bytes {
                page.exhausted = false;
                break;
            }
            row.owner.clone_from(&request.node);
            cost += row.envelope.cost();
            page.rows.push(StoredRow {
                seq,
                envelope: Arc::clone(&row.envelope),
                reason: row.reason,
            });
        }
        page
    }

    fn page(&self, request: &PageRequest) -> Page {
        let mut page = Page {
            rows: Vec::new(),
            exhausted: true,
        };
        let Some(inbox) = self.inboxes.get(&request.user) else {
            return page;
        };
        let mut cost = 0;
        let after = (Bound::Excluded(request.after_seq), Bound::Unbounded);
        for &seq in inbox.seqs.range(after) {
            let Some(row) = self.rows.get(&seq) else { continue };
            if request.filter == PageFilter::Behind && row.reason != WaitReason::Behind {
                continue;
            }
            if page.rows.len() >= request.max_rows as usize || cost > request.max_bytes {
                page.exhausted = false;
                break;
            }
            // A bound of 0 still lets one row through.
            cost += row.envelope.cost();
            page.rows.push(StoredRow {
                seq,
                envelope: Arc::clone(&row.envelope),
                reason: row.reason,
            });
        }
        page
    }

    fn find(&self, id: &MessageId) -> Option<Waiting> {
        let row = self.rows.get(self.by_id.get(id)?)?;
        Some(Waiting {
            envelope: Arc::clone(&row.envelope),
            reason: row.reason,
            home: row.home.clone(),
        })
    }

    fn count(&self, request: &CountRequest) -> u64 {
        let Some(inbox) = self.inboxes.get(&request.user) else {
            return 0;
        };
        let except: BTreeSet<u64> = request
            .except
            .iter()
            .filter_map(|id| self.by_id.get(id).copied())
            .filter(|seq| inbox.seqs.contains(seq))
            .collect();
        (inbox.seqs.len() - except.len()) as u64
    }

    fn expire(&mut self, before_ms: u64, max_rows: u32) -> Vec<Arc<Envelope>> {
        let expired: Vec<u64> = self
            .arrivals
            .range(..(before_ms, 0))
            .take(max_rows as usize)
            .map(|&(_, seq)| seq)
            .collect();
        expired.into_iter().filter_map(|seq| self.remove(seq)).collect()
    }

    fn repeatable_since(&self, since_ms: u64, max_rows: u32) -> Vec<Repeatable> {
        self.arrivals
            .range((since_ms, 0)..)
            .rev()
            .filter_map(|(_, seq)| self.rows.get(seq))
            .filter_map(|row| {
                let (from, to, reference) = repeatable(&row.envelope)?;
                Some(Repeatable {
                    id: row.envelope.id,
                    from,
                    to,
                    reference,
                    arrived_ms: row.stored_ms,
                })
            })
            .take(max_rows as usize)
            .collect()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        // Nothing panics while the lock is held; were it so, what is there is still the best there is.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn records(&self) -> MutexGuard<'_, MemoryRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records for MemoryStore {
    fn write_records(&self, writes: Vec<RecordWrite>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.records().write(writes)) })
    }

    fn read_records(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move { Ok(self.records().read(keys)) })
    }

    fn list_records(
        &self,
        prefix: String,
        after: String,
        max: u32,
    ) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move { Ok(self.records().list(&prefix, &after, max)) })
    }

    fn expire_records(&self, now_ms: u64, max: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.records().expire(now_ms, max)) })
    }
}

impl Store for MemoryStore {
    fn apply(&self, batch: StoreBatch) -> BoxFuture<'_, Result<Vec<InsertOutcome>, StoreError>> {
        Box::pin(async move { Ok(self.rows().apply(batch)) })
    }

    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move { Ok(self.rows().page(&request)) })
    }

    fn take_over(&self, request: TakeOver) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move { Ok(self.rows().take_over(&request)) })
    }

    fn backlog(
        &self,
        spared: Vec<NodeInstance>,
    ) -> BoxFuture<'_, Result<Vec<(DomainName, u64)>, StoreError>> {
        Box::pin(async move { Ok(self.rows().backlog(&spared)) })
    }

    fn recipients(&self, after: Option<UserId>, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, StoreError>> {
        Box::pin(async move { Ok(self.rows().recipients(after.as_ref(), max)) })
    }

    fn rehome(&self, users: Vec<(UserId, Option<DomainName>)>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut rows = self.rows();
            for (user, home) in users {
                rows.rehome(&user, home.as_ref());
            }
            Ok(())
        })
    }

    fn find(&self, id: MessageId) -> BoxFuture<'_, Result<Option<Waiting>, StoreError>> {
        Box::pin(async move { Ok(self.rows().find(&id)) })
    }

    fn count(&self, requests: Vec<CountRequest>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(async move {
            let rows = self.rows();
            Ok(requests.iter().map(|request| rows.count(request)).collect())
        })
    }

    fn expire(&self, before_ms: u64, max_rows: u32) -> BoxFuture<'_, Result<Vec<Arc<Envelope>>, StoreError>> {
        Box::pin(async move { Ok(self.rows().expire(before_ms, max_rows)) })
    }

    fn repeatable_since(
        &self,
        since_ms: u64,
        max_rows: u32,
    ) -> BoxFuture<'_, Result<Vec<Repeatable>, StoreError>> {
        Box::pin(async move { Ok(self.rows().repeatable_since(since_ms, max_rows)) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}
