//! Carries out what a session's state machine decides; what the two transports have in common.

mod ending;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use bytes::BytesMut;
use futures_util::FutureExt;
use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::custody::{Delivery, Origin, Outcome, Ticket};
use linker_core::envelope::Envelope;
use linker_core::frame::ServerFrame;
use linker_core::id::{DomainName, SessionId, UserId};
use linker_core::session::{Draft, Session, SessionContext, SessionEffect, SessionPage, SharedLimits};

use super::elders::Elders;
use super::{Admitted, SessionEntry, ToSession};
use crate::cluster::turns;
use crate::links;
use crate::router::Target;
use crate::runtime::guard;
use crate::runtime::places::Place;
use crate::shared_limits::SessionShare;
use crate::store::{PageWanted, StoreRequest};
use crate::trace::{About, TracedDeliveries};
use crate::worker::Worker;

/// RELIABLE bytes a session may have submitted that are neither safe nor done: beyond that its socket waits.
pub(crate) const SUBMIT_CREDIT_BYTES: usize = 512 * 1024;

/// The same while much is pending on the node: enough to go on as fast as the store does.
const CROWDED_CREDIT_BYTES: usize = 16 * 1024;

const TOO_MANY_SESSIONS: &str = "the users of this app have too many sessions on this node; try again later";

/// How long a connection is kept for the close frame that tells of a fault.
const CRASH_LINGER: Duration = Duration::from_secs(1);

/// What a transport does for its session.
pub(super) trait Socket {
    fn text(&mut self, json: &[u8]);
    fn ping(&mut self, number: u64);
    fn close(&mut self, code: CloseCode);
}

/// A session on its worker.
pub(super) struct SessionShell {
    core: Session,
    worker: Rc<Worker>,
    id: SessionId,
    mailbox: Option<Recipient<ToSession>>,
    entry: Option<Arc<SessionEntry>>,
    /// Whom a replay waits for.
    elders: Option<Box<Elders>>,
    /// Bytes to free once everything written so far is in the socket.
    free_on_flush: usize,
    /// The gate when the last page was asked for.
    gate_seen: u64,
    /// It has sent something of which it wants to hear that it is safe: its client asked for that at the login.
    wants_accepted: bool,
    /// The traced ones among the messages that it has for its client.
    traced: Option<Box<TracedDeliveries>>,
    /// When the wheel comes by.
    wheel_at: Duration,
    /// In the worker's list of connections.
    place: Option<Place>,
    left: bool,
    ended: bool,
    /// The clock was read in this poll.
    clock_read: bool,
    admitted: Admitted,
}

impl SessionShell {
    pub(super) fn new(worker: Rc<Worker>, admitted: Admitted) -> Self {
        let now = worker.now();
        Self {
            core: Session::new(now),
            id: worker.node.next_session_id(),
            worker,
            mailbox: None,
            entry: None,
            elders: None,
            free_on_flush: 0,
            gate_seen: 0,
            wants_accepted: false,
            traced: None,
            wheel_at: Duration::MAX,
            place: None,
            left: false,
            ended: false,
            clock_read: false,
            admitted,
        }
    }

    pub(super) fn started(&mut self, mailbox: Recipient<ToSession>) {
        self.place = Some(self.worker.session_opened(mailbox.clone()));
        self.mailbox = Some(mailbox);
        self.arm_wheel();
    }

    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    pub(super) fn is_open(&self) -> bool {
        self.core.is_open()
    }

    /// Whether the next frame may be handled now. Where it may not for what this session has under way, it is told when it may.
    pub(super) fn may_read(&self) -> bool {
        if !self.core.is_reading() {
            return false;
        }
        let Some(entry) = &self.entry else { return true };
        if !self.must_wait(entry) {
            return true;
        }
        entry.pause();
        self.worker.remember_paused(entry);
        // It may have been settled in between.
        if self.must_wait(entry) {
            return false;
        }
        entry.unpause();
        true
    }

    fn must_wait(&self, entry: &SessionEntry) -> bool {
        let node = &self.worker.node;
        if node.store_is_away() {
            return false;
        }
        let unsettled = entry.unsettled_bytes();
        let credit = match node.is_crowded() {
            true => CROWDED_CREDIT_BYTES,
            false => SUBMIT_CREDIT_BYTES,
        };
        unsettled > credit
    }

    /// One input, and everything that follows from it.
    pub(super) fn step(
        &mut self,
        socket: &mut dyn Socket,
        input: impl FnOnce(&mut Session, &mut SessionContext<'_>),
    ) {
        let done = guard::catch("session", || self.step_unguarded(socket, input));
        if done.is_none() {
            // The state is half changed: the connection ends, and what it has not proven goes another way.
            socket.close(CloseCode::Internal);
            self.end_session();
            // A client that does not close its side does not keep the socket either.
            if let Some(place) = self.place {
                self.wheel_at = self.worker.now().elapsed + CRASH_LINGER;
                self.worker.wake_session_at(self.wheel_at, place);
            }
        }
    }

    fn step_unguarded(
        &mut self,
        socket: &mut dyn Socket,
        input: impl FnOnce(&mut Session, &mut SessionContext<'_>),
    ) {
        let mut effects = self.worker.take_effects();
        self.input(&mut effects, input);
        let mut next = 0;
        // Carrying out an effect may bring forth more of them.
        while next < effects.len() {
            let effect = std::mem::replace(&mut effects[next], SessionEffect::Free(0));
            next += 1;
            self.carry_out(effect, socket, &mut effects);
        }
        self.worker.put_effects(effects);
    }

    fn input(
        &mut self,
        effects: &mut Vec<SessionEffect>,
        input: impl FnOnce(&mut Session, &mut SessionContext<'_>),
    ) {
        let behind = self.entry.as_ref().is_some_and(|entry| entry.is_behind());
        let wants_close = self.entry.as_ref().and_then(|entry| entry.wants_close());
        self.with_context(effects, |core, cx| {
            if behind {
                core.on_behind(cx);
            }
            if let Some(code) = wants_close {
                core.close(code, cx);
            }
            input(core, cx);
        });
    }

    fn with_context(
        &mut self,
        effects: &mut Vec<SessionEffect>,
        body: impl FnOnce(&mut Session, &mut SessionContext<'_>),
    ) {
        let node = &self.worker.node;
        let directory = node.directory();
        let config = self.worker.config();
        let share = config.has_shared_limits().then(|| SessionShare {
            rates: &node.shared_rates,
            clock: node.clock,
            address: self.admitted.address(),
        });
        let mut cx = SessionContext {
            now: self.worker.known_now(),
            config: &config.session,
            directory: &directory,
            types: &node.types,
            shared: share.as_ref().map(|share| share as &dyn SharedLimits),
            backlog_bytes: self.entry.as_ref().map_or(0, |entry| entry.backlog_bytes()),
            feed_bytes: node.feed_bytes(config.session.max_unproven_bytes),
            effects,
        };
        body(&mut self.core, &mut cx);
    }

    fn carry_out(
        &mut self,
        effect: SessionEffect,
        socket: &mut dyn Socket,
        effects: &mut Vec<SessionEffect>,
    ) {
        match effect {
            SessionEffect::Send(frame) => {
                self.send(&frame, socket);
                if let (Some(traced), ServerFrame::Envelope(envelope)) = (&mut self.traced, &frame) {
                    let node = &self.worker.node;
                    traced.written(&envelope.id, node.clock.elapsed(), &node.tracer);
                }
            }
            SessionEffect::Ping(number) => socket.ping(number),
            SessionEffect::Close(code) => {
                if code == CloseCode::Stalled {
                    metrics::counter!("linker_stalled_sessions_total").increment(1);
                }
                self.leave();
                socket.close(code);
            }
            SessionEffect::Submit(draft) => {
                self.wants_accepted |= draft.accepted;
                if let Err((error, reference)) = self.submit(draft) {
                    self.input(effects, |core, cx| core.on_refused(error, reference, cx));
                }
            }
            SessionEffect::Login(refused) => self.worker.node.metrics.login(refused),
            SessionEffect::Refused(feature) => {
                self.worker.node.metrics.message(feature, Outcome::Refused, None)
            }
            SessionEffect::Proven(ticket) => {
                if self.traced.is_some() {
                    self.delivery_ended(&ticket, "proven");
                }
                self.worker.proven(ticket);
            }
            SessionEffect::GiveBack(ticket) => {
                if self.traced.is_some() {
                    self.delivery_ended(&ticket, "given_back");
                }
                self.worker.given_back(ticket, self.id);
            }
            SessionEffect::Free(bytes) => self.free(bytes),
            SessionEffect::FreeOnFlush(bytes) => self.free_on_flush += bytes,
            SessionEffect::FallBehind => {
                if let Some(entry) = &self.entry {
                    entry.fall_behind();
                }
            }
            SessionEffect::Authenticate(app, credentials) => self.authenticate(app, credentials),
            SessionEffect::Register { user, replay } => {
                if !self.register(user, replay) {
                    let refusal = FrameError::new(ErrorCode::RateLimited, TOO_MANY_SESSIONS);
                    self.input(effects, |core, cx| core.on_registered(Err(refusal), cx));
                }
            }
            SessionEffect::CloseUser(user, reference) => {
                let home = self.worker.node.directory().home_away_of(&user).cloned();
                if let Some(home) = home {
                    self.close_away(&home, user, reference);
                    return;
                }
                let found = self.worker.node.close_user(&user, CloseCode::ClosedByMaster);
                match &self.worker.node.cluster {
                    None => self.input(effects, |core, cx| {
                        core.on_user_closed(user, found > 0, reference, cx)
                    }),
                    Some(_) => self.close_elsewhere(user, found > 0, reference),
                }
            }
            SessionEffect::ReadPage {
                after_seq,
                max_rows,
                max_bytes,
                filter,
                deferred,
            } => {
                if self.waits_for_elders() {
                    let page = SessionPage {
                        deliveries: Vec::new(),
                        last_seq: after_seq,
                        exhausted: false,
                    };
                    self.input(effects, |core, cx| core.on_page(Some(page), cx));
                } else if let Some(entry) = self.entry.clone() {
                    self.gate_seen = entry.gate();
                    let shard = self.worker.shard;
                    let page = PageWanted {
                        shard,
                        entry,
                        after_seq,
                        max_rows,
                        max_bytes,
                        filter,
                        deferred,
                    };
                    self.worker.ask_store(StoreRequest::Page(page));
                }
            }
            SessionEffect::CountWaiting => {
                if let Some(entry) = self.entry.clone() {
                    self.worker.ask_store(StoreRequest::Count(entry));
                }
            }
            SessionEffect::AcquireFetch => {
                let turn = self
                    .entry
                    .as_ref()
                    .is_some_and(|entry| turns::acquire(&self.worker.node, entry));
                if turn {
                    self.input(effects, Session::on_fetch_granted);
                }
            }
            SessionEffect::ReleaseFetch => {
                if let Some(entry) = &self.entry {
                    self.worker.node.fetch_turns.release(entry);
                }
            }
            SessionEffect::TryLive => {
                let live = self
                    .entry
                    .as_ref()
                    .is_some_and(|entry| !self.would_overtake(entry) && entry.try_live(self.gate_seen));
                self.input(effects, |core, cx| core.on_live(live, cx));
            }
            SessionEffect::Call(future, reference) => self.call(future, reference),
        }
    }

    /// Asks another domain to close a user's sessions; it answers only where there are none.
    fn close_away(&self, home: &DomainName, user: UserId, reference: Option<Box<str>>) {
        let Some(entry) = &self.entry else { return };
        let node = &self.worker.node;
        if !links::close_away(node, home, user, entry.user, reference.clone(), &[]) {
            let error = FrameError::new(
                ErrorCode::Unavailable,
                format!("{user} lives in {home}, which cannot be reached now; try again later"),
            );
            let _ = entry.post(ToSession::Refused(Box::new((error, reference))));
        }
    }

    /// Closes the sessions that a user has on other nodes; the answer comes by mailbox.
    fn close_elsewhere(&self, user: UserId, found_here: bool, reference: Option<Box<str>>) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        let node = Arc::clone(&self.worker.node);
        node.backend.clone().spawn(async move {
            let found_there = node.close_elsewhere(user, CloseCode::ClosedByMaster).await;
            let answer = (user, found_here || found_there > 0, reference);
            // A sender of its own has a place of its own in the mailbox.
            let _ = mailbox.try_send(ToSession::UserClosed(Box::new(answer)));
        });
    }

    fn send(&self, frame: &ServerFrame, socket: &mut dyn Socket) {
        let mut scratch = self.worker.scratch.borrow_mut();
        scratch.clear();
        frame.encode(&mut scratch);
        socket.text(&scratch);
        if scratch.capacity() > 1024 * 1024 {
            *scratch = BytesMut::with_capacity(4096);
        }
    }

    fn submit(&self, draft: Draft) -> Result<(), (FrameError, Option<Box<str>>)> {
        let Some(entry) = &self.entry else { return Ok(()) };
        let now = self.worker.known_now();
        let envelope = Envelope {
            id: self.worker.next_id(now.unix_ms),
            kind: draft.kind,
            feature: draft.feature,
            from: entry.user,
            to: draft.to,
            reference: draft.reference,
            confirm: draft.confirm,
            timestamp_ms: now.unix_ms,
            content: draft.content,
            trail: None,
        };
        let (cost, reference) = (envelope.cost(), envelope.reference.clone());
        let tracer = &self.worker.node.tracer;
        let traced = tracer
            .takes(&envelope.id)
            .then(|| (envelope.id, About::of(&envelope)));
        entry.submitted(cost);
        let taken = self.worker.submit(
            envelope,
            Origin::Session(Target::Session(Arc::clone(entry))),
            draft.accepted,
        );
        if let Some((id, about)) = traced {
            tracer.received(id, about, taken.is_ok(), now.elapsed);
        }
        taken.map_err(|error| {
            entry.settled(cost);
            (error, reference)
        })
    }

    fn note_traced<'d>(&mut self, deliveries: impl IntoIterator<Item = &'d Delivery>) {
        let node = &self.worker.node;
        let traced = deliveries
            .into_iter()
            .filter(|delivery| node.tracer.takes(&delivery.envelope.id));
        for delivery in traced {
            self.traced
                .get_or_insert_default()
                .note(delivery, node.clock.elapsed());
        }
    }

    fn delivery_ended(&mut self, ticket: &Ticket, outcome: &'static str) {
        if let Some(traced) = &mut self.traced {
            traced.ended(ticket, outcome, &self.worker.node.tracer);
            if traced.is_empty() {
                self.traced = None;
            }
        }
    }

    /// Something for a session that is being replayed to is just being written: live messages must not come before it. While the store is away they
    /// may: that can take long.
    fn would_overtake(&self, entry: &SessionEntry) -> bool {
        let node = &self.worker.node;
        entry.is_replaying() && !node.store_is_away() && node.custody.claims().is_undecided(&entry.user)
    }

    fn free(&self, bytes: usize) {
        if let Some(entry) = &self.entry {
            entry.free(bytes);
        }
    }

    fn authenticate(
        &self,
        app: Arc<linker_core::app::ClientApp>,
        credentials: linker_core::port::Credentials,
    ) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        let node = Arc::clone(&self.worker.node);
        let authenticator = node.authenticators.of(&app.app_name);
        node.backend.clone().spawn(async move {
            let result = crate::logins::authenticate(&node, &app, authenticator, credentials).await;
            // A sender of its own has a place of its own in the mailbox.
            let _ = mailbox.try_send(ToSession::Authenticated(result));
        });
    }

    /// False when the user's app has too many sessions already.
    fn register(&mut self, user: UserId, replay: bool) -> bool {
        let Some(mailbox) = self.mailbox.clone() else {
            return true;
        };
        let node = &self.worker.node;
        let config = self.worker.config();
        let max_unproven = config.session.max_unproven_bytes;
        let now = self.worker.known_now();
        let mut entry = SessionEntry::new(self.id, user, mailbox, max_unproven, replay, now);
        entry.address = self.admitted.address();
        let entry = Arc::new(entry);
        if replay {
            let elders = node.sessions.of(&user);
            self.elders = Elders::of(elders);
        }
        if !node.sessions.insert(Arc::clone(&entry), config.sessions_per_app) {
            self.elders = None;
            return false;
        }
        self.entry = Some(Arc::clone(&entry));
        // A directory that came into force before this was in the table has not seen it.
        if !self.core.is_admitted_by(&node.directory()) {
            crate::presence::close(&entry, CloseCode::GoingAway);
        }
        self.worker.register(entry);
        true
    }

    /// Once they are done, one more round gives routers of other threads the time to hear of it.
    fn waits_for_elders(&mut self) -> bool {
        let now = self.worker.known_now().elapsed;
        let patient = self.entry.as_ref().is_some_and(|entry| entry.is_patient(now));
        let Some(elders) = self.elders.as_mut().filter(|_| patient) else {
            return false;
        };
        if elders.are_done() {
            self.elders = None;
        }
        true
    }

    fn call(
        &self,
        future: linker_core::port::BoxFuture<'static, linker_core::session::CallResult>,
        reference: Option<Box<str>>,
    ) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        self.worker.node.backend.spawn(async move {
            let caught = std::panic::AssertUnwindSafe(future).catch_unwind().await;
            let result = caught.unwrap_or_else(|_| {
                metrics::counter!("linker_actor_panics_total", "actor" => "handler").increment(1);
                tracing::error!("a message handler panicked");
                Err(FrameError::new(
                    ErrorCode::Unavailable,
                    "the handler of this type failed",
                ))
            });
            let _ = mailbox.try_send(ToSession::CallDone(Box::new((result, reference))));
        });
    }

    /// What comes now is a poll's first: everything in it happens at one time.
    fn read_clock(&mut self) {
        if !std::mem::replace(&mut self.clock_read, true) {
            self.worker.now();
        }
    }

    /// What comes next comes at another time.
    pub(super) fn poll_ended(&mut self) {
        self.clock_read = false;
    }

    /// A message from the mailbox.
    pub(super) fn on_message(&mut self, message: ToSession, socket: &mut dyn Socket) {
        if self.ended {
            self.refuse_after_end(message);
            return;
        }
        self.read_clock();
        match message {
            ToSession::Deliver(delivery) => {
                if self.worker.node.tracer.is_on() {
                    self.note_traced([&delivery]);
                }
                self.step(socket, |core, cx| core.on_delivery(delivery, cx));
            }
            // The gate is looked at with every step.
            ToSession::Behind => self.step(socket, |_, _| ()),
            ToSession::Hint => self.step(socket, |core, cx| core.on_hint(false, cx)),
            ToSession::UserClosed(closed) => {
                let (user, found, reference) = *closed;
                self.step(socket, |core, cx| core.on_user_closed(user, found, reference, cx))
            }
            ToSession::Rescan => self.step(socket, |core, cx| core.on_hint(true, cx)),
            ToSession::Tick | ToSession::Resume => {}
            // Of a repetition only its original is known, which another session may have sent.
            ToSession::Accepted(_) if !self.wants_accepted => {}
            ToSession::Accepted(frame) => self.step(socket, |core, cx| core.on_accepted(*frame, cx)),
            ToSession::Refused(refused) => {
                let (error, reference) = *refused;
                self.step(socket, |core, cx| core.on_refused(error, reference, cx));
            }
            ToSession::Authenticated(result) => {
                self.step(socket, |core, cx| core.on_authenticated(result, cx))
            }
            ToSession::Registered(outcome) => {
                self.step(socket, |core, cx| {
                    core.on_registered(outcome.map_err(|error| *error), cx)
                });
            }
            ToSession::Page(page) => {
                if let Some(page) = page.as_ref().filter(|_| self.worker.node.tracer.is_on()) {
                    self.note_traced(&page.deliveries);
                }
                self.step(socket, |core, cx| core.on_page(page.map(|page| *page), cx));
            }
            ToSession::Count(count) => self.step(socket, |core, cx| core.on_count(count, cx)),
            ToSession::FetchGranted => self.step(socket, Session::on_fetch_granted),
            ToSession::CallDone(done) => {
                let (result, reference) = *done;
                self.step(socket, |core, cx| core.on_call_done(result, reference, cx));
            }
            ToSession::Close(code) => self.step(socket, |core, cx| core.close(code, cx)),
        }
    }

    /// The wheel came by, or something happened that may have moved a deadline. True when the connection is to be cut now.
    pub(super) fn tick(&mut self, socket: &mut dyn Socket) -> bool {
        self.read_clock();
        self.poll_ended();
        let now = self.worker.known_now().elapsed;
        if self.wheel_at <= now {
            self.wheel_at = Duration::MAX;
            let mut cut = false;
            self.step(socket, |core, cx| cut = core.on_tick(cx));
            if cut {
                return true;
            }
        }
        false
    }

    /// Sees to it that the wheel comes by in time.
    pub(super) fn arm_wheel(&mut self) {
        if self.ended {
            return;
        }
        let config = &self.worker.config().session;
        let deadline = self.core.deadline(self.worker.known_now(), config);
        if deadline < self.wheel_at
            && let Some(place) = self.place
        {
            self.wheel_at = deadline;
            self.worker.wake_session_at(deadline, place);
        }
    }

    /// Something came from the client.
    pub(super) fn heard(&mut self) {
        let now = self.worker.now();
        self.core.on_heard(now);
    }

    /// A ping that proves what was sent may go along with it.
    pub(super) fn before_flush(&mut self, socket: &mut dyn Socket) {
        if self.core.wants_ping() || self.entry.as_ref().is_some_and(|entry| entry.has_news()) {
            self.step(socket, Session::before_flush);
        }
    }

    /// Everything written so far is in the socket.
    pub(super) fn flushed(&mut self) {
        let bytes = std::mem::take(&mut self.free_on_flush);
        if bytes > 0 {
            self.free(bytes);
        }
    }
}
