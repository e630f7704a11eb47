//! The session's states and what moves it between them.

mod admission;
mod feeding;

use std::time::Duration;

use super::config::SessionConfig;
use super::context::{FrameContext, SessionContext};
use super::effect::{CallResult, SessionEffect};
use super::login::{Candidate, LoggedIn};
use super::proof::ProofWindow;
use super::pump::Pump;
use super::rate::{TokenBucket, Verdict};
use super::shared::SharedVerdict;
use crate::clock::Now;
use crate::code::{CloseCode, ErrorCode, FrameError};
use crate::custody::Delivery;
use crate::directory::Directory;
use crate::envelope::Feature;
use crate::frame::{AuthRequest, ClientFrame, ServerFrame};
use crate::id::UserId;
use crate::limit::{HANDLER_CALLS_MAX, TOKEN_LEEWAY_S};
use crate::message_type::LOGIN_TYPE;

/// How long after its close frame a connection is kept for the pongs and the close frame still on their way. Only then does it give back what it had.
pub const CLOSE_LINGER: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Phase {
    /// Nobody yet.
    Greeting,
    /// The app is asked.
    Checking(Box<Candidate>),
    /// Presence is told; messages may come already and wait for the reply to go first.
    Registering,
    Open,
    /// A close frame was sent.
    Closing(Duration),
    Ended,
}

/// A page of what waits, taken into custody for this session.
#[derive(Debug)]
pub struct SessionPage {
    /// Messages to send, oldest first.
    pub deliveries: Vec<Delivery>,
    /// Sequence of the last row of the page, sent or not.
    pub last_seq: u64,
    /// There was no more.
    pub exhausted: bool,
}

/// One connection's session.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    login: Option<Box<LoggedIn>>,
    opened_at: Duration,
    heard_at: Duration,
    pinged_at: Duration,
    rate: TokenBucket,
    proof: ProofWindow,
    /// Only while there is something to feed: a million sessions have none.
    pump: Option<Box<Pump>>,
    calls: usize,
}

impl Session {
    /// A connection that was just opened.
    pub fn new(now: Now) -> Self {
        Self {
            phase: Phase::Greeting,
            login: None,
            opened_at: now.elapsed,
            heard_at: now.elapsed,
            pinged_at: now.elapsed,
            rate: TokenBucket::default(),
            proof: ProofWindow::default(),
            pump: None,
            calls: 0,
        }
    }

    /// Whose session it is, once logged in.
    pub fn user(&self) -> Option<UserId> {
        self.login.as_ref().map(|login| login.user)
    }

    /// Whether input may be read now; what is not read waits in the socket.
    pub fn is_reading(&self) -> bool {
        !matches!(self.phase, Phase::Checking(_) | Phase::Registering) && self.calls < HANDLER_CALLS_MAX
    }

    /// Whether frames are still handled: no close frame was sent.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closing(_) | Phase::Ended)
    }

    /// Whether who has logged in here could log in by this directory too; true of who has not.
    pub fn is_admitted_by(&self, directory: &Directory) -> bool {
        let login = self.login.as_ref();
        login.is_none_or(|login| directory.admits(&login.user, &login.app))
    }

    /// Something came from the client, be it a pong.
    pub fn on_heard(&mut self, now: Now) {
        self.heard_at = now.elapsed;
    }

    /// A text frame came.
    pub fn on_text(&mut self, text: &str, cx: &mut SessionContext<'_>) {
        if !self.is_open() {
            return;
        }
        let (verdict, refusal) = self.take_rate(cx);
        let frame = ClientFrame::parse(text);
        let reference = frame
            .as_ref()
            .ok()
            .and_then(|frame| frame.reference().ok().flatten());
        let result = match (verdict, &frame) {
            (Verdict::Refuse(_), _) => Err(FrameError::new(ErrorCode::RateLimited, refusal)),
            (Verdict::Pass, Err(error)) => Err(error.clone()),
            (Verdict::Pass, Ok(frame)) => self.on_frame(frame, reference.as_deref(), cx),
        };
        if let Err(error) = result {
            let reference = reference.map(|reference| reference.into());
            cx.effects
                .push(SessionEffect::Send(ServerFrame::Error { error, reference }));
        }
        if matches!(verdict, Verdict::Refuse(times) if times >= cx.config.max_violations) {
            self.close(CloseCode::RateLimit, cx);
        }
        self.advance(cx);
    }

    /// What the rates say to one more text frame, and why it is refused if it is: its own first, so that what they refuse costs others nothing.
    fn take_rate(&mut self, cx: &SessionContext<'_>) -> (Verdict, &'static str) {
        let config = cx.config;
        let own = self
            .rate
            .take(cx.now.elapsed, config.messages_per_second, config.message_burst);
        if own != Verdict::Pass {
            return (own, "too many frames; this one was not processed");
        }
        let shared = match (cx.shared, &self.login) {
            (Some(shared), Some(login)) => shared.frame(&login.user, cx.now),
            _ => SharedVerdict::Pass,
        };
        match shared {
            SharedVerdict::Pass => {
                self.rate.passed();
                (Verdict::Pass, "")
            }
            SharedVerdict::UserOver => (
                self.rate.violate(),
                "too many frames of all sessions of this user; this one was not processed",
            ),
            SharedVerdict::AppOver => (
                Verdict::Refuse(0),
                "too many frames of all users of this app; this one was not processed",
            ),
        }
    }

    fn on_frame(
        &mut self,
        frame: &ClientFrame<'_>,
        reference: Option<&str>,
        cx: &mut SessionContext<'_>,
    ) -> Result<(), FrameError> {
        match (&self.phase, frame.kind()) {
            (Phase::Greeting, Some(LOGIN_TYPE)) => {
                frame.check_header(reference)?;
                self.on_login(&AuthRequest::read(frame)?, cx);
            }
            (Phase::Open, Some(LOGIN_TYPE)) => {
                frame.check_header(reference)?;
                return self.on_renewal(&AuthRequest::read(frame)?, cx);
            }
            (Phase::Open, Some(kind)) => {
                let Some(handler) = cx.types.find(kind) else {
                    let shown: String = kind.chars().take(64).collect();
                    return Err(FrameError::new(
                        ErrorCode::UnknownType,
                        format!("unknown type \"{shown}\""),
                    ));
                };
                let Some(login) = &self.login else {
                    return Err(FrameError::new(ErrorCode::NotAuthenticated, "log in first"));
                };
                let mut frame_cx = FrameContext {
                    user: login.user,
                    app: &login.app,
                    options: login.options,
                    reference: reference.map(Into::into),
                    config: cx.config,
                    directory: cx.directory,
                    proof: &mut self.proof,
                    pump: &mut self.pump,
                    calls: &mut self.calls,
                    effects: cx.effects,
                };
                let handled = frame
                    .check_header(reference)
                    .and_then(|()| handler.handle(frame, &mut frame_cx));
                if handled.is_err() && handler.is_message() {
                    cx.effects.push(SessionEffect::Refused(
                        frame.feature().unwrap_or(Feature::Reliable),
                    ));
                }
                return handled;
            }
            (Phase::Open, None) => {
                return Err(FrameError::new(
                    ErrorCode::UnknownType,
                    "`type` is missing or not a string",
                ));
            }
            _ => {
                return Err(FrameError::new(
                    ErrorCode::NotAuthenticated,
                    "log in first: send AUTH_CLIENT",
                ));
            }
        }
        Ok(())
    }

    /// A message for this user.
    pub fn on_delivery(&mut self, delivery: Delivery, cx: &mut SessionContext<'_>) {
        match self.phase {
            Phase::Open if !(delivery.courtesy && self.is_behind()) => self.send(delivery, cx),
            Phase::Open | Phase::Registering => self.pump.get_or_insert_default().defer(delivery),
            _ => give_back(delivery, cx),
        }
    }

    fn send(&mut self, delivery: Delivery, cx: &mut SessionContext<'_>) {
        let cost = delivery.cost();
        let Delivery { envelope, ticket, .. } = delivery;
        if ticket.is_some() {
            self.awaits_proof(cx);
        }
        match ticket {
            None => {
                cx.effects
                    .push(SessionEffect::Send(ServerFrame::Envelope(envelope)));
                cx.effects.push(SessionEffect::FreeOnFlush(cost));
                return;
            }
            Some(ticket) if self.proof.client_acks() && envelope.feature == Feature::Reliable => {
                self.proof.push_by_id(envelope.id, ticket, cost);
            }
            Some(ticket) => self.proof.push(ticket, cost),
        }
        cx.effects
            .push(SessionEffect::Send(ServerFrame::Envelope(envelope)));
    }

    fn send_deferred(&mut self, cx: &mut SessionContext<'_>) {
        let deferred = self.pump.as_mut().map(|pump| pump.take_deferred());
        for delivery in deferred.into_iter().flatten() {
            self.send(delivery, cx);
        }
    }

    /// Whether [`Session::before_flush`] would do anything.
    pub fn wants_ping(&self) -> bool {
        self.proof.wants_ping() && matches!(self.phase, Phase::Open)
    }

    /// All that could be sent for now has been: the ping that is to prove it may go along.
    pub fn before_flush(&mut self, cx: &mut SessionContext<'_>) {
        if self.wants_ping() {
            self.ping(cx);
        }
    }

    /// Something is about to be awaited of the client. Where nothing was, the time in which it has to prove something begins: what the store took before it fed the
    /// session is not the client's.
    fn awaits_proof(&mut self, cx: &SessionContext<'_>) {
        if let Some(pump) = &mut self.pump
            && !self.proof.is_waiting()
        {
            pump.awaits_proof(cx.now.elapsed);
        }
    }

    /// What the client has sent was not read until now, since too much of it was under way already: pongs may lie behind that. The time is not the client's.
    pub fn on_held_back(&mut self, cx: &SessionContext<'_>) {
        self.heard_at = cx.now.elapsed;
        if let Some(pump) = &mut self.pump {
            pump.awaits_proof(cx.now.elapsed);
        }
    }

    fn ping(&mut self, cx: &mut SessionContext<'_>) {
        self.awaits_proof(cx);
        self.pinged_at = cx.now.elapsed;
        cx.effects.push(SessionEffect::Ping(self.proof.ping()));
    }

    /// A pong with this payload came.
    pub fn on_pong(&mut self, payload: &[u8], cx: &mut SessionContext<'_>) {
        let number = std::str::from_utf8(payload)
            .ok()
            .and_then(|text| text.parse().ok());
        let (Some(number), effects) = (number, &mut *cx.effects) else {
            return;
        };
        let mut freed = 0;
        self.proof.pong(number, |ticket, cost| {
            effects.push(SessionEffect::Proven(ticket));
            freed += cost;
        });
        effects.push(SessionEffect::Free(freed));
        if let Some(pump) = &mut self.pump {
            pump.proven();
        }
        cx.backlog_bytes = cx.backlog_bytes.saturating_sub(freed);
        self.advance(cx);
    }

    /// Whether the user that a master wanted closed was connected.
    pub fn on_user_closed(
        &mut self,
        user: UserId,
        found: bool,
        reference: Option<Box<str>>,
        cx: &mut SessionContext<'_>,
    ) {
        if !found && self.is_open() {
            let error = FrameError::new(ErrorCode::UserNotConnected, format!("{user} is not connected"));
            cx.effects
                .push(SessionEffect::Send(ServerFrame::Error { error, reference }));
        }
    }

    /// An asynchronous handler has answered.
    pub fn on_call_done(
        &mut self,
        result: CallResult,
        reference: Option<Box<str>>,
        cx: &mut SessionContext<'_>,
    ) {
        self.calls = self.calls.saturating_sub(1);
        if !self.is_open() {
            return;
        }
        match result {
            Ok(frames) => cx.effects.extend(frames.into_iter().map(SessionEffect::Send)),
            Err(error) => cx
                .effects
                .push(SessionEffect::Send(ServerFrame::Error { error, reference })),
        }
    }

    /// A message of this session could not be taken.
    pub fn on_refused(
        &mut self,
        error: FrameError,
        reference: Option<Box<str>>,
        cx: &mut SessionContext<'_>,
    ) {
        if self.is_open() {
            cx.effects
                .push(SessionEffect::Send(ServerFrame::Error { error, reference }));
        }
    }

    /// A message of this session is safe.
    pub fn on_accepted(&mut self, frame: ServerFrame, cx: &mut SessionContext<'_>) {
        if self.is_open() {
            cx.effects.push(SessionEffect::Send(frame));
        }
    }

    /// Closes the connection: at once where the client has shown that it does not read, else with time for what is on its way.
    pub fn close(&mut self, code: CloseCode, cx: &mut SessionContext<'_>) {
        if self.is_open() {
            self.phase = Phase::Closing(cx.now.elapsed + CLOSE_LINGER);
            // First of all, so that nothing that is given back is offered to this session again.
            cx.effects.push(SessionEffect::Close(code));
            for delivery in self.stop_feeding(cx) {
                give_back(delivery, cx);
            }
            // From a client that proves nothing no proof is on its way: what it has can go another way at once.
            if matches!(
                code,
                CloseCode::Stalled | CloseCode::HeartbeatTimeout | CloseCode::Internal
            ) {
                self.give_back_unproven(cx);
            }
        }
    }

    fn give_back_unproven(&mut self, cx: &mut SessionContext<'_>) {
        for (ticket, cost) in self.proof.drain() {
            cx.effects.push(SessionEffect::GiveBack(ticket));
            cx.effects.push(SessionEffect::Free(cost));
        }
    }

    /// The connection is gone: everything unproven is given back. More calls do nothing.
    pub fn on_closed(&mut self, cx: &mut SessionContext<'_>) {
        self.phase = Phase::Ended;
        let deferred = self.stop_feeding(cx);
        self.give_back_unproven(cx);
        for delivery in deferred {
            give_back(delivery, cx);
        }
    }

    /// When [`Session::on_tick`] wants to be called, at the latest.
    pub fn deadline(&self, now: Now, config: &SessionConfig) -> Duration {
        let heartbeat = self.heard_at.max(self.pinged_at) + config.heartbeat_interval;
        let mut deadline = heartbeat.min(self.heard_at + config.heartbeat_timeout);
        match self.phase {
            Phase::Greeting | Phase::Checking(_) | Phase::Registering => {
                deadline = deadline.min(self.opened_at + config.auth_timeout);
            }
            Phase::Closing(until) => deadline = until,
            Phase::Open | Phase::Ended => {}
        }
        if let Some(in_ms) = self.token_ends_in_ms(now) {
            deadline = deadline.min(now.elapsed + Duration::from_millis(in_ms));
        }
        let retry = self.pump.as_ref().and_then(|pump| pump.retry_at());
        let deadlines = [self.stall_deadline(config), retry];
        deadlines.into_iter().flatten().fold(deadline, Duration::min)
    }

    fn token_ends_in_ms(&self, now: Now) -> Option<u64> {
        let ends_at_s = self.login.as_ref()?.expires_at_s?.saturating_add(TOKEN_LEEWAY_S);
        Some(ends_at_s.saturating_mul(1000).saturating_sub(now.unix_ms))
    }

    /// Time has passed. Answers whether the connection is to be cut now, whatever is still unwritten.
    #[must_use]
    pub fn on_tick(&mut self, cx: &mut SessionContext<'_>) -> bool {
        let now = cx.now.elapsed;
        let config = cx.config;
        match self.phase {
            Phase::Closing(until) => return until <= now,
            Phase::Ended => return true,
            Phase::Greeting | Phase::Checking(_) | Phase::Registering => {
                if self.opened_at + config.auth_timeout <= now {
                    self.close(CloseCode::AuthTimeout, cx);
                    return false;
                }
            }
            Phase::Open => {}
        }
        if self.token_ends_in_ms(cx.now) == Some(0) {
            self.close(CloseCode::AuthTimeout, cx);
        } else if self.heard_at + config.heartbeat_timeout <= now {
            self.close(CloseCode::HeartbeatTimeout, cx);
        } else if self
            .stall_deadline(config)
            .is_some_and(|deadline| deadline <= now)
        {
            self.close(CloseCode::Stalled, cx);
        } else {
            if self.heard_at.max(self.pinged_at) + config.heartbeat_interval <= now {
                self.ping(cx);
            }
            self.advance(cx);
        }
        false
    }
}

fn give_back(delivery: Delivery, cx: &mut SessionContext<'_>) {
    cx.effects.push(SessionEffect::Free(delivery.cost()));
    if let Some(ticket) = delivery.ticket {
        cx.effects.push(SessionEffect::GiveBack(ticket));
    }
}
