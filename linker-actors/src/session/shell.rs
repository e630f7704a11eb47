//! Carries out what a session's state machine decides; what the two transports have in common.

mod effects;
mod ending;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use linker_core::app::ClientApp;
use linker_core::code::CloseCode;
use linker_core::custody::{Delivery, Ticket};
use linker_core::id::SessionId;
use linker_core::port::Credentials;
use linker_core::session::{Session, SessionContext, SessionEffect, SharedLimits};

use super::elders::Elders;
use super::{Admitted, SessionEntry, ToSession};
use crate::runtime::guard;
use crate::runtime::places::Place;
use crate::shared_limits::SessionShare;
use crate::trace::TracedDeliveries;
use crate::worker::Worker;

/// RELIABLE bytes a session may have submitted that are neither safe nor done: beyond that its socket waits.
pub(crate) const SUBMIT_CREDIT_BYTES: usize = 512 * 1024;

/// The same while much is pending on the node: enough to go on as fast as the store does.
const CROWDED_CREDIT_BYTES: usize = 16 * 1024;

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
    entry: Option<Arc<SessionEntry>>,
    /// What was shown at login, until the session is registered: a token that may be revoked meanwhile.
    shown: Option<Box<(Arc<ClientApp>, Credentials)>>,
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
            entry: None,
            shown: None,
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
        self.place = Some(self.worker.session_opened(mailbox));
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

    fn free(&self, bytes: usize) {
        if let Some(entry) = &self.entry {
            entry.free(bytes);
        }
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
            ToSession::Tick => {}
            ToSession::Resume => self.step(socket, |core, cx| core.on_held_back(cx)),
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
                self.look_again();
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
            let paused = self.entry.as_ref().is_some_and(|entry| entry.is_paused());
            self.step(socket, |core, cx| {
                if paused {
                    core.on_held_back(cx);
                }
                cut = core.on_tick(cx);
            });
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
