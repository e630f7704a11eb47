//! WebSocket clients: upgrade, login, pings answered, frames handed to the scenario.

mod incoming;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::cli::TargetKind;
use crate::clock::{MS, SECOND, now_ns};
use crate::error::LoadError;
use crate::frame::{Opcode, append_masked};
use crate::protocol::{LoginOptions, Protocol, Session};
use crate::scenario::Scenario;
use crate::sockets::{ClientId, Readiness, Sockets};
use crate::wire::RunTag;

/// Longest a client may take from connecting to being logged in, and to be closed.
const LOGIN_MAX_NS: u64 = 30 * SECOND;
const CLOSE_MAX_NS: u64 = SECOND;
/// Longest the loop sleeps.
const IDLE_MAX_NS: u64 = 20 * MS;
/// How often clients that take too long are looked for.
const OVERDUE_CHECK_NS: u64 = 250 * MS;
/// A turn in which nothing was to do takes less than this; if it took longer, the thread was not running.
const EMPTY_TURN_MAX_NS: u64 = 50_000;
/// Bytes read at once; also where a lone frame is parsed without a copy.
const READ_LEN: usize = 128 * 1024;
/// The key of RFC 6455's own example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What all clients of a thread have in common.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) targets: Vec<SocketAddr>,
    pub(crate) path: String,
    pub(crate) kind: TargetKind,
    pub(crate) app_id: String,
    /// Clients on their way from connecting to being logged in, at once.
    pub(crate) opening_max: u32,
    pub(crate) source_addresses: u8,
    /// Whether the loop polls instead of sleeping.
    pub(crate) busy_poll: bool,
    pub(crate) tag: RunTag,
}

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The tester closed it.
    Asked,
    /// The server closed it, with this code.
    Closed(u16),
    /// It broke, or what came over it made no sense.
    Broken(String),
    /// It never was logged in.
    NotLoggedIn(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ended,
    Waiting,
    Connecting,
    Upgrading,
    LoggingIn,
    Ready,
    Closing,
}

impl State {
    fn is_opening(self) -> bool {
        matches!(self, Self::Connecting | Self::Upgrading | Self::LoggingIn)
    }
}

struct Client {
    state: State,
    user_id: Box<str>,
    options: LoginOptions,
    session: Session,
    /// When it has been opening or closing for too long.
    overdue_ns: u64,
    opened_ns: u64,
    /// Whether what comes for it is left where it is.
    deaf: bool,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// The frames so far of a fragmented message or, of a stream, the beginning of a packet.
    fragments: Vec<u8>,
    /// Whether it has been pinged since somebody asked.
    pinged: bool,
}

/// The clients of one load thread and the loop that drives them.
pub(crate) struct Clients {
    settings: ClientSettings,
    sockets: Sockets,
    clients: Vec<Client>,
    waiting: VecDeque<ClientId>,
    opening: u32,
    closing: u32,
    ready: u32,
    protocol: Protocol,
    request: Vec<u8>,
    buffer: Vec<u8>,
    /// What is to be sent back for what is being read.
    answers: Vec<u8>,
    events: Vec<Readiness>,
    next_overdue_check_ns: u64,
    polled_ns: u64,
    pings: u64,
}

impl Clients {
    /// Room for `count` clients, none connected.
    ///
    /// # Errors
    /// If the operating system gives no epoll.
    pub(crate) fn new(settings: ClientSettings, count: u32) -> Result<Self, LoadError> {
        let protocol = Protocol::new(settings.kind, settings.tag, &settings.app_id);
        let subprotocol = protocol
            .subprotocol()
            .map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n",
            settings.path,
            settings
                .targets
                .first()
                .map_or_else(String::new, ToString::to_string)
        );
        let client = || Client {
            state: State::Ended,
            user_id: Box::default(),
            options: LoginOptions::default(),
            session: Session::default(),
            overdue_ns: 0,
            opened_ns: 0,
            deaf: false,
            partial: Vec::new(),
            fragments: Vec::new(),
            pinged: false,
        };
        Ok(Self {
            sockets: Sockets::new(count, settings.targets.clone(), settings.source_addresses)?,
            clients: (0..count).map(|_| client()).collect(),
            waiting: VecDeque::new(),
            opening: 0,
            closing: 0,
            ready: 0,
            protocol,
            request: request.into_bytes(),
            buffer: vec![0; READ_LEN],
            answers: Vec::new(),
            events: Vec::new(),
            next_overdue_check_ns: 0,
            polled_ns: 0,
            pings: 0,
            settings,
        })
    }

    /// Has `id` connect and log in as `user_id` when its turn comes.
    pub(crate) fn open(&mut self, id: ClientId, user_id: &str, options: LoginOptions) {
        let Some(client) = self.clients.get_mut(id as usize) else {
            return;
        };
        if client.state == State::Ended {
            client.state = State::Waiting;
            client.user_id = user_id.into();
            client.options = options;
            client.session = Session::default();
            self.waiting.push_back(id);
        }
    }

    /// The connections, to be told where to and where from.
    pub(crate) fn sockets(&mut self) -> &mut Sockets {
        &mut self.sockets
    }

    /// Pings answered so far.
    pub(crate) fn pings(&self) -> u64 {
        self.pings
    }

    /// How many clients have been pinged since this was last asked.
    pub(crate) fn take_pinged(&mut self) -> u32 {
        let pinged = |client: &mut Client| u32::from(std::mem::take(&mut client.pinged));
        self.clients.iter_mut().map(pinged).sum()
    }

    /// Closes `id` politely; [`Scenario::on_closed`] follows.
    pub(crate) fn close(&mut self, id: ClientId, now: u64) {
        if self.state(id) != State::Ready {
            return;
        }
        if let Some(out) = self.sockets.outgoing(id) {
            self.protocol.take_leave(out);
            append_masked(out, Opcode::Close, &1000_u16.to_be_bytes());
        }
        self.enter(id, State::Closing);
        if let Some(client) = self.clients.get_mut(id as usize) {
            client.overdue_ns = now + CLOSE_MAX_NS;
        }
    }

    /// Has `id` read nothing more, pings included, until its connection ends.
    pub(crate) fn stop_reading(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(id as usize) {
            client.deaf = true;
        }
    }

    /// Where to append frames for `id`; they leave at the end of this turn. `None` unless it is logged in.
    pub(crate) fn outgoing(&mut self, id: ClientId) -> Option<&mut Vec<u8>> {
        if self.state(id) == State::Ready {
            self.sockets.outgoing(id)
        } else {
            None
        }
    }

    /// Bytes that `id` has not been able to write yet.
    pub(crate) fn backlog(&self, id: ClientId) -> usize {
        self.sockets.backlog(id)
    }

    /// How many are logged in.
    pub(crate) fn ready(&self) -> u32 {
        self.ready
    }

    /// One turn: what is due, what has come, what is to go.
    ///
    /// # Errors
    /// What the scenario gives up for, or a failing system call.
    pub(crate) fn turn<S: Scenario>(&mut self, scenario: &mut S) -> Result<(), LoadError> {
        let now = now_ns();
        let wake_ns = scenario.on_tick(self, now)?;
        self.open_waiting(scenario, now)?;
        self.end_overdue(scenario, now);
        let mut worked = self.flush(scenario);
        let idle_ns = if self.settings.busy_poll {
            0
        } else {
            wake_ns.saturating_sub(now_ns()).min(IDLE_MAX_NS)
        };
        let mut events = std::mem::take(&mut self.events);
        self.sockets.wait(&mut events, Duration::from_nanos(idle_ns))?;
        worked |= !events.is_empty();
        for readiness in events.drain(..) {
            self.on_readiness(readiness, scenario);
        }
        self.events = events;
        self.flush(scenario);
        if self.settings.busy_poll && !worked {
            self.polled_ns += now_ns().saturating_sub(now).min(EMPTY_TURN_MAX_NS);
        }
        Ok(())
    }

    /// Time spent on turns in which nothing was to do, in nanoseconds.
    pub(crate) fn polled_ns(&self) -> u64 {
        self.polled_ns
    }

    /// Writes what was appended; whether there was anything.
    fn flush<S: Scenario>(&mut self, scenario: &mut S) -> bool {
        let any = self.sockets.flush();
        while let Some((id, error)) = self.sockets.take_broken() {
            self.break_off(id, &error, scenario);
        }
        any
    }

    fn open_waiting<S: Scenario>(&mut self, scenario: &mut S, now: u64) -> Result<(), LoadError> {
        while self.opening < self.settings.opening_max {
            let Some(id) = self.waiting.pop_front() else { break };
            let connecting = self.sockets.connect(id);
            self.enter(id, State::Connecting);
            match connecting {
                // A node that is not there is the scenario's business, as it is when that shows later.
                Err(LoadError::Io { source, .. }) if source.kind() == io::ErrorKind::ConnectionRefused => {
                    self.break_off(id, &source, scenario);
                    continue;
                }
                connecting => connecting?,
            }
            if let Some(client) = self.clients.get_mut(id as usize) {
                client.opened_ns = now;
                client.overdue_ns = now + LOGIN_MAX_NS;
            }
        }
        Ok(())
    }

    fn end_overdue<S: Scenario>(&mut self, scenario: &mut S, now: u64) {
        if now < self.next_overdue_check_ns || self.opening + self.closing == 0 {
            return;
        }
        self.next_overdue_check_ns = now + OVERDUE_CHECK_NS;
        for id in 0..self.clients.len() as ClientId {
            let overdue = self
                .clients
                .get(id as usize)
                .is_some_and(|client| client.overdue_ns <= now);
            match self.state(id) {
                State::Closing if overdue => self.end(id, &End::Asked, scenario),
                state if overdue && state.is_opening() => {
                    self.end(
                        id,
                        &End::NotLoggedIn("the server did not answer in time".to_owned()),
                        scenario,
                    );
                }
                _ => {}
            }
        }
    }

    fn become_ready<S: Scenario>(&mut self, id: ClientId, scenario: &mut S, now: u64) {
        self.enter(id, State::Ready);
        let opened_ns = self.clients.get(id as usize).map_or(0, |client| client.opened_ns);
        scenario.on_ready(self, id, opened_ns, now);
    }

    fn break_off<S: Scenario>(&mut self, id: ClientId, error: &io::Error, scenario: &mut S) {
        let end = match self.state(id) {
            State::Ended | State::Waiting => return,
            State::Connecting | State::Upgrading | State::LoggingIn => End::NotLoggedIn(error.to_string()),
            State::Ready => End::Broken(error.to_string()),
            State::Closing => End::Asked,
        };
        self.end(id, &end, scenario);
    }

    fn end<S: Scenario>(&mut self, id: ClientId, end: &End, scenario: &mut S) {
        self.sockets.drop_connection(id);
        self.enter(id, State::Ended);
        if let Some(client) = self.clients.get_mut(id as usize) {
            client.deaf = false;
            client.partial = Vec::new();
            client.fragments = Vec::new();
        }
        scenario.on_closed(self, id, end, now_ns());
    }

    /// The user that `id` is, or was last.
    pub(crate) fn user_id(&self, id: ClientId) -> &str {
        self.clients.get(id as usize).map_or("", |client| &client.user_id)
    }

    fn state(&self, id: ClientId) -> State {
        self.clients
            .get(id as usize)
            .map_or(State::Ended, |client| client.state)
    }

    /// Moves `id` to `state`, keeping the counts of who is where.
    fn enter(&mut self, id: ClientId, state: State) {
        let Some(client) = self.clients.get_mut(id as usize) else {
            return;
        };
        let former = std::mem::replace(&mut client.state, state);
        for (count, of) in [
            (&mut self.opening, State::is_opening as fn(State) -> bool),
            (&mut self.ready, |state| state == State::Ready),
            (&mut self.closing, |state| state == State::Closing),
        ] {
            *count += u32::from(of(state));
            *count -= u32::from(of(former));
        }
    }
}
