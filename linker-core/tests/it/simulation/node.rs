//! The node: what its parts are, and the actors around the routers (store, presence), as linker-actors wires them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::clock::Now;
use linker_core::code::CloseCode;
use linker_core::custody::{Custody, CustodyConfig, CustodyShared, DedupeTable, Submission, Ticket};
use linker_core::id::{MessageId, NodeInstance, SessionId, UserId};
use linker_core::port::{InsertOutcome, Page, PageFilter, PageRequest, StoredRow};

use super::audit::Audit;
use super::bus::Frame;
use super::cluster::{Cluster, Located, Peer, Target};
use super::entry::{Bell, Entry, Table, ToSession};
use super::members::Members;
use super::plan::Plan;
use super::presence::PresenceOp;
use super::shell::ShellSession;
use super::sim::{Event, Sim, trace};
use super::store::{ModelStore, Queue, StoreOp, Taken};

pub(crate) const SHARDS: u16 = 2;
pub(crate) const DEDUPE_WINDOW: Duration = Duration::from_secs(300);
pub(crate) const STORE: u16 = 100;

pub(crate) enum RouterMail {
    Proven(Vec<Ticket>),
    GivenBack(Vec<(Ticket, SessionId)>),
    Stored(Vec<(Ticket, InsertOutcome)>),
    Page(Box<PageRead>),
    Submit(Box<Submission<Target>>),
    Peer(Rc<Peer>, Vec<Frame>),
    PeerGone(Rc<Peer>),
    /// The way to that node is open again, and nothing says what it has got.
    PeerBack(Rc<Peer>),
    Located(Vec<(UserId, Option<Located>)>),
    Faults(Vec<StoredRow>),
}

pub(crate) struct PageRead {
    pub(crate) entry: Rc<Entry>,
    pub(crate) page: Option<Page>,
    pub(crate) after_seq: u64,
    pub(crate) asked_at: Duration,
    pub(crate) deferred: Vec<MessageId>,
}

pub(crate) enum StoreMail {
    Ops(Vec<StoreOp>),
    Page(u16, Rc<Entry>, PageRequest, Vec<MessageId>),
    PageDue(u16, Box<PageRead>, PageRequest),
    Count(Rc<Entry>),
    CountDue(Rc<Entry>, Vec<MessageId>),
    Applied,
    Retry,
    Probe,
}

pub(crate) struct Router {
    pub(crate) custody: Custody<Target>,
    /// Presence is being asked.
    pub(crate) asking: bool,
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
    /// Which run of a node it is; 0 for none.
    pub(crate) life: u32,
    /// It stands still.
    pub(crate) frozen_until: Duration,
    /// Presence is away for it.
    pub(crate) cut_off_until: Duration,
    pub(crate) cluster: Cluster,
    pub(crate) members: Members,
    pub(crate) presence_ops: VecDeque<PresenceOp>,
    pub(crate) presence_busy: bool,
    pub(crate) shared: Arc<CustodyShared>,
    pub(crate) table: Table,
    pub(crate) routers: Vec<Router>,
    pub(crate) sessions: BTreeMap<usize, ShellSession>,
    pub(crate) bell: Bell,
    pub(crate) turns: BTreeMap<UserId, VecDeque<Rc<Entry>>>,
    queue: Queue,
    in_flight: Option<Taken>,
    /// What the store has answered to it already.
    committed: Option<Vec<InsertOutcome>>,
    retry_after: Duration,
}

/// How the store names a run of a node.
pub(crate) fn instance(life: u32) -> NodeInstance {
    NodeInstance {
        name: "node".parse().expect("a name"),
        incarnation: u64::from(life),
    }
}

impl Node {
    pub(crate) fn new(life: u32, plan: &Plan, store: &ModelStore, now: Now, audit: Audit) -> Self {
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
            several_nodes: plan.nodes > 1,
        };
        let shared = Arc::new(CustodyShared::new(config, dedupe));
        let router = |shard| Router {
            custody: Custody::new(shard, Arc::clone(&shared)),
            asking: false,
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
            life,
            frozen_until: Duration::ZERO,
            cut_off_until: Duration::ZERO,
            cluster: Cluster::default(),
            members: Members::default(),
            presence_ops: VecDeque::new(),
            presence_busy: false,
            routers: (0..SHARDS).map(router).collect(),
            table: Table {
                sessions: RefCell::default(),
                audit: RefCell::new(audit),
            },
            shared,
            sessions: BTreeMap::new(),
            bell: Bell::default(),
            turns: BTreeMap::new(),
            queue: Queue::default(),
            in_flight: None,
            committed: None,
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

pub(crate) fn close(entry: &Entry, code: CloseCode) {
    if entry.mailbox.post(ToSession::Close(code)).is_err() {
        entry.must_close.set(Some(code));
    }
}

impl Sim {
    pub(crate) fn store_mail(&mut self, mail: StoreMail) {
        match mail {
            StoreMail::Ops(ops) => {
                for op in ops {
                    let Some(unwritten) = self.nodes[self.at].queue.push(op) else {
                        continue;
                    };
                    let (node, ticket) = (&mut self.nodes[self.at], unwritten.ticket);
                    let mut claims = node.shared.claims();
                    claims.deleted(unwritten.user, unwritten.id, None, self.now);
                    drop(claims);
                    if self.plan.nodes > 1 {
                        if let Some((user, id)) = unwritten.replaced {
                            node.queue.push(StoreOp::Delete { user, id });
                        }
                        let stored = RouterMail::Stored(vec![(ticket, InsertOutcome::Stored)]);
                        self.hop(STORE, ticket.shard, Event::Router(ticket.shard, stored));
                    }
                }
            }
            StoreMail::Page(shard, entry, request, deferred) => {
                let read = PageRead {
                    page: None,
                    after_seq: request.after_seq,
                    asked_at: self.now,
                    deferred,
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
                let except = self.nodes[self.at].shared.claims().of(&entry.user);
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
                if self.nodes[self.at].in_flight.is_none() {
                    self.set_away(self.store_is_away);
                }
                self.schedule(Duration::from_secs(2), Event::Store(StoreMail::Probe));
            }
        }
        self.commit_next();
    }

    pub(crate) fn store_latency(&mut self) -> Duration {
        self.rng.up_to(self.plan.store)
    }

    fn commit_next(&mut self) {
        if self.nodes[self.at].in_flight.is_some() || self.nodes[self.at].queue.is_empty() {
            return;
        }
        let mut taken = self.nodes[self.at].queue.take(64);
        let now_ms = self.clock().unix_ms;
        taken.batch.now_ms = now_ms;
        taken.batch.dedupe_since_ms = now_ms.saturating_sub(DEDUPE_WINDOW.as_millis() as u64);
        taken.batch.max_per_user = self.plan.max_per_user;
        taken.batch.node = (self.plan.nodes > 1).then(|| instance(self.nodes[self.at].life));
        self.nodes[self.at].in_flight = Some(taken);
        let after = self.store_latency();
        self.schedule(after, Event::Store(StoreMail::Applied));
    }

    /// The transaction in flight reaches its end; where the store is away, its answer may be lost although it was made.
    fn on_applied(&mut self) {
        let Some(taken) = self.nodes[self.at].in_flight.take() else {
            return;
        };
        let committed = self.nodes[self.at].committed.take();
        if self.store_is_away && committed.is_none() {
            if self.rng.percent(20) {
                self.store.apply(&taken.batch);
            }
            self.set_away(true);
            self.nodes[self.at].in_flight = Some(taken);
            let after = self.nodes[self.at].retry_after;
            self.nodes[self.at].retry_after = (after * 2).min(Duration::from_secs(1));
            self.schedule(after, Event::Store(StoreMail::Retry));
            return;
        }
        let mut outcomes = committed.unwrap_or_else(|| self.store.apply(&taken.batch));
        self.checker.an_inbox_was_full |= outcomes.contains(&InsertOutcome::InboxFull);
        trace!(
            self,
            "stored {:?}, deleted {}",
            outcomes,
            taken.batch.deletes.len()
        );
        self.set_away(false);
        self.nodes[self.at].retry_after = Duration::from_millis(50);
        for (user, id) in taken.deleted {
            self.nodes[self.at]
                .shared
                .claims()
                .deleted(user, id, None, self.now);
        }
        outcomes.resize(taken.tickets.len(), InsertOutcome::Stored);
        let mut by_shard: BTreeMap<u16, Vec<_>> = BTreeMap::new();
        for (ticket, outcome) in taken.tickets.into_iter().zip(outcomes) {
            by_shard.entry(ticket.shard).or_default().push((ticket, outcome));
        }
        for (shard, outcomes) in by_shard {
            self.hop(STORE, shard, Event::Router(shard, RouterMail::Stored(outcomes)));
        }
    }

    fn set_away(&mut self, away: bool) {
        self.nodes[self.at]
            .shared
            .store_away
            .store(away, Ordering::Release);
        if away {
            self.checker.store_was_away = true;
            (0..SHARDS).for_each(|shard| self.wake_router(shard));
        }
    }

    /// The transaction under way is made, and its answer waits to be read.
    pub(crate) fn commit_in_flight(&mut self) {
        let node = &mut self.nodes[self.at];
        if let Some(taken) = node
            .in_flight
            .as_ref()
            .filter(|_| !self.store_is_away && node.committed.is_none())
        {
            node.committed = Some(self.store.apply(&taken.batch));
        }
    }

    /// At a crash the transaction under way is made, or not.
    pub(crate) fn commit_or_lose_in_flight(&mut self) {
        if let Some(taken) = self.nodes[self.at].in_flight.take()
            && self.nodes[self.at].committed.take().is_none()
            && self.rng.percent(50)
            && !self.store_is_away
        {
            self.store.apply(&taken.batch);
        }
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
        self.nodes[self.at].routers[usize::from(shard)]
            .requests
            .push(mail);
        self.wake_router(shard);
    }
}
