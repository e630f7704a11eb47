//! The adapter, and what its parts share.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_redis::redis::Client;
use linker_core::id::{NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, Cluster, NodeRecord, Presence, PresenceError, PresenceWatcher, Reconciled, Registered,
    SessionRef, Turn,
};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::bulk::Bulk;
use super::fault;
use super::keys::Keys;
use super::link::Link;
use super::living::Living;
use super::lookup::{self, Ask};
use super::nodes::Own;
use super::open::{RedisOptions, Target};
use super::scripts::Scripts;
use super::tracking;

/// [`Presence`] in Redis. Its tasks end when it is dropped.
pub struct RedisPresence {
    registry: Arc<Registry>,
    asks: mpsc::Sender<Ask>,
    /// Of the runtime on which it was opened.
    runtime: Handle,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    running: Vec<AbortHandle>,
    tracking: bool,
}

/// What all parts of the adapter use.
pub(super) struct Registry {
    pub(super) options: RedisOptions,
    /// As it is now.
    pub(super) sessions_per_user: AtomicUsize,
    pub(super) address: String,
    pub(super) keys: Keys,
    pub(super) scripts: Scripts,
    pub(super) link: Arc<Link>,
    pub(super) bulk: Bulk,
    living: Mutex<Living>,
    own: Mutex<HashMap<NodeInstance, Own>>,
    watchers: Mutex<Vec<Arc<dyn PresenceWatcher>>>,
}

impl RedisPresence {
    /// Whether [`RedisPresence::open`] could take a url; nothing is connected.
    ///
    /// # Errors
    /// [`PresenceError::Refused`], which does not repeat the url.
    pub fn check_url(url: &str) -> Result<(), PresenceError> {
        Target::parse(url).map(drop)
    }

    /// Opens the registry at `redis://` or (TLS) `rediss://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, on this tokio runtime.
    ///
    /// A Redis that cannot be reached is no error: calls answer [`PresenceError::Away`] until it can, see [`RedisPresence::probe`].
    ///
    /// # Errors
    /// [`PresenceError::Refused`] when it will never do: the url is none, or Redis wants another password. The sentence has no part of the url but
    /// host and port.
    pub async fn open(url: &str, options: RedisOptions) -> Result<Self, PresenceError> {
        let target = Target::parse(url)?;
        let call_timeout = options.call_timeout;
        let unusable = |_| PresenceError::Refused(format!("{} cannot be used as a Redis", target.address));
        let client = Client::open(target.info.clone()).map_err(unusable)?;
        let link = Arc::new(Link::new(client, target.address.clone(), call_timeout));
        let registry = Arc::new(Registry {
            keys: Keys::new(options.domain.clone()),
            scripts: Scripts::new(),
            bulk: Bulk::new(target.info, target.address.clone(), call_timeout)?,
            link: Arc::clone(&link),
            address: target.address,
            sessions_per_user: AtomicUsize::new(options.sessions_per_user.max(1)),
            options,
            living: Mutex::default(),
            own: Mutex::default(),
            watchers: Mutex::default(),
        });
        if let Err(refused @ PresenceError::Refused(_)) = Link::open(Arc::downgrade(&link)).await {
            return Err(refused);
        }
        let (asks, asked) = mpsc::channel(lookup::WAITING_MAX);
        let presence = Self {
            registry: Arc::clone(&registry),
            asks,
            runtime: Handle::current(),
            tasks: Mutex::default(),
        };
        let mut tasks = lock(&presence.tasks);
        presence.start(&mut tasks, Link::keep(Arc::downgrade(&link)));
        presence.start(&mut tasks, lookup::answer(registry, asked));
        drop(tasks);
        Ok(presence)
    }

    /// Whether it can be asked now, and if not, why.
    ///
    /// # Errors
    /// What a call would answer.
    pub async fn probe(&self) -> Result<(), PresenceError> {
        self.registry.probe().await
    }

    fn start(&self, tasks: &mut Tasks, task: impl Future<Output = ()> + Send + 'static) {
        tasks.running.push(self.runtime.spawn(task).abort_handle());
    }
}

impl Drop for RedisPresence {
    fn drop(&mut self) {
        for task in &lock(&self.tasks).running {
            task.abort();
        }
    }
}

impl fmt::Debug for RedisPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPresence")
            .field("address", &self.registry.address)
            .field("domain", &self.registry.options.domain)
            .finish_non_exhaustive()
    }
}

impl Registry {
    pub(super) fn living(&self) -> MutexGuard<'_, Living> {
        lock(&self.living)
    }

    pub(super) fn own(&self) -> MutexGuard<'_, HashMap<NodeInstance, Own>> {
        lock(&self.own)
    }

    pub(super) fn tell_changed(&self, users: &[UserId]) {
        let watchers = lock(&self.watchers).clone();
        for watcher in watchers {
            watcher.changed(users.to_vec());
        }
    }

    pub(super) fn tell_all_changed(&self) {
        let watchers = lock(&self.watchers).clone();
        for watcher in watchers {
            watcher.all_changed();
        }
    }
}

/// Nothing is left half-changed while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Presence for RedisPresence {
    fn register(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<Registered>, PresenceError>> {
        Box::pin(self.registry.register(sessions))
    }

    fn limit_sessions(&self, per_user: usize) {
        self.registry
            .sessions_per_user
            .store(per_user.max(1), Ordering::Relaxed);
    }

    fn farewell(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<bool>, PresenceError>> {
        Box::pin(self.registry.farewell(sessions))
    }

    fn lookup(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Vec<SessionRef>>, PresenceError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let silent = || fault::silent(&self.registry.address);
            let asking = async {
                let asked = self.asks.send(Ask { users, answer }).await;
                asked.map_err(|_| silent())?;
                answered.await.unwrap_or_else(|_| Err(silent()))
            };
            let answer = tokio::time::timeout(self.registry.options.call_timeout, asking).await;
            answer.unwrap_or_else(|_| Err(silent()))
        })
    }

    fn entries(&self, node: &NodeInstance) -> BoxFuture<'_, Result<u64, PresenceError>> {
        Box::pin(self.registry.entries(node.clone()))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn join(&self, record: NodeRecord) -> BoxFuture<'_, Result<(), PresenceError>> {
        Box::pin(self.registry.join(record))
    }

    fn beat(&self, record: NodeRecord) -> BoxFuture<'_, Result<Cluster, PresenceError>> {
        Box::pin(self.registry.beat(record))
    }

    fn leave(&self, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>> {
        Box::pin(self.registry.leave(node))
    }

    fn sweep(&self, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, PresenceError>> {
        Box::pin(self.registry.sweep(max))
    }

    fn reconcile(
        &self,
        node: NodeInstance,
        sessions: Vec<SessionRef>,
    ) -> BoxFuture<'_, Result<Reconciled, PresenceError>> {
        Box::pin(self.registry.reconcile(node, sessions))
    }

    fn begin_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<Turn, PresenceError>> {
        Box::pin(self.registry.begin_turn(user, node))
    }

    fn end_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>> {
        Box::pin(self.registry.end_turn(user, node))
    }

    fn secret(&self, proposed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, PresenceError>> {
        Box::pin(self.registry.secret(proposed))
    }

    fn watch(&self, watcher: Arc<dyn PresenceWatcher>) {
        lock(&self.registry.watchers).push(watcher);
        let mut tasks = lock(&self.tasks);
        if !tasks.tracking {
            tasks.tracking = true;
            self.start(&mut tasks, tracking::follow(Arc::clone(&self.registry)));
        }
    }
}
