//! One neighbouring domain: what is on its way there, and whether it gets there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use linker_core::bus::BusFrame;
use linker_core::custody::Ticket;
use linker_core::envelope::{Envelope, Trail};
use linker_core::id::{DomainName, SessionId};
use linker_core::link::settling::left;
use linker_core::port::{Link, LinkError, LinkWatcher, LinkWay};
use linker_core::trace::Sampling;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::outbox::{BATCH_BYTES, Batch, Outbox};
use super::pace::Pace;
use super::way::Hop;
use crate::node::Node;
use crate::router::RouterMail;
use crate::trace::Carried;

/// A link that has just come up is used after this: one that flaps is not worth its messages.
const STEADY_AFTER: Duration = Duration::from_millis(300);
/// An idle link is tried so often.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// A neighbour that takes no more is tried again after this.
const FULL_FOR: Duration = Duration::from_millis(500);

/// How a link does, for people and for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkHealth {
    /// Why nothing can be handed over; `None` while it is up.
    pub(crate) down: Option<String>,
    /// Since when, ms since the epoch.
    pub(crate) since_ms: u64,
}

/// A neighbouring domain, as this node reaches it.
pub(crate) struct Neighbour {
    pub(super) name: DomainName,
    own: DomainName,
    /// Stands for it where a message's holders are listed.
    pub(crate) id: SessionId,
    /// Where its broker is, to see whether that has changed.
    pub(super) url: String,
    link: Arc<dyn Link>,
    sampling: Sampling,
    up: AtomicBool,
    /// What it had is just being given back.
    losing: AtomicBool,
    outbox: Mutex<Outbox>,
    unconfirmed: AtomicUsize,
    work: Notify,
    room: Notify,
    health: Mutex<LinkHealth>,
    stop: watch::Sender<bool>,
}

struct Watcher(mpsc::UnboundedSender<Option<String>>);

impl LinkWatcher for Watcher {
    fn connection(&self, lost: Option<String>) {
        // Told once a change: what has not been looked at is a handful.
        let _ = self.0.send(lost);
    }
}

/// What became of one payload.
struct Sent {
    way: LinkWay,
    tickets: Vec<Ticket>,
    traced: Vec<Carried>,
    bytes: usize,
    at: Instant,
    outcome: Result<(), LinkError>,
}

/// Why a connection is not used any more.
enum End {
    Lost(String),
    /// It is there, and takes nothing for a while.
    Full(String),
    Stopped,
}

impl Neighbour {
    pub(super) fn new(
        node: &Node,
        own: DomainName,
        name: DomainName,
        number: u32,
        url: String,
        link: Arc<dyn Link>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            own,
            id: SessionId::of_link(number),
            url,
            link,
            sampling: node.tracer.sampling(),
            up: AtomicBool::new(false),
            losing: AtomicBool::new(false),
            outbox: Mutex::new(Outbox::new(&node.me)),
            unconfirmed: AtomicUsize::new(0),
            work: Notify::new(),
            room: Notify::new(),
            health: Mutex::new(LinkHealth {
                down: Some("it is not connected yet".into()),
                since_ms: node.clock.now().unix_ms,
            }),
            stop: watch::Sender::new(false),
        })
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what it had is just being given back: nothing may take another way before.
    pub(super) fn is_losing(&self) -> bool {
        self.losing.load(Ordering::Acquire)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.outbox().epoch
    }

    pub(crate) fn health(&self) -> LinkHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a RELIABLE message. False where it cannot be taken now; also where `epoch` is over: what was handed over in it has to be looked after first.
    pub(crate) fn offer(&self, envelope: &Arc<Envelope>, ticket: Ticket, epoch: u64) -> bool {
        if !self.is_up() {
            return false;
        }
        let leaving = self.leaving(envelope);
        let traced = Carried::of(self.sampling, envelope);
        let taken = {
            let mut outbox = self.outbox();
            outbox.epoch == epoch && outbox.push(leaving, ticket, traced)
        };
        if taken {
            self.work.notify_one();
        }
        taken
    }

    /// Takes a FAST message; whether it could be taken.
    pub(crate) fn offer_fast(&self, envelope: &Arc<Envelope>) -> bool {
        let frame = BusFrame::Deliver {
            ticket: None,
            envelope: self.leaving(envelope),
        };
        self.offer_traced(&frame, Carried::of(self.sampling, envelope))
    }

    /// The same with any frame that may be lost.
    pub(super) fn offer_frame(&self, frame: &BusFrame) -> bool {
        self.offer_traced(frame, None)
    }

    fn offer_traced(&self, frame: &BusFrame, traced: Option<Carried>) -> bool {
        let taken = self.is_up() && self.outbox().push_fast(frame, traced);
        if taken {
            self.work.notify_one();
        }
        taken
    }

    /// As it leaves this domain.
    fn leaving(&self, envelope: &Arc<Envelope>) -> Arc<Envelope> {
        let former = envelope.trail.as_deref();
        let path = left(former.map_or(&[], |trail| &trail.path), &self.own);
        let after = former.and_then(|trail| trail.after);
        Arc::new(Envelope {
            trail: Some(Box::new(Trail { path, after })),
            ..Envelope::clone(envelope)
        })
    }

    /// Hands over what is not custody's: link states. Nobody waits for what becomes of it.
    pub(super) fn tell(&self, node: &Node, payload: Bytes) {
        if self.is_up() {
            let telling = self.link.send(LinkWay::States, payload);
            node.backend.spawn(async move { telling.await.is_ok() });
        }
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Keeps the link for as long as it is wanted.
    pub(super) async fn run(self: Arc<Self>, node: Arc<Node>) {
        let (told, mut events) = mpsc::unbounded_channel();
        self.link.open(Arc::new(Watcher(told)));
        let mut stop = self.stop.subscribe();
        let mut full: Option<String> = None;
        loop {
            let came_up = tokio::select! {
                came_up = self.comes_up(&mut events, full.take()) => came_up,
                _ = stop.wait_for(|stop| *stop) => false,
            };
            if !came_up {
                break;
            }
            self.go_up(&node);
            let end = tokio::select! {
                end = self.serve(&node, &mut events) => end,
                _ = stop.wait_for(|stop| *stop) => End::Stopped,
            };
            let (End::Lost(why) | End::Full(why)) = &end else {
                break;
            };
            self.go_down(&node, why.clone()).await;
            if let End::Full(why) = end {
                full = Some(why);
            }
        }
        self.go_down(&node, "it is not wanted any more".into()).await;
        self.link.close().await;
    }

    /// Until the connection is there and has been for a moment. False when nobody will ever tell.
    async fn comes_up(
        &self,
        events: &mut mpsc::UnboundedReceiver<Option<String>>,
        full: Option<String>,
    ) -> bool {
        let mut connected = full.is_some();
        let mut wait = FULL_FOR;
        loop {
            let event = match connected {
                false => events.recv().await,
                true => match tokio::time::timeout(wait, events.recv()).await {
                    Ok(event) => event,
                    Err(_) => return true,
                },
            };
            match event {
                Some(None) => {
                    connected = true;
                    wait = STEADY_AFTER;
                }
                Some(Some(why)) => {
                    connected = false;
                    self.set_down_reason(why);
                }
                None => return false,
            }
        }
    }

    fn set_down_reason(&self, why: String) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if health.down.as_ref().is_some_and(|known| *known != why) {
            tracing::warn!(neighbour.domain = %self.name, error = %why, "the link is down");
            health.down = Some(why);
        }
    }

    fn go_up(self: &Arc<Self>, node: &Arc<Node>) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = LinkHealth {
            down: None,
            since_ms: node.clock.now().unix_ms,
        };
        tracing::info!(neighbour.domain = %self.name, "the link is up");
        self.up.store(true, Ordering::Release);
        node.links.changed(Some(self));
    }

    /// What was handed over and not confirmed is given back, in order, before anything else is taken.
    async fn go_down(self: &Arc<Self>, node: &Arc<Node>, why: String) {
        if !self.is_up() {
            return;
        }
        self.losing.store(true, Ordering::Release);
        self.up.store(false, Ordering::Release);
        tracing::warn!(neighbour.domain = %self.name, error = %why, "the link is down");
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = LinkHealth {
            down: Some(why),
            since_ms: node.clock.now().unix_ms,
        };
        self.outbox().begin_epoch();
        self.unconfirmed.store(0, Ordering::Relaxed);
        node.links.lose(self);
        for (_, router) in node.routers.all() {
            let _ = router.send(RouterMail::LinkLost(Arc::clone(self))).await;
        }
        self.losing.store(false, Ordering::Release);
        node.links.changed(None);
        self.room.notify_one();
    }

    /// Sends what is collected until the link is lost.
    async fn serve(&self, node: &Arc<Node>, events: &mut mpsc::UnboundedReceiver<Option<String>>) -> End {
        let mut pace = Pace::new(Instant::now());
        let mut under_way: FuturesUnordered<BoxFuture<'static, Sent>> = FuturesUnordered::new();
        let mut probes = tokio::time::interval(PROBE_EVERY);
        probes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut probed_at = Instant::now();
        loop {
            self.hand_over(&mut pace, &under_way);
            let is_silent = !under_way.is_empty();
            let held_until = self.outbox().held_until().filter(|_| pace.has_room());
            tokio::select! {
                Some(sent) = under_way.next() => {
                    if let Some(end) = self.note_sent(node, sent, &mut pace).await {
                        return end;
                    }
                }
                () = self.work.notified(), if pace.has_room() => {}
                () = until(held_until), if held_until.is_some() => {}
                _ = probes.tick() => {
                    // A machine that has no time for this task has none for confirmations either.
                    pace.excuse(probed_at.elapsed().saturating_sub(2 * PROBE_EVERY));
                    probed_at = Instant::now();
                    if !under_way.is_empty() {
                        continue;
                    }
                    let probe = Batch { way: LinkWay::Probe, payload: Bytes::new(), tickets: Vec::new(), traced: Vec::new() };
                    under_way.push(self.send(probe, &mut pace));
                }
                event = events.recv() => match event {
                    Some(None) => {}
                    Some(Some(why)) => return End::Lost(why),
                    None => return End::Lost("the link has ended".into()),
                },
                () = tokio::time::sleep_until(pace.silent_at()), if is_silent => {
                    self.link.reset();
                    return End::Lost("the neighbour's broker does not answer".into());
                }
            }
        }
    }

    fn hand_over(&self, pace: &mut Pace, under_way: &FuturesUnordered<BoxFuture<'static, Sent>>) {
        while pace.has_room() {
            let next = {
                let mut outbox = self.outbox();
                outbox.batch_bytes = pace.batch_bytes(BATCH_BYTES);
                let now = Instant::now();
                let next = outbox.next_fast(now).or_else(|| outbox.next_reliable(now));
                if let Some(batch) = &next
                    && matches!(batch.way, LinkWay::Reliable(_))
                {
                    self.unconfirmed.fetch_add(batch.payload.len(), Ordering::Relaxed);
                }
                next
            };
            let Some(batch) = next else { return };
            under_way.push(self.send(batch, pace));
        }
    }

    fn send(&self, batch: Batch, pace: &mut Pace) -> BoxFuture<'static, Sent> {
        let Batch {
            way,
            payload,
            tickets,
            traced,
        } = batch;
        let (bytes, at) = (payload.len(), Instant::now());
        pace.sent(bytes, at);
        let sending = self.link.send(way, payload);
        Box::pin(async move {
            Sent {
                outcome: sending.await,
                way,
                tickets,
                traced,
                bytes,
                at,
            }
        })
    }

    async fn note_sent(&self, node: &Arc<Node>, sent: Sent, pace: &mut Pace) -> Option<End> {
        match sent.outcome {
            Ok(()) => {}
            // FAST may be lost.
            Err(LinkError::Full(_)) if sent.tickets.is_empty() => {}
            Err(LinkError::Full(why)) => return Some(End::Full(why)),
            Err(error) => return Some(End::Lost(error.to_string())),
        }
        pace.confirmed(sent.bytes, sent.at, Instant::now());
        self.outbox().confirmed(sent.way);
        if sent.outcome.is_ok() {
            let tell = |carried| node.tracer.sent_by_link(carried, &self.name);
            sent.traced.iter().for_each(tell);
        }
        if sent.tickets.is_empty() {
            return None;
        }
        self.unconfirmed.fetch_sub(sent.bytes, Ordering::Relaxed);
        self.room.notify_one();
        let mut by_shard: HashMap<u16, Vec<Ticket>> = HashMap::new();
        for ticket in sent.tickets {
            by_shard.entry(ticket.shard).or_default().push(ticket);
        }
        for (shard, tickets) in by_shard {
            // One that has ended has surrendered its messages, and they are handed over again.
            if let Some(router) = node.routers.recipient(shard) {
                let _ = router.send(RouterMail::Forwarded(tickets)).await;
            }
        }
        None
    }
}

impl Hop for Neighbour {
    fn id(&self) -> SessionId {
        self.id
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    fn load(&self) -> usize {
        self.outbox().waiting_bytes() + self.unconfirmed.load(Ordering::Relaxed)
    }

    async fn room(&self) {
        self.room.notified().await;
    }
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}

impl std::fmt::Debug for Neighbour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "link to {}", self.name)
    }
}
