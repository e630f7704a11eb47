//! Hands messages to the application for as long as the node runs: each sender's in order, those that were not taken again.
//!
//! The application is *away* when its connection is, or when several messages in a row were not taken. Then all that it has not taken goes back to custody, and with that to the store, until
//! it is tried again. A single message that is not taken holds up its sender alone (`feeding`). What becomes of each is in `settling`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use linker_core::envelope::Kind;
use linker_core::id::UserId;
use linker_core::port::{Store, UpstreamError, UpstreamMessage, UpstreamSink, UpstreamWatcher};
use linker_core::upstream::{Aside, LaneKey, Lanes, Next, body, topic_of};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::feeding::{Fed, fed_at_once};
use super::metering::UpstreamOutcome;
use super::outlet::{Item, UpstreamOutlet};
use super::settling::{Words, panicked};
use super::trials::Trials;
use crate::node::Node;
use crate::router::RouterMail;
use crate::runtime::guard;
use crate::runtime::ids::{IdSource, random_u64};

/// How long one that is away is left alone; twice as long each time, and between half of it and all of it by chance.
pub(super) const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// What health says until one is taken.
const TRIED_AGAIN: &str = "it was away and is tried again with the next messages";

struct Watcher(mpsc::UnboundedSender<Option<String>>);

impl UpstreamWatcher for Watcher {
    fn connection(&self, lost: Option<String>) {
        // Told once a change: what has not been looked at is a handful.
        let _ = self.0.send(lost);
    }
}

/// What became of one.
pub(super) struct Sent {
    pub(super) key: LaneKey,
    pub(super) number: u64,
    pub(super) outcome: Result<(), UpstreamError>,
}

/// Why nothing is handed over any more.
enum End {
    Away(String),
    Stopped,
}

pub(super) struct Dispatcher {
    pub(super) node: Arc<Node>,
    pub(super) store: Arc<dyn Store>,
    sink: Arc<dyn UpstreamSink>,
    pub(super) outlet: Arc<UpstreamOutlet>,
    pub(super) lanes: Lanes<Item>,
    pub(super) under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    pub(super) trials: Trials,
    pub(super) pause: Duration,
    pub(super) ids: IdSource,
    pub(super) words: Words,
    told_away: bool,
    /// When one that was not taken was last logged as a warning.
    pub(super) warned_at: Option<Instant>,
    pub(super) aside: Aside,
    pub(super) feeding: FuturesUnordered<BoxFuture<'static, Fed>>,
    /// Since when somebody who is set aside may wait for what waits for everybody's way.
    pub(super) held_since: Option<Duration>,
    found: mpsc::Receiver<Vec<UserId>>,
}

impl Dispatcher {
    /// `found`: senders who are to be set aside, told once at least.
    pub(super) fn new(
        node: &Arc<Node>,
        store: &Arc<dyn Store>,
        sink: Arc<dyn UpstreamSink>,
        found: mpsc::Receiver<Vec<UserId>>,
    ) -> Self {
        let pace = sink.pace();
        Self {
            lanes: Lanes::new(pace),
            outlet: Arc::clone(&node.upstream.outlet),
            node: Arc::clone(node),
            store: Arc::clone(store),
            sink,
            under_way: FuturesUnordered::new(),
            trials: Trials::new(),
            pause: PAUSE_FIRST,
            ids: IdSource::new(),
            words: Words::default(),
            told_away: false,
            warned_at: None,
            aside: Aside::new(fed_at_once(pace.at_once)),
            feeding: FuturesUnordered::new(),
            held_since: None,
            found,
        }
    }

    /// Until the node stops.
    pub(super) async fn run(mut self) {
        let (told, mut events) = mpsc::unbounded_channel();
        // A sink without a connection tells once, and keeps no watcher: the channel is to live all the same.
        let _told = told.clone();
        self.sink.open(Arc::new(Watcher(told)));
        self.node.set_check("upstream", None);
        self.node
            .set_note("upstream", Some("it is not connected yet".into()));
        let mut stop = self.node.upstream.stop.subscribe();
        // Before anything is handed over: it may have to wait behind what is in the store.
        tokio::select! {
            Some(found) = self.found.recv() => self.find_aside(found),
            () = stopped(&mut stop) => {}
        }
        let mut connected = false;
        let mut resume_at = Instant::now();
        while self
            .comes_up(&mut events, &mut connected, resume_at, &mut stop)
            .await
        {
            self.go_up();
            let end = self.serve(&mut events, &mut connected, &mut stop).await;
            self.tell_routers().await;
            match end {
                End::Stopped => break,
                End::Away(why) => {
                    self.go_down(&why).await;
                    let chance = 0.5 + random_u64() as f64 / u64::MAX as f64 / 2.0;
                    resume_at = Instant::now() + self.pause.mul_f64(chance);
                    self.pause = (self.pause * 2).min(PAUSE_LONGEST);
                    self.trials.doubt();
                }
            }
        }
        self.go_down("the node stops").await;
    }

    /// Until it is there and has been left alone for long enough. False when the node stops.
    async fn comes_up(
        &mut self,
        events: &mut mpsc::UnboundedReceiver<Option<String>>,
        connected: &mut bool,
        resume_at: Instant,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        loop {
            if *connected && resume_at <= Instant::now() {
                return true;
            }
            tokio::select! {
                event = events.recv() => match event {
                    Some(None) => {
                        *connected = true;
                        self.trials.trust();
                    }
                    Some(Some(why)) => {
                        *connected = false;
                        self.tell_away(&why);
                    }
                    None => return false,
                },
                () = tokio::time::sleep_until(resume_at), if *connected => {}
                () = stopped(stop) => return false,
            }
        }
    }

    fn go_up(&mut self) {
        self.trials.begin();
        self.outlet.go_up();
        self.node.upstream.way.set_hop(Some(Arc::clone(&self.outlet)));
        match self.trials.is_trying() {
            true => self.node.set_note("upstream", Some(TRIED_AGAIN.into())),
            false => self.tell_there(),
        }
    }

    pub(super) fn tell_there(&mut self) {
        self.told_away = false;
        self.node.set_note("upstream", None);
        self.node.upstream.show(true);
        tracing::info!("messages are handed to the application");
    }

    pub(super) fn tell_away(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told_away, true) {
            tracing::warn!(error = %why, "the application is away; messages to it wait in the store");
        }
        self.node
            .set_note("upstream", Some(format!("away, messages wait: {why}")));
        self.node.upstream.show(false);
    }

    /// What was handed over and not taken is given back, in order, before anything else is taken.
    async fn go_down(&mut self, why: &str) {
        self.tell_away(why);
        self.stop_feeding();
        self.node.upstream.way.set_hop(None);
        let unseen = self.outlet.go_down();
        self.under_way = FuturesUnordered::new();
        for item in self.lanes.clear().into_iter().chain(unseen) {
            self.outlet.settled(&item);
            if item.ticket.is_none() {
                self.node.upstream.count(&item.envelope, UpstreamOutcome::Dropped);
            }
        }
        for (_, router) in self.node.routers.all() {
            let _ = router
                .send(RouterMail::UpstreamLost(Arc::clone(&self.outlet)))
                .await;
        }
    }

    async fn serve(
        &mut self,
        events: &mut mpsc::UnboundedReceiver<Option<String>>,
        connected: &mut bool,
        stop: &mut watch::Receiver<bool>,
    ) -> End {
        while let Ok(found) = self.found.try_recv() {
            self.find_aside(found);
        }
        loop {
            self.hand_over();
            self.tell_routers().await;
            let now = self.node.clock.now().elapsed;
            let due = [self.lanes.deadline(), self.feed_at(now)]
                .into_iter()
                .flatten()
                .min();
            let due = due.map(|at| self.node.clock.instant(at));
            let outlet = Arc::clone(&self.outlet);
            tokio::select! {
                Some(sent) = self.under_way.next() => {
                    if let Some(why) = self.settle(sent) {
                        return End::Away(why);
                    }
                }
                Some(fed) = self.feeding.next() => self.fed(fed),
                Some(found) = self.found.recv() => self.find_aside(found),
                () = outlet.work() => {}
                () = until(due), if due.is_some() => {}
                event = events.recv() => match event {
                    Some(None) => *connected = true,
                    Some(Some(why)) => {
                        *connected = false;
                        return End::Away(why);
                    }
                    None => return End::Away("it has ended".into()),
                },
                () = stopped(stop) => return End::Stopped,
            }
        }
    }

    fn hand_over(&mut self) {
        for item in self.outlet.take() {
            if self.is_late(&item) {
                self.give_back(&item);
                continue;
            }
            let key = (item.envelope.from, item.envelope.feature);
            self.lanes.push(key, item.envelope.id, item.envelope.cost(), item);
        }
        let now = self.node.clock.now().elapsed;
        self.make_room(now);
        self.feed(now);
        while let Some(next) = self.lanes.next(self.trials.at_once(), now) {
            let sending = self.send(next);
            self.under_way.push(sending);
        }
    }

    fn send(&self, next: Next<Item>) -> BoxFuture<'static, Sent> {
        let Next { key, number, item } = next;
        let envelope = &*item.envelope;
        let domain = self.node.directory().own_domain().clone();
        let made = topic_of(envelope).zip(body(envelope, &domain, &self.node.me.name));
        let message = made.map(|(topic, body)| UpstreamMessage {
            id: envelope.id,
            topic,
            from: envelope.from,
            is_event: envelope.kind == Kind::UpstreamEvent,
            feature: envelope.feature,
            timestamp_ms: envelope.timestamp_ms,
            reference: envelope.reference.clone(),
            body,
        });
        // Called at once, and polled in the order of the calls: what keeps the order is the sink.
        let sending = message.map(|message| guard::catch("upstream", || self.sink.send(Arc::new(message))));
        Box::pin(async move {
            let outcome = match sending {
                // It may be the host's: its panics are the message's, and not everybody's.
                Some(Some(sending)) => match AssertUnwindSafe(sending).catch_unwind().await {
                    Ok(outcome) => outcome,
                    Err(_) => Err(panicked()),
                },
                Some(None) => Err(panicked()),
                None => Err(UpstreamError::Refused("it cannot be read".into())),
            };
            Sent { key, number, outcome }
        })
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
