//! Talking to a node from the host's own code, on any tokio runtime.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use actix::Recipient;
use bytes::Bytes;
use linker_core::code::{CloseCode, ErrorCode, FrameError};
use linker_core::custody::{Origin, Settlement, Submission};
use linker_core::directory::{Directory, Home};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, NodeName, UserId};
use linker_core::port::{CountRequest, Presence, PresenceError, Store, StoreError};
use linker_core::trace::TraceContext;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::config::NodeConfig;
use crate::error::{ConfigError, SendError, SetDirectoryError};
use crate::graph;
use crate::node::Node;
use crate::router::RouterMail;
use crate::runtime::ids::IdSource;
use crate::session::Arriving;
use crate::session::WAITS;
use crate::trace::About;

/// A message from the host to a user.
#[derive(Debug, Clone)]
pub struct Outgoing {
    from: Option<UserId>,
    feature: Feature,
    reference: Option<Box<str>>,
    confirm: bool,
    caller: Option<TraceContext>,
    content: Bytes,
}

impl Outgoing {
    /// A RELIABLE message with this content, in the name of the master of the recipient's app.
    ///
    /// # Errors
    /// [`SendError::Content`] when the content cannot be written as JSON.
    pub fn new(content: &impl Serialize) -> Result<Self, SendError> {
        let content = serde_json::to_vec(content).map_err(|error| SendError::Content(error.to_string()))?;
        Ok(Self {
            from: None,
            feature: Feature::Reliable,
            reference: None,
            confirm: true,
            caller: None,
            content: content.into(),
        })
    }

    /// In this user's name.
    #[must_use]
    pub fn from_user(mut self, from: UserId) -> Self {
        self.from = Some(from);
        self
    }

    /// FAST: in memory only, at most once.
    #[must_use]
    pub fn fast(mut self) -> Self {
        self.feature = Feature::Fast;
        self
    }

    /// With a reference, by which the sender's clients get a confirmation and repetitions are recognised. 1 to 256 bytes.
    #[must_use]
    pub fn with_reference(mut self, reference: &str) -> Self {
        self.reference = Some(reference.into());
        self
    }

    /// Within a trace of the caller's own: where that is sampled, the message is traced too, as long as any message is, and the two traces name each other.
    #[must_use]
    pub fn traced_by(mut self, caller: TraceContext) -> Self {
        self.caller = Some(caller);
        self
    }

    /// The sender's clients get no confirmation, though it has a reference.
    #[must_use]
    pub fn without_confirmation(mut self) -> Self {
        self.confirm = false;
        self
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendState {
    /// Delivery was proven; of a FAST message: it was handed to a session.
    Delivered,
    /// It is safe in the store.
    Stored,
    /// The next domain on its way has it, and answers for it; of a FAST message: it was handed to a link.
    Forwarded,
    /// FAST, and nobody was there.
    Dropped,
}

/// A message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its id; under a repetition, that of the first.
    pub id: MessageId,
    /// What became of it.
    pub state: SendState,
}

/// Something that happened on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A user's first session.
    UserConnected(UserId),
    /// A user's last session has ended.
    UserDisconnected(UserId),
    /// A message sent here is in the store.
    MessageStored(MessageId),
    /// A message sent here was delivered.
    MessageDelivered(MessageId),
}

/// A stream of [`Event`]s.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` when the node has stopped. A subscriber that is more than 1024 events late misses the oldest.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// How a node does, part by part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Part by part: `None` when it is well, else a sentence.
    pub checks: BTreeMap<&'static str, Option<String>>,
    /// What is odd about parts that do their work all the same.
    pub notes: BTreeMap<&'static str, String>,
}

impl Health {
    /// Whether all is well.
    pub fn is_ready(&self) -> bool {
        self.checks.values().all(Option::is_none)
    }
}

/// A running node. Cheap to clone; works from any tokio runtime.
#[derive(Clone)]
pub struct LinkerHandle {
    inner: Arc<Inner>,
}

/// A handle that does not keep a stopped node in memory.
#[derive(Clone)]
pub(crate) struct WeakHandle(std::sync::Weak<Inner>);

impl WeakHandle {
    pub(crate) fn upgrade(&self) -> Option<LinkerHandle> {
        Some(LinkerHandle {
            inner: self.0.upgrade()?,
        })
    }
}

pub(crate) struct Inner {
    pub(crate) node: Arc<Node>,
    router: Recipient<RouterMail>,
    presence: Arc<dyn Presence>,
    store: Arc<dyn Store>,
    ids: std::sync::Mutex<IdSource>,
}

impl LinkerHandle {
    pub(crate) fn new(
        node: Arc<Node>,
        router: Recipient<RouterMail>,
        presence: Arc<dyn Presence>,
        store: Arc<dyn Store>,
    ) -> Self {
        let ids = std::sync::Mutex::new(IdSource::new());
        Self {
            inner: Arc::new(Inner {
                node,
                router,
                presence,
                store,
                ids,
            }),
        }
    }

    pub(crate) fn downgrade(&self) -> WeakHandle {
        WeakHandle(Arc::downgrade(&self.inner))
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.inner.node
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store)
    }

    /// The node's name in its domain.
    pub fn node_name(&self) -> &NodeName {
        &self.inner.node.me.name
    }

    /// The domain the node is in.
    pub fn domain_name(&self) -> linker_core::id::DomainName {
        self.inner.node.directory().own_domain().clone()
    }

    /// The longest frame that a client may send, in bytes ([`crate::NodeConfig::max_frame_bytes`]).
    pub fn max_frame_bytes(&self) -> usize {
        self.inner.node.config().max_frame_bytes
    }

    /// Whether pages of the `Origin` in these headers may come, as at the WebSocket's handshake ([`crate::NodeConfig::allowed_origins`]); where there is none, they may.
    pub fn allows_origin(&self, headers: &actix_http::header::HeaderMap) -> bool {
        self.inner.node.admission.origin_allowed(headers)
    }

    /// Sends a message and waits until it is safe: in the store, or proven to be delivered.
    ///
    /// # Errors
    /// [`SendError::Refused`] for what a client would be refused for, and `INBOX_FULL`; the others name themselves.
    pub async fn send(&self, to: UserId, message: Outgoing) -> Result<Receipt, SendError> {
        self.submit(to, message, Kind::Message).await
    }

    /// Sends the same message to each of `to`, as those of a group: no confirmation, no repetition recognised. Answers for each in the order given.
    pub async fn send_to_many(&self, to: &[UserId], message: &Outgoing) -> Vec<Result<Receipt, SendError>> {
        self.send_all(to, message, Kind::GroupMessage).await
    }

    /// As [`LinkerHandle::send`] to each of `to`.
    pub(crate) async fn send_each(
        &self,
        to: &[UserId],
        message: &Outgoing,
    ) -> Vec<Result<Receipt, SendError>> {
        self.send_all(to, message, Kind::Message).await
    }

    async fn send_all(
        &self,
        to: &[UserId],
        message: &Outgoing,
        kind: Kind,
    ) -> Vec<Result<Receipt, SendError>> {
        /// Messages under way at once.
        const UNDER_WAY_MAX: usize = 256;
        let mut answers = Vec::with_capacity(to.len());
        for some in to.chunks(UNDER_WAY_MAX) {
            let sends = some.iter().map(|user| self.submit(*user, message.clone(), kind));
            answers.extend(futures_util::future::join_all(sends).await);
        }
        answers
    }

    async fn submit(&self, to: UserId, message: Outgoing, kind: Kind) -> Result<Receipt, SendError> {
        let node = &self.inner.node;
        let from = self.checked_sender(&to, &message)?;
        let now = node.clock.now();
        let mut id = self
            .inner
            .ids
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next(now.unix_ms);
        let caller = message.caller.filter(|caller| caller.is_sampled);
        if caller.is_some() {
            id = node.tracer.sampling().like(id);
        }
        // A confirmation is for clients, and only where they gave their own reference to be told by.
        let confirm =
            kind == Kind::Message && message.confirm && message.from.is_some() && message.reference.is_some();
        let envelope = Envelope {
            id,
            kind,
            feature: message.feature,
            from,
            to,
            reference: message.reference,
            confirm: confirm && node.config().session.confirmation_enabled,
            timestamp_ms: now.unix_ms,
            content: message.content,
            trail: None,
        };
        let traced = node.tracer.takes(&id).then(|| About::of(&envelope));
        let (call, told) = node.calls.begin();
        let forget = ForgetCall { node, call };
        let submission = Submission {
            envelope,
            origin: Origin::Call(call),
            accepted: false,
        };
        let sent = self
            .inner
            .router
            .send(RouterMail::Submit(Box::new(submission)))
            .await;
        sent.map_err(|_| SendError::Stopping)?;
        let (sent_id, (id, settlement)) = (id, told.await.map_err(|_| SendError::Stopping)?);
        drop(forget);
        if let Some(about) = traced {
            node.tracer
                .called(sent_id, about, settlement.name(), now.elapsed, caller);
        }
        let state = match settlement {
            Settlement::Delivered => SendState::Delivered,
            Settlement::Repeated => {
                let unknown =
                    "what became of the first message of this reference is not known; send again later";
                return Err(SendError::Refused(FrameError::new(
                    ErrorCode::Unavailable,
                    unknown,
                )));
            }
            Settlement::Stored => SendState::Stored,
            Settlement::Forwarded => SendState::Forwarded,
            Settlement::Dropped => SendState::Dropped,
            Settlement::Refused(error) => return Err(SendError::Refused(error)),
        };
        Ok(Receipt { id, state })
    }

    fn checked_sender(&self, to: &UserId, message: &Outgoing) -> Result<UserId, SendError> {
        use linker_core::limit::REFERENCE_LEN_MAX;
        let directory = self.inner.node.directory();
        if self.inner.node.admission.is_waiting() {
            return Err(SendError::Refused(FrameError::new(ErrorCode::Unavailable, WAITS)));
        }
        if let Some(reference) = &message.reference
            && (reference.is_empty() || reference.len() > REFERENCE_LEN_MAX)
        {
            return Err(SendError::Refused(FrameError::field(
                "reference",
                "must have 1 to 256 bytes",
            )));
        }
        let master = || directory.app_of(to.app()).map(|app| app.master);
        let from = match (message.from, master()) {
            (Some(from), _) => {
                directory.check_sender(&from).map_err(SendError::Refused)?;
                from
            }
            (None, Some(Some(master))) => master,
            (None, Some(None)) => return Err(SendError::NoSender(*to)),
            // Refused below, as the unknown user it is.
            (None, None) => *to,
        };
        match directory.check_recipient(&from, to) {
            Ok(Home::Here | Home::Away { .. }) => Ok(from),
            Err(error) => Err(SendError::Refused(FrameError::new(
                ErrorCode::from(&error),
                format!("{to}: {error}"),
            ))),
        }
    }

    /// Whether a user has a session anywhere in the domain.
    pub async fn is_online(&self, user: UserId) -> bool {
        let presence = Arc::clone(&self.inner.presence);
        let asked = self
            .inner
            .node
            .backend
            .spawn(async move { presence.lookup(vec![user]).await });
        matches!(asked.await, Ok(Ok(sessions)) if sessions.first().is_some_and(|sessions| !sessions.is_empty()))
    }

    /// Closes all sessions of a user with 4010, on all nodes; answers how many there were.
    ///
    /// # Errors
    /// [`PresenceError`] when nobody can tell where else the user is; the sessions of this node are closed.
    pub async fn close(&self, user: &UserId) -> Result<usize, PresenceError> {
        let here = self.inner.node.close_user(user, CloseCode::ClosedByMaster);
        if self.inner.node.cluster.is_none() {
            return Ok(here);
        }
        let (node, user) = (Arc::clone(&self.inner.node), *user);
        let elsewhere = node
            .backend
            .clone()
            .spawn(async move { node.try_close_elsewhere(user, CloseCode::ClosedByMaster).await });
        let elsewhere = elsewhere
            .await
            .unwrap_or_else(|error| Err(PresenceError::Away(error.to_string())))?;
        Ok(here + elsewhere)
    }

    /// How many messages wait for a user.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be asked.
    pub async fn missing(&self, user: UserId) -> Result<u64, StoreError> {
        let store = Arc::clone(&self.inner.store);
        let except = self.inner.node.custody.claims().of(&user);
        let asked = self
            .inner
            .node
            .backend
            .spawn(async move { store.count(vec![CountRequest { user, except }]).await });
        let counts = asked
            .await
            .map_err(|error| StoreError::Away(error.to_string()))??;
        Ok(counts.first().copied().unwrap_or_default())
    }

    pub(crate) async fn close_store(&self) {
        let store = Arc::clone(&self.inner.store);
        // A runtime that is gone has closed it.
        let _ = self
            .inner
            .node
            .backend
            .spawn(async move { store.close().await })
            .await;
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> Events {
        Events(self.inner.node.subscribe())
    }

    /// Sessions of this node.
    pub fn sessions(&self) -> usize {
        self.inner.node.sessions.len()
    }

    /// The domains of the network and the links between them, as this node knows them.
    pub fn domains(&self) -> Vec<crate::links::DomainReport> {
        let node = &self.inner.node;
        node.links.report(&node.directory())
    }

    /// How the node does.
    pub fn health(&self) -> Health {
        Health {
            checks: self.inner.node.checks(),
            notes: self.inner.node.notes(),
        }
    }

    /// Works with other apps, users and domains from now on. Sessions that could not log in again (their app is gone, or has another id or another way to
    /// log in; their user lives in another domain) are closed with 1001: their clients come back and are told why, and where to go.
    ///
    /// # Errors
    /// [`SetDirectoryError`]; the former directory stays.
    pub async fn set_directory(&self, directory: Directory) -> Result<(), SetDirectoryError> {
        let node = &self.inner.node;
        let authenticators = graph::prepare(&node.authenticators, directory.apps()).await?;
        graph::put_in_force(node, directory, authenticators).await
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<NodeConfig> {
        Arc::clone(&self.inner.node.config())
    }

    /// Puts other settings in force while the node runs; answers when all of its threads have them.
    ///
    /// Sessions that are there go by them too, from what they do next on, but for `session.max_unproven_bytes`, which is that of their login. `commit_window`,
    /// `dedupe_window` and the retention stay what they were. Nobody who is connected is sent away: not for an origin that is allowed no more, nor for being one
    /// too many by a new limit.
    ///
    /// # Errors
    /// [`ConfigError`] when a setting makes no sense: then nothing is changed.
    pub async fn set_config(&self, config: NodeConfig) -> Result<(), ConfigError> {
        config.check()?;
        let node = &self.inner.node;
        let config = node.configure(config);
        self.inner.presence.limit_sessions(config.sessions_per_user);
        for (_, router) in node.routers.all() {
            // One that has ended has no sessions.
            let _ = router.send(RouterMail::Configure).await;
        }
        Ok(())
    }

    /// Counts a connection that has not asked for anything yet among those of its address ([`NodeConfig::max_connections_per_address`]) until the answer is
    /// dropped, for a host that does something before HTTP begins, such as TLS. None when there are too many already.
    pub fn arriving(&self, address: IpAddr) -> Option<Arriving> {
        self.inner.node.admission.arrive(address)
    }

    /// Brings the gauges of `/metrics` up to date; called before they are read.
    pub async fn refresh_gauges(&self) {
        let node = &self.inner.node;
        let (presence, own) = (Arc::clone(&self.inner.presence), node.me.clone());
        let asked = node.backend.spawn(async move { presence.entries(&own).await });
        let entries = asked.await.ok().and_then(Result::ok).unwrap_or_default();
        let pending = node
            .custody
            .pending_messages
            .load(std::sync::atomic::Ordering::Relaxed);
        let claims = node.custody.claims().len();
        node.metrics.gauges(node.sessions.len(), entries, pending, claims);
        for (part, wrong) in node.checks() {
            node.metrics.check(part, wrong.is_none());
        }
    }
}

/// Forgets a call whose caller stopped waiting.
struct ForgetCall<'a> {
    node: &'a Node,
    call: u64,
}

impl Drop for ForgetCall<'_> {
    fn drop(&mut self) {
        self.node.calls.forget(self.call);
    }
}
