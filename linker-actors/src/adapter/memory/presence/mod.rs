//! The registry of sessions in the process: of a domain of one node, or of several nodes that run in one process.

mod registry;
mod turns;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linker_core::id::{NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, Cluster, NODE_TIMEOUT, NodeRecord, Presence, PresenceError, PresenceWatcher, Reconciled,
    Registered, SessionRef, Turn,
};

use registry::Registry;

/// [`Presence`] in memory: never away, and gone with the process, as the sessions are.
pub struct MemoryPresence {
    sessions_per_user: AtomicUsize,
    /// `None`: there is but one node, which cannot be dead when it asks.
    node_timeout: Option<Duration>,
    registry: Mutex<Registry>,
    watchers: Mutex<Vec<Arc<dyn PresenceWatcher>>>,
}

/// What the watchers are to be told once the registry is free again.
#[derive(Debug, Default)]
enum Change {
    #[default]
    None,
    Users(Vec<UserId>),
    All,
}

impl MemoryPresence {
    /// An empty registry of one node, in which a user has at most `sessions_per_user` sessions (at least one).
    pub fn new(sessions_per_user: usize) -> Self {
        Self {
            sessions_per_user: AtomicUsize::new(sessions_per_user.max(1)),
            node_timeout: None,
            registry: Mutex::default(),
            watchers: Mutex::default(),
        }
    }

    /// The same for several nodes of this process: each is given a clone of one `Arc`.
    pub fn shared(sessions_per_user: usize) -> Self {
        Self::new(sessions_per_user).with_node_timeout(NODE_TIMEOUT)
    }

    /// Another time than [`NODE_TIMEOUT`] after which a node that does not beat is dead.
    #[must_use]
    pub fn with_node_timeout(mut self, node_timeout: Duration) -> Self {
        self.node_timeout = Some(node_timeout);
        self
    }

    /// From now on `node` is dead, until it beats again.
    #[cfg(feature = "testkit")]
    pub fn lapse(&self, node: &NodeInstance) {
        self.with(|registry, _| (registry.leave(node), Change::None));
    }

    /// Everything is forgotten, as when a service that keeps nothing was restarted.
    #[cfg(feature = "testkit")]
    pub fn clear(&self) {
        self.with(|registry, _| (*registry = Registry::default(), Change::All));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Registry, registry::Alive) -> (T, Change)) -> T {
        let alive = registry::Alive {
            now: Instant::now(),
            timeout: self.node_timeout,
        };
        let (answer, change) = work(&mut self.registry(), alive);
        self.tell(change);
        answer
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // No call leaves the registry half-changed, whatever panicked elsewhere while it was held.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watchers(&self) -> MutexGuard<'_, Vec<Arc<dyn PresenceWatcher>>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, change: Change) {
        let told = match &change {
            Change::None => return,
            Change::Users(users) if users.is_empty() => return,
            _ => self.watchers().clone(),
        };
        for watcher in told {
            match &change {
                Change::Users(users) => watcher.changed(users.clone()),
                Change::None | Change::All => watcher.all_changed(),
            }
        }
    }
}

impl fmt::Debug for MemoryPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPresence")
            .field("sessions_per_user", &self.sessions_per_user)
            .field("node_timeout", &self.node_timeout)
            .finish_non_exhaustive()
    }
}

impl Presence for MemoryPresence {
    fn register(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<Registered>, PresenceError>> {
        Box::pin(async move {
            let users = sessions.iter().map(|session| session.user).collect();
            let limit = self.sessions_per_user.load(Ordering::Relaxed);
            let register = |registry: &mut Registry, alive| {
                let each = sessions.into_iter();
                let answers = each.map(|session| registry.register(session, limit, alive));
                (answers.collect(), Change::Users(users))
            };
            Ok(self.with(register))
        })
    }

    fn limit_sessions(&self, per_user: usize) {
        self.sessions_per_user.store(per_user.max(1), Ordering::Relaxed);
    }

    fn farewell(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<bool>, PresenceError>> {
        Box::pin(async move {
            let users = sessions.iter().map(|session| session.user).collect();
            let farewell = |registry: &mut Registry, _| {
                let last = sessions.iter().map(|session| registry.remove(session).last);
                (last.collect(), Change::Users(users))
            };
            Ok(self.with(farewell))
        })
    }

    fn lookup(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Vec<SessionRef>>, PresenceError>> {
        Box::pin(async move {
            Ok(self.with(|registry, alive| {
                let found = users.iter().map(|user| registry.sessions_of(user, alive));
                (found.collect(), Change::None)
            }))
        })
    }

    fn entries(&self, node: &NodeInstance) -> BoxFuture<'_, Result<u64, PresenceError>> {
        let node = node.clone();
        Box::pin(async move { Ok(self.registry().entries(&node)) })
    }

    fn is_shared(&self) -> bool {
        self.node_timeout.is_some()
    }

    fn join(&self, record: NodeRecord) -> BoxFuture<'_, Result<(), PresenceError>> {
        Box::pin(async { self.with(|registry, alive| (registry.join(record, alive), Change::None)) })
    }

    fn beat(&self, record: NodeRecord) -> BoxFuture<'_, Result<Cluster, PresenceError>> {
        Box::pin(async { self.with(|registry, alive| registry.beat(record, alive)) })
    }

    fn leave(&self, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>> {
        Box::pin(async move {
            self.with(|registry, _| (registry.leave(&node), Change::None));
            Ok(())
        })
    }

    fn sweep(&self, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, PresenceError>> {
        Box::pin(async move { Ok(self.with(|registry, alive| registry.sweep(max, alive))) })
    }

    fn reconcile(
        &self,
        node: NodeInstance,
        sessions: Vec<SessionRef>,
    ) -> BoxFuture<'_, Result<Reconciled, PresenceError>> {
        Box::pin(async move { Ok(self.with(|registry, _| registry.reconcile(&node, sessions))) })
    }

    fn begin_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<Turn, PresenceError>> {
        let turn = match self.node_timeout {
            None => Turn::Ours { wanted: false },
            Some(_) => self.registry().turns.begin(user, node, Instant::now()),
        };
        Box::pin(std::future::ready(Ok(turn)))
    }

    fn end_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>> {
        self.registry().turns.end(&user, &node);
        Box::pin(std::future::ready(Ok(())))
    }

    fn secret(&self, proposed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, PresenceError>> {
        let secret = self.registry().secret.get_or_insert(proposed).clone();
        Box::pin(std::future::ready(Ok(secret)))
    }

    fn watch(&self, watcher: Arc<dyn PresenceWatcher>) {
        self.watchers().push(watcher);
    }
}
