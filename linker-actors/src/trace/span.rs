//! A span, as a host's exporter gets it.

use std::time::SystemTime;

use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{DomainName, MessageId, NodeName, UserId};
use linker_core::trace::{SpanId, TraceContext};

/// Takes spans, for a host's exporter: [`crate::LinkerBuilder::tracing`].
pub trait SpanSink: Send + Sync + 'static {
    /// A span has ended. Called on the threads that move messages: it must not wait for anything, and bounds what it keeps.
    fn record(&self, span: Span);
}

/// Something that took its time with a traced message, and is over. It never holds content, tokens or references.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// The trace: the message's id, except of `linker.send`, which is in the trace of who called.
    pub trace: [u8; 16],
    /// The message.
    pub message: MessageId,
    /// Unique within the trace.
    pub id: SpanId,
    /// What it stands below; `None`: the trace begins with it.
    pub parent: Option<SpanId>,
    /// `message`, `session.receive`, `store.insert` and so on: docs/TELEMETRY.md has all.
    pub name: &'static str,
    /// As OpenTelemetry knows it.
    pub kind: SpanKind,
    /// When it began.
    pub start: SystemTime,
    /// When it ended; never before it began.
    pub end: SystemTime,
    /// Where.
    pub node: NodeName,
    /// In which domain.
    pub domain: DomainName,
    /// What the message is; `None` where only its id was known.
    pub about: Option<About>,
    /// What became of it: `delivered`, `stored` and so on.
    pub outcome: Option<&'static str>,
    /// The other node, or the neighbouring domain, that it was sent to.
    pub towards: Option<Box<str>>,
    /// When the frame was written to the client's connection.
    pub written_at: Option<SystemTime>,
    /// How many rows the same commit, or page, had.
    pub rows: Option<usize>,
    /// A span of another trace that it belongs together with.
    pub link: Option<TraceContext>,
}

/// OpenTelemetry's kinds of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Within a node.
    Internal,
    /// A client has asked for it.
    Server,
    /// Something outside was asked: a store, a client that is to prove.
    Client,
    /// Handed to a broker.
    Producer,
    /// Come from one.
    Consumer,
}

/// What a message is, without what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What it is for its recipient.
    pub kind: Kind,
    /// RELIABLE or FAST.
    pub feature: Feature,
    /// The author.
    pub from: UserId,
    /// The recipient.
    pub to: UserId,
    /// How many domains it had left.
    pub hops: u8,
}

impl About {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        Self {
            kind: envelope.kind,
            feature: envelope.feature,
            from: envelope.from,
            to: envelope.to,
            hops: envelope.hops(),
        }
    }
}
