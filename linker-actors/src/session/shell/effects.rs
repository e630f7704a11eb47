//! What a session's state machine wants done: each effect, and who is asked for it.

use std::sync::Arc;

use actix::Recipient;
use bytes::BytesMut;
use futures_util::FutureExt;
use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::custody::{Origin, Outcome};
use linker_core::envelope::Envelope;
use linker_core::frame::ServerFrame;
use linker_core::id::{DomainName, UserId};
use linker_core::session::{Draft, Session, SessionEffect, SessionPage};

use super::{SessionShell, Socket};
use crate::cluster::turns;
use crate::links;
use crate::router::Target;
use crate::session::elders::Elders;
use crate::session::{SessionEntry, ToSession};
use crate::store::{PageWanted, StoreRequest};
use crate::trace::About;

const TOO_MANY_SESSIONS: &str = "the users of this app have too many sessions on this node; try again later";

impl SessionShell {
    pub(super) fn carry_out(
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

    /// A sender of its own has a place of its own in the mailbox.
    fn own_mailbox(&self) -> Option<Recipient<ToSession>> {
        let mailbox = self.worker.mailbox_at(self.place?)?;
        Some(Recipient::clone(&mailbox))
    }

    /// Closes the sessions that a user has on other nodes; the answer comes by mailbox.
    fn close_elsewhere(&self, user: UserId, found_here: bool, reference: Option<Box<str>>) {
        let Some(mailbox) = self.own_mailbox() else {
            return;
        };
        let node = Arc::clone(&self.worker.node);
        node.backend.clone().spawn(async move {
            let found_there = node.close_elsewhere(user, CloseCode::ClosedByMaster).await;
            let answer = (user, found_here || found_there > 0, reference);
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

    /// Something for a session that is being replayed to is just being written: live messages must not come before it. While the store is away they
    /// may: that can take long.
    fn would_overtake(&self, entry: &SessionEntry) -> bool {
        let node = &self.worker.node;
        entry.is_replaying() && !node.store_is_away() && node.custody.claims().is_undecided(&entry.user)
    }

    fn authenticate(
        &mut self,
        app: Arc<linker_core::app::ClientApp>,
        credentials: linker_core::port::Credentials,
    ) {
        let Some(mailbox) = self.own_mailbox() else {
            return;
        };
        if self.entry.is_none() && crate::logins::are_revocable(&credentials) {
            self.shown = Some(Box::new((Arc::clone(&app), credentials.clone())));
        }
        let node = Arc::clone(&self.worker.node);
        let authenticator = node.authenticators.of(&app.app_name);
        node.backend.clone().spawn(async move {
            let result = crate::logins::authenticate(&node, &app, authenticator, credentials).await;
            let _ = mailbox.try_send(ToSession::Authenticated(result));
        });
    }

    /// Looks once more at a token that was believed before this session was registered: whoever revoked it meanwhile did not find a session to close. In doubt it is closed.
    pub(super) fn look_again(&mut self) {
        let (Some(shown), Some(entry)) = (self.shown.take(), self.entry.clone()) else {
            return;
        };
        let (app, credentials) = *shown;
        let node = Arc::clone(&self.worker.node);
        let authenticator = node.authenticators.of(&app.app_name);
        node.backend.clone().spawn(async move {
            let again = crate::logins::authenticate(&node, &app, authenticator, credentials).await;
            if again.is_err() {
                crate::presence::close(&entry, CloseCode::AuthTimeout);
            }
        });
    }

    /// False when the user's app has too many sessions already.
    fn register(&mut self, user: UserId, replay: bool) -> bool {
        let Some(mailbox) = self.place.and_then(|place| self.worker.mailbox_at(place)) else {
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
        let Some(mailbox) = self.own_mailbox() else {
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
}
