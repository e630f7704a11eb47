//! What all parts of a node share.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix::Recipient;
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use linker_core::code::CloseCode;
use linker_core::custody::{CustodyShared, Settlement};
use linker_core::directory::Directory;
use linker_core::id::{MessageId, NodeInstance, SessionId, UserId};
use linker_core::message_type::MessageTypes;
use linker_core::port::PresenceError;
use tokio::sync::{broadcast, oneshot};

use crate::authenticators::Authenticators;
use crate::cluster::Cluster;
use crate::config::NodeConfig;
use crate::graph::Publish;
use crate::handle::Event;
use crate::links::Links;
use crate::load::{Meter, Probe, Trouble};
use crate::metrics::Metrics;
use crate::presence::PresenceMail;
use crate::router::Routers;
use crate::runtime::clock::Clock;
use crate::session::{Admission, FetchTurns, SessionEntry, SessionTable, ToSession};
use crate::shared_limits::SharedRates;
use crate::store::StoreMail;
use crate::trace::Tracer;
use crate::upstream::Upstream;

pub(crate) struct Node {
    /// Tells nodes of one process apart.
    pub(crate) instance: u64,
    pub(crate) me: NodeInstance,
    /// When it started, ms since the epoch.
    pub(crate) since_ms: u64,
    /// Where its clients connect to.
    pub(crate) url: String,
    /// The other nodes of the domain, where there can be some.
    pub(crate) cluster: Option<Cluster>,
    /// Other domains.
    pub(crate) links: Links,
    /// The application behind this domain.
    pub(crate) upstream: Upstream,
    /// Nobody more comes in.
    pub(crate) draining: Arc<AtomicBool>,
    config: ArcSwap<NodeConfig>,
    pub(crate) shared_rates: SharedRates,
    pub(crate) clock: Clock,
    pub(crate) types: MessageTypes,
    directory: ArcSwap<Directory>,
    pub(crate) authenticators: Arc<Authenticators>,
    pub(crate) custody: Arc<CustodyShared>,
    pub(crate) sessions: SessionTable,
    pub(crate) routers: Routers,
    pub(crate) fetch_turns: FetchTurns,
    pub(crate) admission: Arc<Admission>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tracer: Tracer,
    pub(crate) calls: Calls,
    /// Tells how the node does.
    pub(crate) meter: Meter,
    /// Tells the one who works on pushes.
    pub(crate) pushes: crate::pushes::Wake,
    /// Makes and believes tokens.
    #[cfg(feature = "auth")]
    pub(crate) tokens: OnceLock<Arc<crate::logins::SessionTokens>>,
    /// Where backends live: their connections, the authenticators, the host's handlers.
    pub(crate) backend: tokio::runtime::Handle,
    pub(crate) store: OnceLock<Recipient<StoreMail>>,
    pub(crate) presence: OnceLock<Recipient<PresenceMail>>,
    pub(crate) graph: OnceLock<Recipient<Publish>>,
    /// Gone once the node has stopped, so that subscribers learn of it.
    events: ArcSwapOption<broadcast::Sender<Event>>,
    next_session: AtomicU64,
    checks: Mutex<BTreeMap<&'static str, Option<Wrong>>>,
    notes: Mutex<BTreeMap<&'static str, String>>,
}

/// What is wrong with a part.
struct Wrong {
    what: String,
    /// ms since the epoch.
    since_ms: u64,
}

/// What a node is made of.
pub(crate) struct NodeParts {
    pub(crate) me: NodeInstance,
    pub(crate) url: String,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) links: Links,
    pub(crate) upstream: Upstream,
    pub(crate) config: NodeConfig,
    pub(crate) types: MessageTypes,
    pub(crate) directory: Arc<Directory>,
    pub(crate) authenticators: Arc<Authenticators>,
    pub(crate) custody: Arc<CustodyShared>,
    pub(crate) clock: Clock,
    pub(crate) tracer: Tracer,
    pub(crate) backend: tokio::runtime::Handle,
    pub(crate) probe: Option<Probe>,
}

/// What one session may hold of what it is fed while much is pending on the node.
const CROWDED_FEED_BYTES: usize = 64 * 1024;
/// Events that a slow subscriber may be late by.
const EVENTS_KEPT: usize = 1024;

static INSTANCES: AtomicU64 = AtomicU64::new(0);

impl Node {
    pub(crate) fn new(parts: NodeParts) -> Arc<Self> {
        let config = parts.config;
        let shared = parts.cluster.is_some();
        Arc::new(Self {
            instance: INSTANCES.fetch_add(1, Ordering::Relaxed),
            me: parts.me,
            since_ms: parts.clock.now().unix_ms,
            url: parts.url,
            cluster: parts.cluster,
            links: parts.links,
            upstream: parts.upstream,
            draining: Arc::default(),
            clock: parts.clock,
            types: parts.types,
            directory: ArcSwap::new(parts.directory),
            authenticators: parts.authenticators,
            custody: parts.custody,
            sessions: SessionTable::new(),
            routers: Routers::default(),
            fetch_turns: FetchTurns::new(shared),
            admission: Admission::new(&config),
            metrics: Arc::new(Metrics::new()),
            tracer: parts.tracer,
            calls: Calls::default(),
            meter: Meter::new(parts.probe),
            pushes: crate::pushes::Wake::default(),
            #[cfg(feature = "auth")]
            tokens: OnceLock::new(),
            backend: parts.backend,
            store: OnceLock::new(),
            presence: OnceLock::new(),
            graph: OnceLock::new(),
            events: ArcSwapOption::from_pointee(broadcast::channel(EVENTS_KEPT).0),
            next_session: AtomicU64::new(1),
            checks: Mutex::new(BTreeMap::from([
                ("bus", None),
                ("cluster", None),
                ("drain", None),
                ("presence", None),
                ("store", None),
            ])),
            notes: Mutex::default(),
            shared_rates: SharedRates::new(&config),
            config: ArcSwap::from_pointee(config),
        })
    }

    /// The settings in force. Where it has to be fast, [`crate::worker::Worker::config`] has them too.
    pub(crate) fn config(&self) -> Guard<Arc<NodeConfig>> {
        self.config.load()
    }

    /// Puts other settings in force, as far as they can be changed; answers with what came of them.
    pub(crate) fn configure(&self, wanted: NodeConfig) -> Arc<NodeConfig> {
        let config = Arc::new(self.config.load().changed_to(wanted));
        self.admission.configure(&config);
        self.shared_rates.configure(&config);
        self.custody.set_max_pending_bytes(config.max_pending_bytes);
        self.config.store(Arc::clone(&config));
        config
    }

    pub(crate) fn directory(&self) -> Guard<Arc<Directory>> {
        self.directory.load()
    }

    /// Answers with the former one.
    pub(crate) fn set_directory(&self, directory: Arc<Directory>) -> Arc<Directory> {
        self.directory.swap(directory)
    }

    pub(crate) fn next_session_id(&self) -> SessionId {
        SessionId(self.next_session.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn store_is_away(&self) -> bool {
        self.custody.store_away.load(Ordering::Acquire)
    }

    /// So much is pending that senders are to wait before memory runs out.
    pub(crate) fn is_crowded(&self) -> bool {
        let pending = self.custody.pending_bytes.load(Ordering::Relaxed);
        pending > self.custody.max_pending_bytes() / 2
    }

    /// How much of what is fed from the store one session may hold that may have `max_unproven_bytes` unproven: little while the node has much in memory.
    pub(crate) fn feed_bytes(&self, max_unproven_bytes: usize) -> usize {
        let most = max_unproven_bytes / 2;
        match self.is_crowded() {
            true => most.min(CROWDED_FEED_BYTES),
            false => most,
        }
    }

    /// Closes all sessions of a user on this node; answers how many there were.
    pub(crate) fn close_user(&self, user: &UserId, code: CloseCode) -> usize {
        let sessions = self.sessions.of(user);
        for session in &sessions {
            crate::presence::close(session, code);
        }
        sessions.len()
    }

    /// Closes all sessions of a user on other nodes; answers how many there were, as far as presence can tell.
    pub(crate) async fn close_elsewhere(self: &Arc<Self>, user: UserId, code: CloseCode) -> usize {
        self.try_close_elsewhere(user, code).await.unwrap_or_default()
    }

    /// As [`Node::close_elsewhere`], where it matters whether presence can tell.
    pub(crate) async fn try_close_elsewhere(
        self: &Arc<Self>,
        user: UserId,
        code: CloseCode,
    ) -> Result<usize, PresenceError> {
        let Some(cluster) = &self.cluster else {
            return Ok(0);
        };
        let found = cluster.presence.lookup(vec![user]).await?;
        let sessions = found
            .into_iter()
            .flatten()
            .filter(|session| session.node != self.me);
        let sessions: Vec<_> = sessions.collect();
        Cluster::close(self, &sessions, code);
        Ok(sessions.len())
    }

    /// A session that was behind has ended: what was stored for it is another's now, if the user has one.
    pub(crate) fn hint_others(&self, ended: &SessionEntry) {
        for other in self.sessions.of(&ended.user) {
            if other.id != ended.id {
                let _ = other.post(ToSession::Rescan);
            }
        }
        if let Some(cluster) = &self.cluster {
            cluster.rescan(ended.user);
        }
    }

    /// All events from now on; none once the node has stopped.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        match &*self.events.load() {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    pub(crate) fn publish(&self, event: Event) {
        if let Some(events) = &*self.events.load() {
            // Nobody listening is no fault.
            let _ = events.send(event);
        }
    }

    /// The node has stopped: whoever waits for word of it is told that there will be none.
    pub(crate) fn fall_silent(&self) {
        self.events.store(None);
        self.calls.end();
    }

    pub(crate) fn tell_settled(&self, id: MessageId, settlement: &Settlement) {
        let nobody_listens = |events: &Arc<broadcast::Sender<Event>>| events.receiver_count() == 0;
        if self.events.load().as_ref().is_none_or(nobody_listens) {
            return;
        }
        match settlement {
            Settlement::Stored => self.publish(Event::MessageStored(id)),
            Settlement::Delivered => self.publish(Event::MessageDelivered(id)),
            _ => {}
        }
    }

    /// What is wrong with a part of the node; `None`: nothing.
    pub(crate) fn set_check(&self, part: &'static str, wrong: Option<String>) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let former = checks.remove(part).flatten();
        let wrong = wrong.map(|what| Wrong {
            what,
            since_ms: former.map_or_else(|| self.clock.now().unix_ms, |former| former.since_ms),
        });
        checks.insert(part, wrong);
    }

    pub(crate) fn checks(&self) -> BTreeMap<&'static str, Option<String>> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let said = checks
            .iter()
            .map(|(part, wrong)| (*part, wrong.as_ref().map(|wrong| wrong.what.clone())));
        said.collect()
    }

    /// The parts that are not well.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = checks
            .iter()
            .filter_map(|(part, wrong)| Some((*part, wrong.as_ref()?)));
        let trouble = |(part, wrong): (&str, &Wrong)| Trouble {
            part: part.to_owned(),
            what: wrong.what.clone(),
            since_ms: wrong.since_ms,
        };
        wrong.map(trouble).collect()
    }

    /// What is odd about a part that does its work all the same; `None`: nothing.
    pub(crate) fn set_note(&self, part: &'static str, note: Option<String>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        match note {
            Some(note) => drop(notes.insert(part, note)),
            None => drop(notes.remove(part)),
        }
    }

    pub(crate) fn notes(&self) -> BTreeMap<&'static str, String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Waiting = HashMap<u64, oneshot::Sender<(MessageId, Settlement)>>;

/// Calls of the embedder that wait to learn what becomes of their message.
pub(crate) struct Calls {
    next: AtomicU64,
    /// `None` once the node has stopped.
    waiting: Mutex<Option<Waiting>>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(0),
            waiting: Mutex::new(Some(Waiting::new())),
        }
    }
}

impl Calls {
    pub(crate) fn begin(&self) -> (u64, oneshot::Receiver<(MessageId, Settlement)>) {
        let call = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        if let Some(waiting) = &mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) {
            waiting.insert(call, tell);
        }
        (call, told)
    }

    pub(crate) fn answer(&self, call: u64, id: MessageId, settlement: Settlement) {
        if let Some(tell) = self.take(call) {
            // The caller may have stopped waiting.
            let _ = tell.send((id, settlement));
        }
    }

    pub(crate) fn forget(&self, call: u64) {
        drop(self.take(call));
    }

    fn take(&self, call: u64) -> Option<oneshot::Sender<(MessageId, Settlement)>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut()?.remove(&call)
    }

    fn end(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
