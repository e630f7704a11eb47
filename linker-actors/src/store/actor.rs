//! The store actor: one transaction at a time, as large as what came up during the last one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Recipient};
use linker_core::custody::Ticket;
use linker_core::port::{CountRequest, InsertOutcome, Store, StoreError};
use tokio::sync::Semaphore;

use super::messages::{StoreMail, StoreOp, StoreRequest};
use super::queue::{Deleted, Queue, Taken};
use super::reading;
use crate::node::Node;
use crate::router::{RouterMail, RouterOutlets};
use crate::runtime::guard;
use crate::runtime::leftovers::{self, Leftovers};
use crate::session::ToSession;

const RETRY_AFTER_MIN: Duration = Duration::from_millis(50);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);
/// How often the store is asked whether it would take a write, when nothing is written.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How often rows that were removed long enough ago are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// Rows removed at once when they are too old.
const EXPIRE_ROWS_MAX: u32 = 1000;
const MAILBOX_CAPACITY: usize = 1024;
/// Pages that are read at a time. The others wait for their turn before they are read: one that was read long ago is thrown away.
const PAGES_AT_ONCE: usize = 16;

/// What the store actor needs to know.
#[derive(Debug, Clone)]
pub(crate) struct StoreSettings {
    pub(crate) max_per_user: u64,
    pub(crate) dedupe_window: Duration,
    pub(crate) max_age: Duration,
}

/// Writes for all routers of the node.
pub(crate) struct StoreActor {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    settings: StoreSettings,
    queue: Queue,
    /// Turns of those who read a page.
    page_turns: Arc<Semaphore>,
    in_flight: Option<(Taken, Instant)>,
    retry_after: Duration,
    routers: RouterOutlets,
    retries: bool,
    me: Option<Recipient<StoreMail>>,
    drained: Vec<tokio::sync::oneshot::Sender<()>>,
}

impl StoreActor {
    pub(crate) fn new(node: Arc<Node>, store: Arc<dyn Store>, settings: StoreSettings) -> Self {
        Self {
            node,
            store,
            settings,
            queue: Queue::default(),
            page_turns: Arc::new(Semaphore::new(PAGES_AT_ONCE)),
            in_flight: None,
            retry_after: RETRY_AFTER_MIN,
            routers: RouterOutlets::default(),
            retries: false,
            me: None,
            drained: Vec::new(),
        }
    }

    fn commit_next(&mut self) {
        if self.in_flight.is_some() || self.queue.is_empty() {
            return;
        }
        let mut taken = self.queue.take();
        let now = self.node.clock.now();
        taken.batch.now_ms = now.unix_ms;
        taken.batch.dedupe_since_ms = now
            .unix_ms
            .saturating_sub(self.settings.dedupe_window.as_millis() as u64);
        taken.batch.max_per_user = self.settings.max_per_user;
        taken.batch.node = self.node.cluster.as_ref().map(|_| self.node.me.clone());
        let batch = taken.batch.clone();
        self.in_flight = Some((taken, Instant::now()));
        self.apply(batch);
    }

    fn apply(&self, batch: linker_core::port::StoreBatch) {
        let (store, me) = (Arc::clone(&self.store), self.me.clone());
        self.node.backend.spawn(async move {
            let result = store.apply(batch).await;
            if let Some(me) = me {
                let _ = me.try_send(StoreMail::Applied(result));
            }
        });
    }

    fn on_applied(&mut self, result: Result<Vec<InsertOutcome>, StoreError>, ctx: &mut Context<Self>) {
        let Some((taken, began)) = self.in_flight.take() else {
            return;
        };
        match result {
            Ok(outcomes) => {
                self.set_away(None);
                self.retry_after = RETRY_AFTER_MIN;
                self.node.metrics.commit(taken.tickets.len(), began.elapsed());
                if self.node.tracer.is_on() {
                    self.trace(&taken, &outcomes, began);
                }
                let Taken {
                    mut tickets, changed, ..
                } = taken;
                let stored = changed.iter().map(|_| InsertOutcome::Stored);
                let outcomes = outcomes.into_iter().chain(stored).collect();
                tickets.extend(changed);
                self.report(tickets, outcomes, taken.deleted);
            }
            Err(error) => {
                self.set_away(Some(&error));
                // The same transaction again: repeating it is safe, and nothing may overtake it.
                let batch = taken.batch.clone();
                self.in_flight = Some((taken, began));
                ctx.run_later(self.retry_after, move |actor, _| actor.apply(batch));
                self.retry_after = (self.retry_after * 2).min(RETRY_AFTER_MAX);
            }
        }
    }

    fn trace(&self, taken: &Taken, outcomes: &[InsertOutcome], began: Instant) {
        let tracer = &self.node.tracer;
        let inserts = &taken.batch.inserts;
        for (insert, outcome) in inserts.iter().zip(outcomes) {
            if tracer.takes(&insert.envelope.id) {
                let outcome = match outcome {
                    InsertOutcome::Stored => "stored",
                    InsertOutcome::Duplicate(_) => "duplicate",
                    InsertOutcome::InboxFull => "refused",
                };
                tracer.inserted(&insert.envelope, outcome, inserts.len(), began);
            }
        }
        for Deleted { id, .. } in taken.deleted.iter().filter(|row| tracer.takes(&row.id)) {
            tracer.deleted(*id, taken.deleted.len(), began);
        }
    }

    fn report(&mut self, tickets: Vec<Ticket>, outcomes: Vec<InsertOutcome>, deleted: Vec<Deleted>) {
        let now = self.node.clock.now().elapsed;
        if !deleted.is_empty() {
            let mut claims = self.node.custody.claims();
            for Deleted { user, id, forwarded } in deleted {
                claims.deleted(user, id, forwarded, now);
            }
        }
        self.tell_stored(tickets.into_iter().zip(outcomes));
    }

    fn tell_stored(&mut self, outcomes: impl IntoIterator<Item = (Ticket, InsertOutcome)>) {
        let mut by_shard: HashMap<u16, Vec<(Ticket, InsertOutcome)>> = HashMap::new();
        for (ticket, outcome) in outcomes {
            by_shard.entry(ticket.shard).or_default().push((ticket, outcome));
        }
        for (shard, outcomes) in by_shard {
            self.routers
                .send(&self.node.routers, shard, RouterMail::Stored(outcomes));
        }
    }

    fn set_away(&self, error: Option<&StoreError>) {
        let was = self
            .node
            .custody
            .store_away
            .swap(error.is_some(), Ordering::AcqRel);
        match error {
            Some(error) if !was => {
                tracing::error!(error = %error, "the store takes nothing; messages are kept in memory until it does");
                self.node.set_check("store", Some(error.to_string()));
                self.node.routers.wake_all();
            }
            None if was => {
                tracing::info!("the store is back");
                self.node.set_check("store", None);
            }
            _ => {}
        }
    }

    fn probe(&self) {
        if self.in_flight.is_some() {
            return;
        }
        let (store, me) = (Arc::clone(&self.store), self.me.clone());
        self.node.backend.spawn(async move {
            let result = store.probe().await;
            if let Some(me) = me {
                let _ = me.try_send(StoreMail::Probed(result));
            }
        });
    }

    fn request(&mut self, request: StoreRequest) {
        let (store, node) = (Arc::clone(&self.store), Arc::clone(&self.node));
        match request {
            StoreRequest::Count(entry) => {
                let except = node.custody.claims().of(&entry.user);
                self.node.backend.spawn(async move {
                    let counted = store
                        .count(vec![CountRequest {
                            user: entry.user,
                            except,
                        }])
                        .await;
                    let count = counted.ok().and_then(|counts| counts.first().copied());
                    // A full mailbox is answered by the session's own asking again.
                    let _ = entry.post(ToSession::Count(count));
                });
            }
            StoreRequest::Page(page) => reading::page(node, store, Arc::clone(&self.page_turns), page),
        }
    }

    fn expire(&self) {
        let (store, node) = (Arc::clone(&self.store), Arc::clone(&self.node));
        let max_age_ms = self.settings.max_age.as_millis() as u64;
        self.node.backend.spawn(async move {
            let before = node.clock.now().unix_ms.saturating_sub(max_age_ms);
            while let Ok(expired) = store.expire(before, EXPIRE_ROWS_MAX).await {
                if expired.is_empty() {
                    break;
                }
                let messages = expired.iter().filter(|envelope| envelope.kind.counts());
                node.metrics.expired(messages.count() as u64);
                for envelope in &expired {
                    tracing::info!(message.id = %envelope.id, user.id = %envelope.to, "a message waited too long and is removed");
                }
                if expired.len() < EXPIRE_ROWS_MAX as usize {
                    break;
                }
            }
            let now_ms = node.clock.now().unix_ms;
            while let Ok(removed) = store.expire_records(now_ms, EXPIRE_ROWS_MAX).await {
                if removed < u64::from(EXPIRE_ROWS_MAX) {
                    break;
                }
            }
        });
    }

    fn answer_drained(&mut self) {
        if self.in_flight.is_none() && self.queue.is_empty() {
            for waiting in self.drained.drain(..) {
                let _ = waiting.send(());
            }
        }
    }
}

impl Actor for StoreActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.me = Some(ctx.address().recipient());
        ctx.run_interval(PROBE_EVERY, |actor, _| actor.probe());
        let expire_every =
            (self.settings.max_age / 4).clamp(Duration::from_millis(100), Duration::from_secs(60));
        ctx.run_interval(expire_every, |actor, _| actor.expire());
        // By the clock, for a node that has nothing to do any more is the one to forget what it had.
        ctx.run_interval(FORGET_EVERY, |actor, _| {
            let now = actor.node.clock.now().elapsed;
            actor.node.custody.claims().forget_old(now);
        });
    }
}

impl Leftovers for StoreActor {
    fn send_leftovers(&mut self) -> bool {
        self.routers.flush()
    }

    fn retries(&mut self) -> &mut bool {
        &mut self.retries
    }
}

impl Handler<StoreMail> for StoreActor {
    type Result = ();

    fn handle(&mut self, mail: StoreMail, ctx: &mut Self::Context) {
        guard::catch("store", || match mail {
            StoreMail::Ops(ops) => {
                let now = self.node.clock.now().elapsed;
                let mut told = Vec::new();
                for op in ops {
                    let Some(unwritten) = self.queue.push(op) else {
                        continue;
                    };
                    let Deleted { user, id, forwarded } = unwritten.of;
                    self.node.custody.claims().deleted(user, id, forwarded, now);
                    if self.node.cluster.is_some() {
                        // Who took it back may not be who wanted it written: two that move the same message. The other must not wait for ever.
                        told.push((unwritten.ticket, InsertOutcome::Stored));
                        if let Some((user, id)) = unwritten.replaced {
                            self.queue.push(StoreOp::Delete {
                                user,
                                id,
                                forwarded: None,
                            });
                        }
                    }
                }
                self.tell_stored(told);
            }
            StoreMail::Requests(requests) => requests.into_iter().for_each(|request| self.request(request)),
            StoreMail::Applied(result) => self.on_applied(result, ctx),
            StoreMail::Probed(result) => {
                if self.in_flight.is_none() {
                    self.set_away(result.as_ref().err());
                }
            }
            StoreMail::Drain(done) => self.drained.push(done),
        });
        self.commit_next();
        leftovers::send(self, ctx);
        self.answer_drained();
    }
}
