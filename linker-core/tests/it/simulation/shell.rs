//! Sessions of the node: carries out what their state machines decide, as linker-actors does.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use linker_core::code::{CloseCode, FrameError};
use linker_core::custody::{Origin, Submission, Ticket};
use linker_core::envelope::Envelope;
use linker_core::frame::ServerFrame;
use linker_core::id::{MessageId, SessionId, UserId};
use linker_core::session::{Draft, Session, SessionConfig, SessionContext, SessionEffect, SessionPage};

use super::client::ServerItem;
use super::cluster::Target;
use super::entry::{Entry, Gate, Mailbox, ToSession};
use super::node::{SHARDS, StoreMail};
use super::presence::PresenceOp;
use super::sim::{Event, Sim, trace};

/// A session and its socket's end.
pub(crate) struct ShellSession {
    pub(super) core: Session,
    pub(super) shard: u16,
    pub(crate) id: SessionId,
    pub(crate) mailbox: Rc<Mailbox>,
    pub(crate) entry: Option<Rc<Entry>>,
    pub(crate) waking: bool,
    pub(super) free_on_flush: usize,
    pub(super) gate_seen: Gate,
    pub(super) wheel_at: Duration,
    pub(super) output: VecDeque<ServerItem>,
    pub(super) close_sent: bool,
    pub(super) left: bool,
    /// The client's close frame has come.
    pub(super) peer_done: bool,
    /// Which message a ticket stands for.
    pub(super) tickets: BTreeMap<(u16, u32, u32), MessageId>,
}

fn ticket_key(ticket: Ticket) -> (u16, u32, u32) {
    (ticket.shard, ticket.slot, ticket.generation)
}

impl Sim {
    pub(crate) fn open_session(&mut self, connection: usize) {
        let mailbox = Mailbox {
            queue: Default::default(),
            open: true.into(),
            capacity: self.plan.mailbox_capacity,
            connection,
            bell: Rc::clone(&self.nodes[self.at].bell),
        };
        let session = ShellSession {
            core: Session::new(self.clock()),
            shard: self.rng.below(u64::from(SHARDS)) as u16,
            id: SessionId(connection as u64),
            mailbox: Rc::new(mailbox),
            entry: None,
            waking: false,
            free_on_flush: 0,
            gate_seen: Gate::default(),
            wheel_at: Duration::MAX,
            output: VecDeque::new(),
            close_sent: false,
            left: false,
            peer_done: false,
            tickets: BTreeMap::new(),
        };
        self.nodes[self.at].sessions.insert(connection, session);
        self.with_session(connection, |sim, session| sim.arm_wheel(session));
    }

    /// Takes the session out while something is done with it: custody may speak to any session meanwhile, but only by mail.
    pub(super) fn with_session(
        &mut self,
        connection: usize,
        body: impl FnOnce(&mut Self, &mut ShellSession),
    ) {
        if let Some(mut session) = self.nodes[self.at].sessions.remove(&connection) {
            body(self, &mut session);
            self.nodes[self.at].sessions.insert(connection, session);
        }
    }

    pub(super) fn config(&self) -> SessionConfig {
        SessionConfig {
            max_unproven_bytes: self.plan.max_unproven_bytes,
            stall_timeout: Duration::from_secs(2),
            heartbeat_interval: Duration::from_secs(3),
            heartbeat_timeout: Duration::from_millis(7500),
            ..SessionConfig::default()
        }
    }

    pub(super) fn input(
        &mut self,
        session: &mut ShellSession,
        effects: &mut Vec<SessionEffect>,
        input: impl FnOnce(&mut Session, &mut SessionContext<'_>),
    ) {
        let entry = session.entry.as_ref();
        let (now, config) = (self.clock(), self.config());
        let mut cx = SessionContext {
            now,
            config: &config,
            directory: &self.directory,
            types: &self.types,
            shared: None,
            backlog_bytes: entry.map_or(0, |entry| entry.backlog_bytes.get()),
            feed_bytes: config.max_unproven_bytes / 2,
            effects,
        };
        if entry.is_some_and(|entry| entry.is_behind()) {
            session.core.on_behind(&mut cx);
        }
        if let Some(code) = entry.and_then(|entry| entry.must_close.get()) {
            session.core.close(code, &mut cx);
        }
        input(&mut session.core, &mut cx);
    }

    pub(super) fn step(
        &mut self,
        session: &mut ShellSession,
        input: impl FnOnce(&mut Session, &mut SessionContext<'_>),
    ) {
        let mut effects = Vec::new();
        self.input(session, &mut effects, input);
        let mut next = 0;
        while next < effects.len() {
            let effect = std::mem::replace(&mut effects[next], SessionEffect::Free(0));
            next += 1;
            self.carry_out(session, effect, &mut effects);
        }
    }

    fn carry_out(
        &mut self,
        session: &mut ShellSession,
        effect: SessionEffect,
        effects: &mut Vec<SessionEffect>,
    ) {
        let shard = session.shard;
        match effect {
            SessionEffect::Send(frame) => self.write(session, &frame),
            SessionEffect::Ping(number) => session.write(ServerItem::Ping(number)),
            SessionEffect::Close(code) => {
                trace!(self, "connection {}: closes with {}", session.id, code.number());
                self.leave(session);
                session.write(ServerItem::Close(code));
                session.close_sent = true;
            }
            SessionEffect::Submit(draft) => {
                if let Err((error, reference)) = self.take_draft(session, draft) {
                    self.input(session, effects, |core, cx| core.on_refused(error, reference, cx));
                }
            }
            SessionEffect::Refused(_) | SessionEffect::Login(_) => {}
            SessionEffect::Proven(ticket) => {
                if let Some(id) = session.tickets.remove(&ticket_key(ticket)) {
                    trace!(self, "connection {}: proves {id}", session.id);
                    self.nodes[self.at]
                        .table
                        .audit
                        .borrow_mut()
                        .proven(id, session.id);
                    self.checker.proven(id, self.now);
                }
                self.proven(shard, ticket);
            }
            SessionEffect::GiveBack(ticket) => {
                let id = session.tickets.remove(&ticket_key(ticket));
                trace!(self, "connection {}: gives back {id:?}", session.id);
                if let Some(id) = id {
                    self.nodes[self.at]
                        .table
                        .audit
                        .borrow_mut()
                        .given_back(id, session.id);
                }
                self.given_back(shard, ticket, session.id);
            }
            SessionEffect::Free(bytes) => session.free(bytes),
            SessionEffect::FreeOnFlush(bytes) => session.free_on_flush += bytes,
            SessionEffect::FallBehind => {
                self.checker.fell_behind(session.mailbox.connection);
                if let Some(entry) = &session.entry {
                    entry.fall_behind();
                }
            }
            SessionEffect::Authenticate(..) => {
                let after = self.rng.up_to(self.plan.network);
                let mailbox = Rc::clone(&session.mailbox);
                mailbox.post_beyond_bound(ToSession::Authenticated);
                session.waking = true;
                self.schedule(after, Event::SessionWake(mailbox.connection));
            }
            SessionEffect::Register { user, replay } => self.register(session, user, replay),
            SessionEffect::CloseUser(user, reference) => {
                let found = self.close_user(&user, CloseCode::ClosedByMaster);
                self.input(session, effects, |core, cx| {
                    core.on_user_closed(user, found > 0, reference, cx)
                });
            }
            SessionEffect::Call(..) => unreachable!("no handler of the protocol's own is asynchronous"),
            other => self.carry_out_feeding(session, other, effects),
        }
    }

    fn carry_out_feeding(
        &mut self,
        session: &mut ShellSession,
        effect: SessionEffect,
        effects: &mut Vec<SessionEffect>,
    ) {
        let Some(entry) = session.entry.clone() else {
            return;
        };
        match effect {
            SessionEffect::ReadPage {
                after_seq,
                max_rows,
                max_bytes,
                filter,
                deferred,
            } => {
                if entry.waits_for_elders(self.now) {
                    let page = SessionPage {
                        deliveries: Vec::new(),
                        last_seq: after_seq,
                        exhausted: false,
                    };
                    self.input(session, effects, |core, cx| core.on_page(Some(page), cx));
                    return;
                }
                session.gate_seen = entry.gate.get();
                let request = Self::page_request(&entry, after_seq, max_rows, max_bytes, filter);
                self.ask_store(
                    session.shard,
                    StoreMail::Page(session.shard, entry, request, deferred),
                );
            }
            SessionEffect::CountWaiting => self.ask_store(session.shard, StoreMail::Count(entry)),
            SessionEffect::AcquireFetch => {
                if self.nodes[self.at].acquire_turn(&entry) {
                    self.input(session, effects, Session::on_fetch_granted);
                }
            }
            SessionEffect::ReleaseFetch => self.nodes[self.at].release_turn(&entry),
            SessionEffect::TryLive => {
                let shared = &self.nodes[self.at].shared;
                let overtakes = entry.gate.get().replaying
                    && !shared.store_away.load(std::sync::atomic::Ordering::Acquire)
                    && shared.claims().is_undecided(&entry.user);
                let live = !overtakes && entry.try_live(session.gate_seen);
                trace!(self, "{entry:?}: tries to go live: {live}");
                self.input(session, effects, |core, cx| core.on_live(live, cx));
            }
            _ => unreachable!("carried out before"),
        }
    }

    fn write(&mut self, session: &mut ShellSession, frame: &ServerFrame) {
        let mut json = BytesMut::new();
        frame.encode(&mut json);
        let json = String::from_utf8(json.to_vec()).expect("frames are text");
        trace!(self, "connection {}: -> {json}", session.id);
        session.write(ServerItem::Text(json));
    }

    fn take_draft(
        &mut self,
        session: &mut ShellSession,
        draft: Draft,
    ) -> Result<(), (FrameError, Option<Box<str>>)> {
        let Some(entry) = session.entry.clone() else {
            return Ok(());
        };
        let envelope = Envelope {
            id: self.new_id(),
            kind: draft.kind,
            feature: draft.feature,
            from: entry.user,
            to: draft.to,
            reference: draft.reference,
            confirm: draft.confirm,
            timestamp_ms: self.clock().unix_ms,
            content: draft.content,
            trail: None,
        };
        self.checker.submitted(&envelope, session.id, self.at, self.now);
        let custody = &self.nodes[self.at].routers[usize::from(session.shard)].custody;
        if let Some(error) = custody.refusal(&envelope) {
            self.checker.refused(envelope.id);
            return Err((error, envelope.reference));
        }
        entry
            .unsettled_bytes
            .set(entry.unsettled_bytes.get() + envelope.cost());
        let submission = Submission {
            envelope,
            origin: Origin::Session(Target::Session(entry)),
            accepted: draft.accepted,
        };
        self.submit(session.shard, submission);
        Ok(())
    }

    fn register(&mut self, session: &mut ShellSession, user: UserId, replay: bool) {
        let elders = match replay {
            true => self.nodes[self.at].table.of(&user),
            false => Vec::new(),
        };
        let elders: Vec<_> = elders
            .into_iter()
            .filter(|elder| elder.backlog_bytes.get() > 0)
            .map(|elder| {
                let handed = elder.handed_bytes.get();
                (elder, handed)
            })
            .collect();
        let entry = Rc::new(Entry {
            id: session.id,
            user,
            mailbox: Rc::clone(&session.mailbox),
            max_unproven_bytes: self.plan.max_unproven_bytes,
            gate: Gate {
                behind: replay,
                replaying: replay,
                ..Gate::default()
            }
            .into(),
            backlog_bytes: 0.into(),
            handed_bytes: 0.into(),
            patient_until: self.now + Duration::from_secs(1),
            since_ms: self.clock().unix_ms,
            elders: elders.into(),
            unsettled_bytes: 0.into(),
            paused: false.into(),
            closed: false.into(),
            must_close: None.into(),
        });
        let mut sessions = self.nodes[self.at].table.sessions.borrow_mut();
        let of_user = sessions.entry(user).or_default();
        of_user.push(Rc::clone(&entry));
        drop(sessions);
        self.checker.registered(user, session.id, replay);
        session.entry = Some(Rc::clone(&entry));
        self.hop(session.shard, 200, Event::Presence(PresenceOp::Register(entry)));
    }
}

impl ShellSession {
    fn write(&mut self, item: ServerItem) {
        if !self.close_sent {
            self.output.push_back(item);
        }
    }

    pub(super) fn free(&self, bytes: usize) {
        if let Some(entry) = &self.entry {
            entry.free(bytes);
        }
    }

    pub(super) fn know(&mut self, ticket: Option<Ticket>, id: MessageId) {
        if let Some(ticket) = ticket {
            self.tickets.insert(ticket_key(ticket), id);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.output.is_empty() && self.tickets.is_empty()
    }
}
