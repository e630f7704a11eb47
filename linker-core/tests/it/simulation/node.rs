//! The node: what its parts are, and the actors around the routers (store, presence), as linker-actors wires them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::code::CloseCode;
use linker_core::custody::{Custody, CustodyConfig, CustodyShared, DedupeTable, Origin, Submission, Ticket};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, SessionId, UserId};
use linker_core::port::{InsertOutcome, Page, PageFilter, PageRequest};

use super::checker::Audit;
use super::entry::{Bell, Entry, Table, ToSession};
use super::plan::Plan;
use super::shell::ShellSession;
use super::sim::{EPOCH_MS, Event, Sim, trace};
use super::store::{ModelStore, Queue, StoreOp, Taken};

pub(crate) const SHARDS: u16 = 2;
pub(crate) const DEDUPE_WINDOW: Duration = Duration::from_secs(300);
const STORE: u16 = 100;

pub(crate) enum RouterMail {
    Proven(Vec<Ticket>),
    GivenBack(Vec<(Ticket, SessionId)>),
    Stored(Vec<(Ticket, InsertOutcome)>),
    Page(Box<PageRead>),
    Submit(Box<Submission<Rc<Entry>>>),
}

pub(crate) struct PageRead {
    pub(crate) entry: Rc<Entry>,
    pub(crate) page: Option<Page>,
    pub(crate) after_seq: u64,
    pub(crate) asked_at: Duration,
}

pub(crate) enum StoreMail {
    Ops(Vec<StoreOp>),
    Page(u16, Rc<Entry>, PageRequest),
    PageDue(u16, Box<PageRead>, PageRequest),
    Count(Rc<Entry>),
    CountDue(Rc<Entry>, Vec<MessageId>),
    Applied,
    Retry,
    Probe,
}

pub(crate) enum PresenceOp {
    Register(Rc<Entry>),
    Registered(Rc<Entry>),
    Farewell(Rc<Entry>),
}

pub(crate) struct Router {
    pub(crate) custody: Custody<Rc<Entry>>,
    pub(crate) ops: Vec<StoreOp>,
    pub(crate) requests: Vec<StoreMail>,
    pub(crate) proven: BTreeMap<u16, Vec<Ticket>>,
    pub(crate) given_back: BTreeMap<u16, Vec<(Ticket, SessionId)>>,
    pub(crate) undelivered: VecDeque<(Rc<Entry>, ToSession)>,
    pub(crate) paused: Vec<Rc<Entry>>,
    pub(crate) reoffered_at: Duration,
    /// When its next turn is due, if one is scheduled.
    pub(crate) turn_at: Duration,
}

pub(crate) struct Node {
    pub(crate) shared: Arc<CustodyShared>,
    pub(crate) table: Table,
    pub(crate) routers: Vec<Router>,
    pub(crate) sessions: BTreeMap<usize, ShellSession>,
    pub(crate) bell: Bell,
    pub(crate) turns: BTreeMap<UserId, VecDeque<Rc<Entry>>>,
    pub(crate) registered: BTreeMap<UserId, Vec<Rc<Entry>>>,
    queue: Queue,
    in_flight: Option<Taken>,
    retry_after: Duration,
}

impl Node {
    pub(crate) fn new(plan: &Plan, store: &ModelStore, now: Now, audit: &Rc<RefCell<Audit>>) -> Self {
        let dedupe = DedupeTable::new(DEDUPE_WINDOW, 1 << 14, 7);
        for row in store.rows.values() {
            if let Some(key) = dedupe.key(&row.envelope) {
                let age = now.unix_ms.saturating_sub(row.envelope.timestamp_ms);
                dedupe.recall(key, row.envelope.id, Duration::from_millis(age), now.elapsed);
            }
        }
        let config = CustodyConfig {
            commit_window: plan.commit_window,
            max_pending_bytes: plan.max_pending_bytes,
            several_nodes: false,
        };
        let shared = Arc::new(CustodyShared::new(config, dedupe));
        let router = |shard| Router {
            custody: Custody::new(shard, Arc::clone(&shared)),
            ops: Vec::new(),
            requests: Vec::new(),
            proven: BTreeMap::new(),
            given_back: BTreeMap::new(),
            undelivered: VecDeque::new(),
            paused: Vec::new(),
            reoffered_at: Duration::ZERO,
            turn_at: Duration::MAX,
        };
        Self {
            routers: (0..SHARDS).map(router).collect(),
            table: Table {
                sessions: RefCell::default(),
                audit: Rc::clone(audit),
            },
            shared,
            sessions: BTreeMap::new(),
            bell: Bell::default(),
            turns: BTreeMap::new(),
            registered: BTreeMap::new(),
            queue: Queue::default(),
            in_flight: None,
            retry_after: Duration::from_millis(50),
        }
    }

    pub(crate) fn store_is_idle(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_none()
    }

    pub(crate) fn is_crowded(&self) -> bool {
        let pending = self.shared.pending_bytes.load(Ordering::Relaxed);
        pending > self.shared.config.max_pending_bytes / 2
    }

    pub(crate) fn acquire_turn(&mut self, entry: &Rc<Entry>) -> bool {
        let queue = self.turns.entry(entry.user).or_default();
        if !queue.iter().any(|waiting| waiting.id == entry.id) {
            queue.push_back(Rc::clone(entry));
        }
        queue.front().is_some_and(|first| first.id == entry.id)
    }

    pub(crate) fn release_turn(&mut self, entry: &Rc<Entry>) {
        let Some(queue) = self.turns.get_mut(&entry.user) else {
            return;
        };
        let served = queue.front().is_some_and(|first| first.id == entry.id);
        queue.retain(|waiting| waiting.id != entry.id);
        if served && let Some(next) = queue.front() {
            let _ = next.mailbox.post(ToSession::FetchGranted);
        }
        if queue.is_empty() {
            self.turns.remove(&entry.user);
        }
    }

    pub(crate) fn close_user(&self, user: &UserId, code: CloseCode) -> usize {
        let sessions = self
            .table
            .sessions
            .borrow()
            .get(user)
            .cloned()
            .unwrap_or_default();
        sessions.iter().for_each(|session| close(session, code));
        sessions.len()
    }
}

fn close(entry: &Entry, code: CloseCode) {
    if entry.mailbox.post(ToSession::Close(code)).is_err() {
        entry.must_close.set(Some(code));
    }
}

impl Sim {
    pub(crate) fn store_mail(&mut self, mail: StoreMail) {
        match mail {
            StoreMail::Ops(ops) => {
                for op in ops {
                    if let Some((user, id)) = self.node.queue.push(op) {
                        self.node.shared.claims().deleted(user, id, self.now);
                    }
                }
            }
            StoreMail::Page(shard, entry, request) => {
                let read = PageRead {
                    page: None,
                    after_seq: request.after_seq,
                    asked_at: self.now,
                    entry,
                };
                let after = self.store_latency();
                self.schedule(
                    after,
                    Event::Store(StoreMail::PageDue(shard, Box::new(read), request)),
                );
            }
            StoreMail::PageDue(shard, mut read, request) => {
                let readable = !self.store_is_away || self.rng.percent(50);
                read.page = readable.then(|| self.store.page(&request));
                let after = self.store_latency();
                self.schedule(after, Event::Router(shard, RouterMail::Page(read)));
            }
            StoreMail::Count(entry) => {
                let except = self.node.shared.claims().of(&entry.user);
                let after = self.store_latency();
                self.schedule(after, Event::Store(StoreMail::CountDue(entry, except)));
            }
            StoreMail::CountDue(entry, except) => {
                let count = (!self.store_is_away).then(|| self.store.count(&entry.user, &except));
                let _ = entry.mailbox.post(ToSession::Count(count));
            }
            StoreMail::Applied => self.on_applied(),
            StoreMail::Retry => {
                let after = self.store_latency();
                self.schedule(after, Event::Store(StoreMail::Applied));
            }
            StoreMail::Probe => {
                if self.node.in_flight.is_none() {
                    self.set_away(self.store_is_away);
                }
                self.schedule(Duration::from_secs(2), Event::Store(StoreMail::Probe));
            }
        }
        self.commit_next();
    }

    fn store_latency(&mut self) -> Duration {
        self.rng.up_to(self.plan.store)
    }

    fn commit_next(&mut self) {
        if self.node.in_flight.is_some() || self.node.queue.is_empty() {
            return;
        }
        let mut taken = self.node.queue.take(64);
        let now_ms = self.clock().unix_ms;
        taken.batch.now_ms = now_ms;
        taken.batch.dedupe_since_ms = now_ms.saturating_sub(DEDUPE_WINDOW.as_millis() as u64);
        taken.batch.max_per_user = self.plan.max_per_user;
        self.node.in_flight = Some(taken);
        let after = self.store_latency();
        self.schedule(after, Event::Store(StoreMail::Applied));
    }

    /// The transaction in flight reaches its end; where the store is away, its answer may be lost although it was made.
    fn on_applied(&mut self) {
        let Some(taken) = self.node.in_flight.take() else {
            return;
        };
        if self.store_is_away {
            if self.rng.percent(20) {
                self.store.apply(&taken.batch);
            }
            self.set_away(true);
            self.node.in_flight = Some(taken);
            let after = self.node.retry_after;
            self.node.retry_after = (after * 2).min(Duration::from_secs(1));
            self.schedule(after, Event::Store(StoreMail::Retry));
            return;
        }
        let outcomes = self.store.apply(&taken.batch);
        self.checker.an_inbox_was_full |= outcomes.contains(&InsertOutcome::InboxFull);
        trace!(
            self,
            "stored {:?}, deleted {}",
            outcomes,
            taken.batch.deletes.len()
        );
        self.set_away(false);
        self.node.retry_after = Duration::from_millis(50);
        for (user, id) in taken.deleted {
            self.node.shared.claims().deleted(user, id, self.now);
        }
        let mut by_shard: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for (ticket, outcome) in taken.tickets.into_iter().zip(outcomes) {
            by_shard.entry(ticket.shard).or_default().push((ticket, outcome));
        }
        for (shard, outcomes) in by_shard {
            self.hop(STORE, shard, Event::Router(shard, RouterMail::Stored(outcomes)));
        }
    }

    fn set_away(&mut self, away: bool) {
        self.node.shared.store_away.store(away, Ordering::Release);
        if away {
            self.checker.store_was_away = true;
            (0..SHARDS).for_each(|shard| self.wake_router(shard));
        }
    }

    /// At a crash the transaction under way is made, or not.
    pub(crate) fn commit_or_lose_in_flight(&mut self) {
        if let Some(taken) = self.node.in_flight.take()
            && self.rng.percent(50)
            && !self.store_is_away
        {
            self.store.apply(&taken.batch);
        }
    }

    pub(crate) fn presence(&mut self, op: PresenceOp) {
        match op {
            PresenceOp::Register(entry) => {
                let sessions = self.node.registered.entry(entry.user).or_default();
                sessions.push(Rc::clone(&entry));
                let first = sessions.len() == 1;
                let surplus = sessions.len().saturating_sub(self.plan.sessions_per_user);
                let evicted: Vec<_> = sessions.drain(..surplus).collect();
                for evicted in evicted.iter().filter(|evicted| !evicted.closed.get()) {
                    close(evicted, CloseCode::Replaced);
                }
                if first {
                    self.tell_master(entry.user, Kind::UserConnected);
                }
                let after = self.store_latency();
                self.schedule(after, Event::Presence(PresenceOp::Registered(entry)));
            }
            PresenceOp::Registered(entry) => {
                let except = self.node.shared.claims().of(&entry.user);
                let missing = (!self.store_is_away).then(|| self.store.count(&entry.user, &except));
                entry.mailbox.post_beyond_bound(ToSession::Registered(missing));
            }
            PresenceOp::Farewell(entry) => {
                let Some(sessions) = self.node.registered.get_mut(&entry.user) else {
                    return;
                };
                let before = sessions.len();
                sessions.retain(|registered| registered.id != entry.id);
                if sessions.is_empty() && before > 0 {
                    self.tell_master(entry.user, Kind::UserDisconnected);
                }
            }
        }
    }

    fn tell_master(&mut self, user: UserId, kind: Kind) {
        let app = self.directory.app_of(user.app());
        let Some(master) = app.and_then(|app| app.master).filter(|master| *master != user) else {
            return;
        };
        let envelope = Envelope {
            id: self.new_id(),
            kind,
            feature: Feature::Reliable,
            from: user,
            to: master,
            reference: None,
            confirm: false,
            timestamp_ms: EPOCH_MS,
            content: bytes::Bytes::new(),
        };
        let submission = Submission {
            envelope,
            origin: Origin::Node,
            accepted: false,
        };
        self.hop(
            STORE,
            0,
            Event::Router(0, RouterMail::Submit(Box::new(submission))),
        );
    }

    pub(crate) fn page_request(
        entry: &Entry,
        after_seq: u64,
        max_rows: u32,
        max_bytes: usize,
        filter: PageFilter,
    ) -> PageRequest {
        PageRequest {
            user: entry.user,
            after_seq,
            max_rows,
            max_bytes,
            filter,
        }
    }

    pub(crate) fn ask_store(&mut self, shard: u16, mail: StoreMail) {
        self.node.routers[usize::from(shard)].requests.push(mail);
        self.wake_router(shard);
    }
}
