//! Hands messages to the application for as long as the node runs: each sender's in order, those that were not taken again.
//!
//! The application is *away* when its connection is, or when several messages in a row were not taken. Then all that it has not taken goes back to custody, and with that to the store, until
//! it is tried again. A single message that is not taken holds up its sender alone.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use linker_core::code::{ErrorCode, FrameError};
use linker_core::custody::{Origin, Submission, Ticket};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::MessageId;
use linker_core::port::{UpstreamError, UpstreamMessage, UpstreamSink, UpstreamWatcher};
use linker_core::upstream::{LaneKey, Lanes, Next, Verdict, body, topic_of};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::UpstreamOutcome;
use super::outlet::{Item, UpstreamOutlet};
use crate::node::Node;
use crate::router::RouterMail;
use crate::runtime::guard;
use crate::runtime::ids::{IdSource, random_u64};

/// So many different messages not taken, and none taken in between nor for a while, and the application counts as away.
const FAILURES_MAX: usize = 3;
const QUIET_MAX: Duration = Duration::from_secs(5);
/// Different messages that an application which was away is tried with before it counts as away again: enough to find one that it takes behind some that it does not.
const TRIED_MAX: usize = 64;
/// How many of those at once.
const TRIED_AT_ONCE: usize = 8;
/// How long one that is away is left alone; twice as long each time, and between half of it and all of it by chance.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);
/// Of messages that are not taken or refused, one is logged as a warning so often; metrics count them all.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// What is settled together.
const SETTLED_MAX: usize = 512;

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
struct Sent {
    key: LaneKey,
    number: u64,
    outcome: Result<(), UpstreamError>,
}

/// What routers are to be told.
#[derive(Default)]
struct Words {
    proven: HashMap<u16, Vec<Ticket>>,
    refused: HashMap<u16, Vec<(Ticket, FrameError)>>,
}

/// Why nothing is handed over any more.
enum End {
    Away(String),
    Stopped,
}

pub(super) struct Dispatcher {
    node: Arc<Node>,
    sink: Arc<dyn UpstreamSink>,
    outlet: Arc<UpstreamOutlet>,
    lanes: Lanes<Item>,
    under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    /// Not taken since something was.
    failing: HashSet<MessageId>,
    /// When something was taken last, or it came up.
    heard_at: Instant,
    /// It was away, and nothing was taken since.
    is_trying: bool,
    pause: Duration,
    ids: IdSource,
    words: Words,
    told_away: bool,
    /// When one that was not taken was last logged as a warning.
    warned_at: Option<Instant>,
}

impl Dispatcher {
    pub(super) fn new(node: &Arc<Node>, sink: Arc<dyn UpstreamSink>) -> Self {
        Self {
            lanes: Lanes::new(sink.pace()),
            outlet: Arc::clone(&node.upstream.outlet),
            node: Arc::clone(node),
            sink,
            under_way: FuturesUnordered::new(),
            failing: HashSet::new(),
            heard_at: Instant::now(),
            is_trying: false,
            pause: PAUSE_FIRST,
            ids: IdSource::new(),
            words: Words::default(),
            told_away: false,
            warned_at: None,
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
                    self.is_trying = true;
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
                        // A connection that is there shows as much as a message that is taken.
                        self.is_trying = false;
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
        self.failing.clear();
        self.heard_at = Instant::now();
        self.outlet.go_up();
        self.node.upstream.way.set_hop(Some(Arc::clone(&self.outlet)));
        match self.is_trying {
            true => self.node.set_note("upstream", Some(TRIED_AGAIN.into())),
            false => self.tell_there(),
        }
    }

    fn tell_there(&mut self) {
        self.told_away = false;
        self.node.set_note("upstream", None);
        self.node.upstream.show(true);
        tracing::info!("messages are handed to the application");
    }

    fn tell_away(&mut self, why: &str) {
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
        loop {
            self.hand_over();
            let due = self.lanes.deadline().map(|at| self.node.clock.instant(at));
            let outlet = Arc::clone(&self.outlet);
            tokio::select! {
                Some(sent) = self.under_way.next() => {
                    let end = self.settle(sent);
                    self.tell_routers().await;
                    if let Some(why) = end {
                        return End::Away(why);
                    }
                }
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
            let key = (item.envelope.from, item.envelope.feature);
            self.lanes.push(key, item.envelope.id, item);
        }
        let at_once = match self.is_trying {
            true => TRIED_AT_ONCE,
            false => usize::MAX,
        };
        let now = self.node.clock.now().elapsed;
        while let Some(next) = self.lanes.next(at_once, now) {
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

    /// This one and all others that are ready. `Some` where the application is away.
    fn settle(&mut self, first: Sent) -> Option<String> {
        let mut away = self.settle_one(first);
        for _ in 0..SETTLED_MAX {
            let Some(Some(sent)) = self.under_way.next().now_or_never() else {
                break;
            };
            let one = self.settle_one(sent);
            away = away.or(one);
        }
        away
    }

    fn settle_one(&mut self, sent: Sent) -> Option<String> {
        let now = self.node.clock.now().elapsed;
        let Sent { key, number, outcome } = sent;
        match outcome {
            Ok(()) => {
                let item = self.lanes.done(key, number, now)?;
                self.is_there();
                self.taken(&item);
                None
            }
            Err(UpstreamError::Refused(why)) => {
                let item = self.lanes.done(key, number, now)?;
                self.is_there();
                self.refused(&item, &why);
                None
            }
            Err(error) => {
                self.node.upstream.count_failure();
                let why = error.to_string();
                if key.1 == Feature::Fast {
                    let item = self.lanes.drop_failed(key, number)?;
                    self.outlet.settled(&item);
                    self.node.upstream.count(&item.envelope, UpstreamOutcome::Dropped);
                } else {
                    let chance = random_u64() as f64 / u64::MAX as f64;
                    let (verdict, item) = self.lanes.failed(key, number, chance, now)?;
                    self.failed(&item, verdict, &why);
                }
                let is_away = matches!(error, UpstreamError::Away(_)) || self.takes_nothing();
                is_away.then_some(why)
            }
        }
    }

    fn failed(&mut self, item: &Item, verdict: Verdict, why: &str) {
        let id = item.envelope.id;
        match verdict {
            Verdict::Again(after) => {
                self.failing.insert(id);
                let user = item.envelope.from;
                match self.may_warn() {
                    true => {
                        tracing::warn!(message.id = %id, user.id = %user, error = %why, again = ?after, "the application has not taken a message; it is handed over again");
                    }
                    false => {
                        tracing::debug!(message.id = %id, user.id = %user, error = %why, again = ?after, "not taken; it is handed over again");
                    }
                }
            }
            Verdict::GiveUp => {
                let why = format!("the application takes others and not this one: {why}");
                self.refused(item, &why);
            }
        }
    }

    /// Not one line a message: what one client sends may be refused as fast as it sends.
    fn may_warn(&mut self) -> bool {
        let may = self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if may {
            self.warned_at = Some(Instant::now());
        }
        may
    }

    /// It is not about single messages.
    fn takes_nothing(&self) -> bool {
        match self.is_trying {
            true => self.failing.len() >= TRIED_MAX,
            false => self.failing.len() >= FAILURES_MAX && self.heard_at.elapsed() >= QUIET_MAX,
        }
    }

    /// It has answered sensibly.
    fn is_there(&mut self) {
        self.failing.clear();
        self.heard_at = Instant::now();
        self.pause = PAUSE_FIRST;
        if std::mem::take(&mut self.is_trying) {
            self.tell_there();
        }
    }

    fn taken(&mut self, item: &Item) {
        self.outlet.settled(item);
        self.node
            .upstream
            .count(&item.envelope, UpstreamOutcome::Delivered);
        match item.ticket {
            Some(ticket) => self.words.proven.entry(ticket.shard).or_default().push(ticket),
            None if item.envelope.confirm => self.confirm_fast(&item.envelope),
            None => {}
        }
    }

    fn refused(&mut self, item: &Item, why: &str) {
        let envelope = &item.envelope;
        match self.may_warn() {
            true => {
                tracing::warn!(message.id = %envelope.id, user.id = %envelope.from, error = %why, "the application refuses a message");
            }
            false => {
                tracing::debug!(message.id = %envelope.id, user.id = %envelope.from, error = %why, "refused");
            }
        }
        self.outlet.settled(item);
        self.node.upstream.count(envelope, UpstreamOutcome::Refused);
        if let Some(ticket) = item.ticket {
            let error = FrameError::new(ErrorCode::Refused, "the application does not take this message");
            let refused = self.words.refused.entry(ticket.shard).or_default();
            refused.push((ticket, error));
        }
    }

    /// Custody has let go of it when it was handed over.
    fn confirm_fast(&mut self, taken: &Envelope) {
        let now_ms = self.node.clock.now().unix_ms;
        let confirmation = Envelope {
            id: self.ids.next(now_ms),
            kind: Kind::Confirmation,
            feature: Feature::Reliable,
            from: taken.to,
            to: taken.from,
            reference: taken.reference.clone(),
            confirm: false,
            timestamp_ms: now_ms,
            content: bytes::Bytes::new(),
            trail: None,
        };
        if let Some(router) = self.node.routers.recipient(0) {
            let submission = Submission {
                envelope: confirmation,
                origin: Origin::Node,
                accepted: false,
            };
            // As its message, it may be lost where there is no room for it.
            let _ = router.try_send(RouterMail::Submit(Box::new(submission)));
        }
    }

    async fn tell_routers(&mut self) {
        let Words { proven, refused } = std::mem::take(&mut self.words);
        let proven = proven
            .into_iter()
            .map(|(shard, tickets)| (shard, RouterMail::Proven(tickets)));
        let refused = refused
            .into_iter()
            .map(|(shard, tickets)| (shard, RouterMail::UpstreamRefused(tickets)));
        for (shard, mail) in proven.chain(refused) {
            // One that has ended has surrendered its messages, and they are handed over again.
            if let Some(router) = self.node.routers.recipient(shard) {
                let _ = router.send(mail).await;
            }
        }
    }
}

fn panicked() -> UpstreamError {
    tracing::error!("what takes messages to the application panicked; the message is handed over again");
    UpstreamError::Failed("it panicked".into())
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
