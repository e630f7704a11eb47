//! The presence actor: one batch at the registry at a time, in the order things happened.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::SendError;
use actix::{Actor, AsyncContext, Context, Handler, Recipient};
use bytes::Bytes;
use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::custody::{Origin, Submission};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{SessionId, UserId};
use linker_core::port::{CountRequest, Presence, PresenceError, Registered, SessionRef, Store};
use linker_core::upstream::UpstreamEvent;

use super::batch::Batch;
use super::messages::{Coming, Going, PresenceAnswer, PresenceMail, PresenceOp};
use crate::cluster::Cluster;
use crate::cluster::rescue::{self, Whose};
use crate::handle::Event;
use crate::node::Node;
use crate::router::{RouterMail, Target};
use crate::runtime::guard;
use crate::runtime::ids::IdSource;
use crate::runtime::leftovers::{self, Leftovers};
use crate::runtime::outlet::Outlet;
use crate::session::{Registration, SessionEntry, ToSession};

/// How soon the registry is asked again when it was away.
const RETRY_AFTER: Duration = Duration::from_millis(250);
const MAILBOX_CAPACITY: usize = 1024;

pub(crate) struct PresenceActor {
    node: Arc<Node>,
    presence: Arc<dyn Presence>,
    store: Arc<dyn Store>,
    waiting: VecDeque<PresenceOp>,
    busy: bool,
    /// The registry is to be compared with the sessions there are.
    reconcile: bool,
    /// The registry may not have known this node's sessions for a while.
    was_unknown: bool,
    events: Option<Outlet<RouterMail>>,
    ids: IdSource,
    me: Option<Recipient<PresenceMail>>,
    /// Word for sessions whose mailbox was full.
    unposted: Vec<(Arc<SessionEntry>, Registration)>,
    /// To be closed with 4009.
    evicted: Vec<SessionRef>,
    retries: bool,
}

impl PresenceActor {
    pub(crate) fn new(node: Arc<Node>, presence: Arc<dyn Presence>, store: Arc<dyn Store>) -> Self {
        let ids = IdSource::new();
        Self {
            node,
            presence,
            store,
            waiting: VecDeque::new(),
            busy: false,
            reconcile: false,
            was_unknown: false,
            events: None,
            ids,
            me: None,
            unposted: Vec::new(),
            evicted: Vec::new(),
            retries: false,
        }
    }

    fn reference(&self, entry: &SessionEntry) -> SessionRef {
        SessionRef {
            user: entry.user,
            node: self.node.me.clone(),
            session: entry.id,
        }
    }

    /// Asks the registry about the next sessions.
    fn next_batch(&mut self) {
        if self.busy {
            return;
        }
        if std::mem::take(&mut self.reconcile) {
            self.busy = true;
            self.reconcile();
            return;
        }
        let batch = Batch::take(&mut self.waiting);
        if batch.is_empty() {
            return;
        }
        self.busy = true;
        self.ask(batch);
    }

    fn ask(&self, batch: Batch) {
        let references =
            |entries: &[Arc<SessionEntry>]| entries.iter().map(|entry| self.reference(entry)).collect();
        let (come, gone) = (references(&batch.coming), references(&batch.going));
        let (presence, store, node) = (
            Arc::clone(&self.presence),
            Arc::clone(&self.store),
            Arc::clone(&self.node),
        );
        let me = self.me.clone();
        self.node.backend.spawn(async move {
            let coming = async {
                let entries = batch.coming;
                let registered = presence.register(come).await;
                let missing = match registered {
                    Ok(_) if !entries.is_empty() && !node.store_is_away() => {
                        store.count(count_requests(&node, &entries)).await.ok()
                    }
                    _ => None,
                };
                Coming {
                    entries,
                    registered,
                    missing,
                }
            };
            let going = async {
                Going {
                    entries: batch.going,
                    last: presence.farewell(gone).await,
                }
            };
            let (coming, going) = tokio::join!(coming, going);
            answer(me, PresenceAnswer::Batch { coming, going });
        });
    }

    /// Sessions whose farewell waits are in no table any more, and are removed a moment earlier.
    fn reconcile(&self) {
        let sessions = self.node.sessions.all();
        let waiting: HashSet<SessionId> = self.waiting.iter().filter_map(PresenceOp::registering).collect();
        let registered = sessions.iter().filter(|entry| !waiting.contains(&entry.id));
        let sessions = registered.map(|entry| self.reference(entry)).collect();
        let (presence, me, own) = (Arc::clone(&self.presence), self.me.clone(), self.node.me.clone());
        self.node.backend.spawn(async move {
            let reconciled = presence.reconcile(own, sessions).await;
            answer(me, PresenceAnswer::Reconciled(reconciled));
        });
    }

    fn on_gone(&mut self, users: Vec<UserId>) {
        for user in users {
            self.tell(user, UpstreamEvent::Disconnected);
        }
    }

    fn on_registered(
        &mut self,
        entries: Vec<Arc<SessionEntry>>,
        registered: Vec<Registered>,
        counts: Option<Vec<u64>>,
    ) {
        for (index, (entry, registered)) in entries.into_iter().zip(registered).enumerate() {
            self.evicted.extend(registered.evicted);
            if registered.first {
                self.tell(entry.user, UpstreamEvent::Connected);
            }
            let missing = counts.as_ref().and_then(|counts| counts.get(index).copied());
            self.unposted.push((entry, Ok(missing)));
        }
    }

    /// Tells sessions what became of their registration; those whose mailbox is full, later.
    fn post_registered(&mut self) {
        self.unposted.retain(|(entry, outcome)| {
            let posted = entry.post(ToSession::Registered(outcome.clone()));
            matches!(posted, Err(SendError::Full(_)))
        });
        self.close_evicted();
    }

    /// One that came in the same batch as who replaces it learns first that it is logged in.
    fn close_evicted(&mut self) {
        if self.evicted.is_empty() {
            return;
        }
        let unposted: HashSet<SessionId> = self.unposted.iter().map(|(entry, _)| entry.id).collect();
        let node = &self.node;
        self.evicted.retain(|evicted| {
            if evicted.node != node.me {
                Cluster::close_evicted(node, std::slice::from_ref(evicted), CloseCode::Replaced);
                return false;
            }
            if unposted.contains(&evicted.session) {
                return true;
            }
            let session = node.sessions.find(&evicted.user, evicted.session);
            // Behind the word of its login, so later where its mailbox is full.
            session.is_some_and(|session| {
                let posted = session.post(ToSession::Close(CloseCode::Replaced));
                matches!(posted, Err(SendError::Full(_)))
            })
        });
    }

    /// Answers what is to be asked again, and why.
    fn on_batch(&mut self, coming: Coming, going: Going) -> Option<(PresenceError, Vec<PresenceOp>)> {
        let mut failed = None;
        let mut again = Vec::new();
        match coming.registered {
            Ok(registered) => self.on_registered(coming.entries, registered, coming.missing),
            Err(error) => {
                for entry in &coming.entries {
                    let refused =
                        FrameError::new(ErrorCode::AuthUnavailable, "logins cannot be registered now");
                    self.unposted.push((Arc::clone(entry), Err(Box::new(refused))));
                }
                // Whether they were registered is not known.
                again.extend(coming.entries.into_iter().map(PresenceOp::Farewell));
                failed = Some(error);
            }
        }
        match going.last {
            Ok(last) => self.on_farewells(going.entries, last),
            Err(error) => {
                again.extend(going.entries.into_iter().map(PresenceOp::Farewell));
                failed = Some(error);
            }
        }
        failed.map(|error| (error, again))
    }

    fn on_farewells(&mut self, entries: Vec<Arc<SessionEntry>>, last: Vec<bool>) {
        for (entry, last) in entries.into_iter().zip(last) {
            if last {
                self.tell(entry.user, UpstreamEvent::Disconnected);
            }
        }
    }

    /// Whoever wants to know of a user's first session and of the last: master, host and application.
    fn tell(&mut self, user: UserId, event: UpstreamEvent) {
        let (kind, host) = match event {
            UpstreamEvent::Connected => (Kind::UserConnected, Event::UserConnected(user)),
            _ => (Kind::UserDisconnected, Event::UserDisconnected(user)),
        };
        self.tell_master(user, kind);
        self.node.publish(host);
        let now = self.node.clock.now();
        let ids = &mut self.ids;
        let mut new_id = || ids.next(now.unix_ms);
        if let Some(submission) = self
            .node
            .upstream
            .of_user(&self.node, event, &user, &mut new_id, now)
        {
            self.submit(submission);
        }
    }

    /// The master of a user's app learns of its first session and of its last, but not of its own.
    fn tell_master(&mut self, user: UserId, kind: Kind) {
        let directory = self.node.directory();
        let Some(master) = directory.app_of(user.app()).and_then(|app| app.master) else {
            return;
        };
        if master == user || directory.home_of(&master).is_none() {
            return;
        }
        let now = self.node.clock.now();
        let envelope = Envelope {
            id: self.ids.next(now.unix_ms),
            kind,
            feature: Feature::Reliable,
            from: user,
            to: master,
            reference: None,
            confirm: false,
            timestamp_ms: now.unix_ms,
            content: Bytes::new(),
            trail: None,
        };
        let submission = Submission {
            envelope,
            origin: Origin::Node,
            accepted: false,
        };
        self.submit(submission);
    }

    fn submit(&mut self, submission: Submission<Target>) {
        if self.events.is_none() {
            self.events = self
                .node
                .routers
                .recipient(0)
                .map(|router| Outlet::to("router", router));
        }
        if let Some(events) = &mut self.events {
            events.push(RouterMail::Submit(Box::new(submission)));
        }
    }

    fn on_away(&mut self, error: &PresenceError, ops: Vec<PresenceOp>, ctx: &mut Context<Self>) {
        tracing::warn!(error = %error, "the presence registry does not answer; asking again");
        self.node.set_check("presence", Some(error.to_string()));
        for op in ops.into_iter().rev() {
            self.waiting.push_front(op);
        }
        // Busy until then, so that nothing overtakes.
        self.busy = true;
        ctx.run_later(RETRY_AFTER, |actor, _| {
            actor.busy = false;
            actor.next_batch();
        });
    }

    fn on_answer(&mut self, answered: PresenceAnswer, ctx: &mut Context<Self>) {
        self.busy = false;
        match answered {
            PresenceAnswer::Batch { coming, going } => {
                if let Some((error, again)) = self.on_batch(coming, going) {
                    self.on_away(&error, again, ctx);
                    return;
                }
            }
            PresenceAnswer::Reconciled(Ok(reconciled)) => {
                if reconciled.added > 0 || reconciled.removed > 0 {
                    tracing::info!(
                        added = reconciled.added,
                        removed = reconciled.removed,
                        "the presence registry was put right"
                    );
                }
                if std::mem::take(&mut self.was_unknown) || reconciled.added > 0 {
                    rescue::begin(&self.node, &self.store, Whose::All);
                }
                self.on_gone(reconciled.gone);
                for user in reconciled.back {
                    self.tell(user, UpstreamEvent::Connected);
                }
            }
            PresenceAnswer::Reconciled(Err(error)) => {
                self.reconcile = true;
                self.on_away(&error, Vec::new(), ctx);
                return;
            }
        }
        self.node.set_check("presence", None);
    }
}

fn count_requests(node: &Node, entries: &[Arc<SessionEntry>]) -> Vec<CountRequest> {
    let claims = node.custody.claims();
    let request = |entry: &Arc<SessionEntry>| CountRequest {
        user: entry.user,
        except: claims.of(&entry.user),
    };
    entries.iter().map(request).collect()
}

fn answer(me: Option<Recipient<PresenceMail>>, answer: PresenceAnswer) {
    // A sender of its own has a place of its own in the mailbox.
    if let Some(me) = me {
        let _ = me.try_send(PresenceMail::Answer(answer));
    }
}

/// Closes a session; one whose mailbox is full is woken by what is in it and closed by its place in the table being gone.
pub(crate) fn close(session: &SessionEntry, code: CloseCode) {
    if session.post(ToSession::Close(code)).is_err() {
        session.must_close(code);
    }
}

impl Actor for PresenceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        self.me = Some(ctx.address().recipient());
    }
}

impl Leftovers for PresenceActor {
    fn send_leftovers(&mut self) -> bool {
        self.post_registered();
        let sent = self.events.as_mut().is_none_or(Outlet::flush);
        sent && self.unposted.is_empty() && self.evicted.is_empty()
    }

    fn retries(&mut self) -> &mut bool {
        &mut self.retries
    }
}

impl Handler<PresenceMail> for PresenceActor {
    type Result = ();

    fn handle(&mut self, mail: PresenceMail, ctx: &mut Self::Context) {
        guard::catch("presence", || match mail {
            PresenceMail::Ops(ops) => self.waiting.extend(ops),
            PresenceMail::Gone(users) => self.on_gone(users),
            PresenceMail::Reconcile { was_unknown } => {
                self.reconcile = true;
                self.was_unknown |= was_unknown;
            }
            PresenceMail::Answer(answered) => self.on_answer(answered, ctx),
        });
        leftovers::send(self, ctx);
        self.next_batch();
    }
}
