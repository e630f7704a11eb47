//! A session alone in virtual time, for its laws.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use linker_core::clock::Now;
use linker_core::code::{CloseCode, ErrorCode};
use linker_core::custody::{Delivery, Ticket};
use linker_core::directory::Directory;
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::frame::ServerFrame;
use linker_core::id::MessageId;
use linker_core::message_type::MessageTypes;
use linker_core::port::Login;
use linker_core::session::{Session, SessionConfig, SessionContext, SessionEffect, SharedLimits};

use crate::simulation::directory;

pub(crate) const LOGIN: &str = r#"{"type":"AUTH_CLIENT","data":{"appId":"app","userId":"ANZ-1"}}"#;

/// A session alone, and what it wanted.
pub(crate) struct Alone {
    pub(crate) session: Session,
    pub(crate) now: Duration,
    pub(crate) config: SessionConfig,
    pub(crate) directory: Directory,
    pub(crate) types: MessageTypes,
    pub(crate) shared: Option<Box<dyn SharedLimits>>,
    /// Bytes held for it, as its node would count them.
    pub(crate) backlog: usize,
    pub(crate) unflushed: usize,
    pub(crate) sent: Vec<ServerFrame>,
    pub(crate) pings: Vec<u64>,
    pub(crate) closed: Option<CloseCode>,
    pub(crate) proven: Vec<Ticket>,
    pub(crate) given_back: Vec<Ticket>,
    pub(crate) other: Vec<SessionEffect>,
    pub(crate) numbered: u32,
    /// Deliveries handed in with a ticket.
    pub(crate) ticketed: BTreeSet<u32>,
}

impl Alone {
    pub(crate) fn new(config: SessionConfig) -> Self {
        let now = Duration::from_secs(1000);
        Self {
            session: Session::new(at(now)),
            now,
            config,
            directory: directory(true),
            types: MessageTypes::protocol(),
            shared: None,
            backlog: 0,
            unflushed: 0,
            sent: Vec::new(),
            pings: Vec::new(),
            closed: None,
            proven: Vec::new(),
            given_back: Vec::new(),
            other: Vec::new(),
            numbered: 0,
            ticketed: BTreeSet::new(),
        }
    }

    pub(crate) fn logged_in(options: &str, config: SessionConfig) -> Self {
        let mut alone = Self::new(config);
        let login = LOGIN.replace("\"ANZ-1\"", &format!("\"ANZ-1\",\"options\":{options}"));
        alone.text(&login);
        alone.step(|session, cx| session.on_authenticated(Ok(Login::default()), cx));
        alone.step(|session, cx| session.on_registered(Ok(Some(0)), cx));
        assert!(matches!(alone.sent[..], [ServerFrame::AuthReply(_)]));
        alone.sent.clear();
        alone
    }

    pub(crate) fn step<T>(&mut self, input: impl FnOnce(&mut Session, &mut SessionContext<'_>) -> T) -> T {
        let mut effects = Vec::new();
        let mut cx = SessionContext {
            now: at(self.now),
            config: &self.config,
            directory: &self.directory,
            types: &self.types,
            shared: self.shared.as_deref(),
            backlog_bytes: self.backlog,
            feed_bytes: self.config.max_unproven_bytes / 2,
            effects: &mut effects,
        };
        let result = input(&mut self.session, &mut cx);
        for effect in effects {
            match effect {
                SessionEffect::Send(frame) => {
                    let mut json = BytesMut::new();
                    frame.encode(&mut json);
                    serde_json::from_slice::<serde_json::Value>(&json).expect("JSON");
                    assert!(self.closed.is_none(), "a frame after the close frame");
                    self.sent.push(frame);
                }
                SessionEffect::Ping(number) => self.pings.push(number),
                SessionEffect::Close(code) => {
                    assert!(self.closed.replace(code).is_none(), "closed twice");
                }
                SessionEffect::Proven(ticket) => self.proven.push(ticket),
                SessionEffect::GiveBack(ticket) => self.given_back.push(ticket),
                SessionEffect::Free(bytes) => {
                    self.backlog = self.backlog.checked_sub(bytes).expect("frees what it held");
                }
                SessionEffect::FreeOnFlush(bytes) => self.unflushed += bytes,
                other => self.other.push(other),
            }
        }
        result
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.session.on_heard(at(self.now));
        self.step(|session, cx| session.on_text(text, cx));
    }

    pub(crate) fn pong(&mut self, payload: &str) {
        self.step(|session, cx| session.on_pong(payload.as_bytes(), cx));
    }

    pub(crate) fn tick(&mut self) -> bool {
        self.step(Session::on_tick)
    }

    pub(crate) fn deadline(&mut self) -> Duration {
        self.step(|session, cx| session.deadline(cx.now, cx.config))
    }

    pub(crate) fn delivery(&mut self, with_ticket: bool, courtesy: bool) -> Delivery {
        self.numbered += 1;
        if with_ticket {
            self.ticketed.insert(self.numbered);
        }
        let delivery = delivery(self.numbered, with_ticket, courtesy);
        self.backlog += delivery.cost();
        delivery
    }

    /// The codes of the errors sent since the last call.
    pub(crate) fn errors(&mut self) -> Vec<ErrorCode> {
        let codes = self.sent.drain(..).filter_map(|frame| match frame {
            ServerFrame::Error { error, .. } => Some(error.code),
            ServerFrame::AuthReply(reply) => reply.error.map(|error| error.code),
            _ => None,
        });
        codes.collect()
    }
}

pub(crate) fn at(elapsed: Duration) -> Now {
    Now {
        elapsed,
        unix_ms: 1_700_000_000_000 + elapsed.as_millis() as u64,
    }
}

pub(crate) fn ticket(number: u32) -> Ticket {
    Ticket {
        shard: 0,
        slot: number,
        generation: number,
    }
}

pub(crate) fn message_id(number: u32) -> MessageId {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    MessageId::from_bytes(bytes)
}

pub(crate) fn delivery(number: u32, with_ticket: bool, courtesy: bool) -> Delivery {
    let feature = if with_ticket {
        Feature::Reliable
    } else {
        Feature::Fast
    };
    let envelope = Envelope {
        id: message_id(number),
        kind: Kind::Message,
        feature,
        from: "ANZ-2".parse().unwrap(),
        to: "ANZ-1".parse().unwrap(),
        reference: None,
        confirm: false,
        timestamp_ms: 0,
        content: Bytes::from_static(b"1"),
        trail: None,
    };
    Delivery {
        envelope: Arc::new(envelope),
        ticket: with_ticket.then(|| ticket(number)),
        courtesy,
    }
}
