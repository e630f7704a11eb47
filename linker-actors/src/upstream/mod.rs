//! The application behind this domain: what users send it, and what it is told of them.
//!
//! Nothing here decides what becomes of a message: routers do, by `linker_core::custody`, to which the application is one more domain. See ARCHITECTURE.md, "Upstream".

mod dispatch;
mod feeding;
mod finding;
mod handler;
mod lane;
mod metering;
mod outlet;
mod settling;
mod start;
mod trials;
mod ways;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use linker_core::clock::Now;
use linker_core::custody::{Origin, Reports, Submission};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{DomainName, MessageId, UserId};
use linker_core::port::UpstreamSink;
use linker_core::upstream::{UpstreamEvent, event_content};
use tokio::sync::{Notify, watch};

pub(crate) use handler::HandlerSink;
pub use handler::UpstreamHandler;
pub(crate) use outlet::UpstreamOutlet;
pub(crate) use start::start;

use crate::links::way::Way;
use crate::node::Node;
use crate::router::Target;
use metering::{UpstreamMetrics, UpstreamOutcome};
use ways::LaneWays;

/// Events are told while no more than this waits for the application; then they are dropped and counted.
const BACKLOG_FOR_EVENTS_MAX: u64 = 1_000_000;

/// Where it is, and what it wants to know.
#[derive(Default)]
pub(crate) struct UpstreamSettings {
    pub(crate) sink: Option<Arc<dyn UpstreamSink>>,
    pub(crate) events: HashSet<UpstreamEvent>,
}

/// The way to the application.
pub(crate) struct Upstream {
    /// The domain that it is to custody.
    pub(crate) home: DomainName,
    pub(crate) way: Arc<Way<UpstreamOutlet>>,
    outlet: Arc<UpstreamOutlet>,
    settings: UpstreamSettings,
    /// Messages that wait for it in the store, as of the last look.
    backlog: AtomicU64,
    stop: watch::Sender<bool>,
    /// Those of senders who are set aside.
    lanes: LaneWays,
    /// A node of this domain is gone.
    gone: Notify,
    metrics: OnceLock<UpstreamMetrics>,
}

impl Upstream {
    pub(crate) fn new(settings: UpstreamSettings) -> Self {
        let home = DomainName::upstream();
        let metrics = OnceLock::new();
        if settings.sink.is_some() {
            metrics.get_or_init(UpstreamMetrics::new);
        }
        Self {
            way: Way::new(home.clone()),
            home,
            outlet: UpstreamOutlet::new(),
            settings,
            backlog: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            lanes: LaneWays::default(),
            gone: Notify::new(),
            metrics,
        }
    }

    /// Whether there is anybody to hand messages to.
    pub(crate) fn is_configured(&self) -> bool {
        self.settings.sink.is_some()
    }

    /// Of which messages custody is to tell.
    pub(crate) fn reports(&self) -> Reports {
        Reports {
            delivered: self.settings.events.contains(&UpstreamEvent::Delivered),
            stored: self.settings.events.contains(&UpstreamEvent::Stored),
        }
    }

    /// Hands over a FAST message; whether it could be taken.
    pub(crate) fn forward_fast(&self, envelope: &Arc<Envelope>) -> bool {
        let taken = self.way.hop().is_some_and(|outlet| outlet.offer_fast(envelope));
        if !taken {
            self.count(envelope, UpstreamOutcome::Dropped);
        }
        taken
    }

    /// A node of this domain is gone: what it was to hand over is anybody's, and is looked for.
    pub(crate) fn member_gone(&self) {
        self.way.shut();
        self.gone.notify_one();
    }

    fn is_aside(&self, sender: &UserId) -> bool {
        self.lanes.of(sender).is_some_and(|lane| lane.is_aside())
    }

    /// Whether it has taken all that it was given.
    pub(crate) fn is_idle(&self) -> bool {
        self.outlet.is_idle()
    }

    /// Nothing more is handed over; what it has not taken is given back.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) async fn close(&self) {
        if let Some(sink) = &self.settings.sink {
            sink.close().await;
        }
    }

    pub(crate) fn set_backlog(&self, rows: u64) {
        self.backlog.store(rows, Ordering::Relaxed);
        if let Some(metrics) = self.metrics.get() {
            metrics.backlog.set(rows as f64);
        }
    }

    /// What the application is told of a user, if it wants to know.
    pub(crate) fn of_user(
        &self,
        node: &Node,
        event: UpstreamEvent,
        user: &UserId,
        new_id: &mut dyn FnMut() -> MessageId,
        now: Now,
    ) -> Option<Submission<Target>> {
        if !self.settings.events.contains(&event) {
            return None;
        }
        let content = event_content(event, &node.me.name, Ok(user));
        self.event(node, *user, content, new_id, now)
    }

    /// What the application is told of a message; custody tells only of what it wants to know.
    pub(crate) fn of_message(
        &self,
        node: &Node,
        event: UpstreamEvent,
        message: &Envelope,
        new_id: &mut dyn FnMut() -> MessageId,
        now: Now,
    ) -> Option<Submission<Target>> {
        let content = event_content(event, &node.me.name, Err(message));
        self.event(node, message.from, content, new_id, now)
    }

    fn event(
        &self,
        node: &Node,
        from: UserId,
        content: Bytes,
        new_id: &mut dyn FnMut() -> MessageId,
        now: Now,
    ) -> Option<Submission<Target>> {
        let envelope = Envelope {
            id: new_id(),
            kind: Kind::UpstreamEvent,
            feature: Feature::Reliable,
            from,
            to: from.upstream(),
            reference: None,
            confirm: false,
            timestamp_ms: now.unix_ms,
            content,
            trail: None,
        };
        // Nobody waits for events and nobody's socket slows them, so there has to be an end to them.
        if node.custody.is_full() || self.backlog.load(Ordering::Relaxed) > BACKLOG_FOR_EVENTS_MAX {
            self.count(&envelope, UpstreamOutcome::Dropped);
            return None;
        }
        Some(Submission {
            envelope,
            origin: Origin::Node,
            accepted: false,
        })
    }

    fn count(&self, envelope: &Envelope, outcome: UpstreamOutcome) {
        if let Some(metrics) = self.metrics.get() {
            let of_kind = match envelope.kind {
                Kind::UpstreamEvent => &metrics.events,
                _ => &metrics.messages,
            };
            of_kind[outcome as usize].increment(1);
        }
    }

    fn show(&self, is_up: bool) {
        if let Some(metrics) = self.metrics.get() {
            metrics.up.set(if is_up { 1.0 } else { 0.0 });
        }
    }

    fn show_aside(&self, senders: usize) {
        if let Some(metrics) = self.metrics.get() {
            metrics.aside.set(senders as f64);
        }
    }

    fn count_failure(&self) {
        if let Some(metrics) = self.metrics.get() {
            metrics.failures.increment(1);
        }
    }
}
