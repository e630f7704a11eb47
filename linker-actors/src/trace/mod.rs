//! Traces: what a node tells a host's exporter of the messages that are traced. See ARCHITECTURE.md, "Traces".
//!
//! Nothing of it runs where no message is traced: each place asks [`Tracer::takes`] first, which is one comparison then.

mod deliveries;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeName};
use linker_core::trace::{Fate, Passage, Place, Role, Sampling, SpanId, TraceContext};

pub(crate) use deliveries::TracedDeliveries;
pub use span::{About, Span, SpanKind, SpanSink};

use crate::runtime::clock::Clock;
use crate::runtime::ids::random_u64;

/// The clock of day is believed anew when it has moved so far from where it was: within that, spans of a node are in the order in which things happened.
const DRIFT_MAX_NS: u64 = 5_000_000;

/// Makes spans of what happens to traced messages.
pub(crate) struct Tracer {
    sampling: Sampling,
    sink: Option<Arc<dyn SpanSink>>,
    node: NodeName,
    domain: DomainName,
    clock: Clock,
    /// What time of day it was when the node's clock was at zero, ns since the epoch.
    epoch_ns: AtomicU64,
    seed: u64,
    spans: AtomicU64,
}

/// A traced message on its way out, and since when.
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) since: Instant,
}

impl Carried {
    /// `None` for what is not traced.
    pub(crate) fn of(sampling: Sampling, envelope: &Arc<Envelope>) -> Option<Self> {
        sampling.takes(&envelope.id).then(|| Self {
            envelope: Arc::clone(envelope),
            since: Instant::now(),
        })
    }
}

impl Tracer {
    /// Without a sink nothing is traced, whatever the sampling.
    pub(crate) fn new(
        sampling: Sampling,
        sink: Option<Arc<dyn SpanSink>>,
        node: NodeName,
        domain: DomainName,
        clock: Clock,
    ) -> Self {
        Self {
            sampling: match sink {
                Some(_) => sampling,
                None => Sampling::NONE,
            },
            sink,
            node,
            domain,
            clock,
            epoch_ns: AtomicU64::new(0),
            seed: random_u64(),
            spans: AtomicU64::new(0),
        }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        self.sampling
    }

    pub(crate) fn is_on(&self) -> bool {
        self.sampling.is_on()
    }

    #[inline]
    pub(crate) fn takes(&self, id: &MessageId) -> bool {
        self.sampling.takes(id)
    }

    /// The time of day at a time of the node's clock.
    fn at(&self, elapsed: Duration) -> SystemTime {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let told = (now.saturating_sub(self.clock.elapsed())).as_nanos() as u64;
        let known = self.epoch_ns.load(Ordering::Relaxed);
        let epoch = if known.abs_diff(told) > DRIFT_MAX_NS {
            self.epoch_ns.store(told, Ordering::Relaxed);
            told
        } else {
            known
        };
        UNIX_EPOCH + Duration::from_nanos(epoch) + elapsed
    }

    fn new_id(&self) -> SpanId {
        SpanId::nth(self.seed, self.spans.fetch_add(1, Ordering::Relaxed))
    }

    /// A span that ends now, of a message of which only the id need be known.
    fn span(&self, id: MessageId, name: &'static str, place: Place, since: Duration) -> Span {
        let start = self.at(since);
        Span {
            trace: *id.as_bytes(),
            message: id,
            id: place.id.unwrap_or_else(|| self.new_id()),
            parent: place.parent,
            name,
            kind: SpanKind::Internal,
            start,
            end: start + self.clock.elapsed().saturating_sub(since),
            node: self.node.clone(),
            domain: self.domain.clone(),
            about: None,
            outcome: None,
            towards: None,
            written_at: None,
            rows: None,
            link: None,
        }
    }

    fn record(&self, span: Span) {
        if let Some(sink) = &self.sink {
            sink.record(span);
        }
    }

    fn within(&self, envelope: &Envelope, name: &'static str, since: Duration) -> Span {
        let place = Place::within(&envelope.id, &self.domain);
        Span {
            about: Some(About::of(envelope)),
            ..self.span(envelope.id, name, place, since)
        }
    }

    /// A router had a message.
    pub(crate) fn passage(&self, passage: &Passage) {
        let Passage {
            envelope,
            since,
            fate,
            role,
        } = passage;
        let (name, place) = match role {
            Role::New => ("message", Place::of_domain(envelope, &self.domain)),
            Role::Again => ("custody", Place::within(&envelope.id, &self.domain)),
            Role::Guest => ("guest", Place::within(&envelope.id, &self.domain)),
        };
        let kind = match envelope.hops() {
            0 => SpanKind::Internal,
            _ if *role == Role::New => SpanKind::Consumer,
            _ => SpanKind::Internal,
        };
        self.record(Span {
            about: Some(About::of(envelope)),
            outcome: Some(fate.as_str()),
            kind,
            ..self.span(envelope.id, name, place, *since)
        });
    }

    /// A message was refused before a router had it.
    pub(crate) fn refused(&self, envelope: &Envelope, since: Duration) {
        let place = Place::of_domain(envelope, &self.domain);
        self.record(Span {
            about: Some(About::of(envelope)),
            outcome: Some(Fate::Refused.as_str()),
            ..self.span(envelope.id, "message", place, since)
        });
    }

    /// A session has handed in a message of its client.
    pub(crate) fn received(&self, id: MessageId, about: About, is_taken: bool, since: Duration) {
        let place = Place::within(&id, &self.domain);
        self.record(Span {
            about: Some(about),
            kind: SpanKind::Server,
            outcome: Some(if is_taken { "taken" } else { Fate::Refused.as_str() }),
            ..self.span(id, "session.receive", place, since)
        });
    }

    /// A call of the host or of the API has sent a message and heard what became of it; maybe within a trace of its own.
    pub(crate) fn called(
        &self,
        id: MessageId,
        about: About,
        outcome: &'static str,
        since: Duration,
        caller: Option<TraceContext>,
    ) {
        let span = Span {
            about: Some(about),
            kind: SpanKind::Server,
            outcome: Some(outcome),
            link: caller,
            ..self.span(id, "call.send", Place::within(&id, &self.domain), since)
        };
        if let Some(caller) = caller {
            self.record(Span {
                trace: caller.trace,
                id: self.new_id(),
                parent: Some(caller.span),
                name: "linker.send",
                link: Some(TraceContext {
                    trace: span.trace,
                    span: span.id,
                    is_sampled: true,
                }),
                ..span.clone()
            });
        }
        self.record(span);
    }

    /// A batch of rows was committed, with this message among them.
    pub(crate) fn inserted(&self, envelope: &Envelope, outcome: &'static str, rows: usize, since: Instant) {
        self.record(Span {
            kind: SpanKind::Client,
            outcome: Some(outcome),
            rows: Some(rows),
            ..self.within(envelope, "store.insert", self.clock.of(since))
        });
    }

    /// The same of a row that is gone.
    pub(crate) fn deleted(&self, id: MessageId, rows: usize, since: Instant) {
        let place = Place::within(&id, &self.domain);
        self.record(Span {
            kind: SpanKind::Client,
            rows: Some(rows),
            ..self.span(id, "store.delete", place, self.clock.of(since))
        });
    }

    /// A row was read for a session that asked for what waits.
    pub(crate) fn read(&self, envelope: &Envelope, rows: usize, since: Duration) {
        self.record(Span {
            kind: SpanKind::Client,
            rows: Some(rows),
            ..self.within(envelope, "store.read", since)
        });
    }

    /// The bus has taken a message for another node.
    pub(crate) fn sent_by_bus(&self, carried: &Carried, to: &str) {
        self.record(Span {
            kind: SpanKind::Producer,
            towards: Some(to.into()),
            ..self.within(&carried.envelope, "bus.send", self.clock.of(carried.since))
        });
    }

    /// A neighbour's broker has taken a message.
    pub(crate) fn sent_by_link(&self, carried: &Carried, to: &DomainName) {
        self.record(Span {
            kind: SpanKind::Producer,
            towards: Some(to.as_str().into()),
            ..self.within(&carried.envelope, "link.send", self.clock.of(carried.since))
        });
    }

    /// A message has come from another domain, and goes to a router now.
    pub(crate) fn came_by_link(&self, envelope: &Envelope, since: Duration) {
        self.record(Span {
            about: Some(About::of(envelope)),
            kind: SpanKind::Consumer,
            ..self.span(envelope.id, "link.receive", Place::of_arrival(envelope), since)
        });
    }

    /// A session had a message for its client.
    fn delivered(
        &self,
        envelope: &Envelope,
        since: Duration,
        written: Option<Duration>,
        outcome: &'static str,
    ) {
        self.record(Span {
            kind: SpanKind::Client,
            outcome: Some(outcome),
            written_at: written.map(|at| self.at(at)),
            ..self.within(envelope, "session.deliver", since)
        });
    }
}
