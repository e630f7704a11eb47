//! A registry that can be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linker_actors::adapter::memory::MemoryPresence;
use linker_actors::core::id::{NodeInstance, UserId};
use linker_actors::core::port::{
    BoxFuture, Cluster, NodeRecord, Presence, PresenceError, PresenceWatcher, Reconciled, Registered,
    SessionRef, Turn,
};

/// The domain's registry, as all nodes see it.
pub(super) struct SwitchedPresence {
    registry: Arc<MemoryPresence>,
    away: AtomicBool,
    silent: AtomicBool,
}

impl SwitchedPresence {
    pub(super) fn new(registry: Arc<MemoryPresence>) -> Self {
        Self {
            registry,
            away: AtomicBool::new(false),
            silent: AtomicBool::new(false),
        }
    }

    /// Nobody can ask it anything until it is back.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Whoever looks somebody up meanwhile is never answered.
    pub(super) fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    fn ask<'a, T: Send + 'a>(
        &self,
        call: BoxFuture<'a, Result<T, PresenceError>>,
    ) -> BoxFuture<'a, Result<T, PresenceError>> {
        if self.away.load(Ordering::SeqCst) {
            return Box::pin(async { Err(PresenceError::Away("as the test wants it".into())) });
        }
        call
    }
}

impl Presence for SwitchedPresence {
    fn register(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<Registered>, PresenceError>> {
        self.ask(self.registry.register(sessions))
    }

    fn limit_sessions(&self, per_user: usize) {
        self.registry.limit_sessions(per_user);
    }

    fn farewell(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<bool>, PresenceError>> {
        self.ask(self.registry.farewell(sessions))
    }

    fn lookup(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Vec<SessionRef>>, PresenceError>> {
        if self.silent.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        self.ask(self.registry.lookup(users))
    }

    fn entries(&self, node: &NodeInstance) -> BoxFuture<'_, Result<u64, PresenceError>> {
        self.ask(self.registry.entries(node))
    }

    fn is_shared(&self) -> bool {
        self.registry.is_shared()
    }

    fn join(&self, record: NodeRecord) -> BoxFuture<'_, Result<(), PresenceError>> {
        self.ask(self.registry.join(record))
    }

    fn beat(&self, record: NodeRecord) -> BoxFuture<'_, Result<Cluster, PresenceError>> {
        self.ask(self.registry.beat(record))
    }

    fn leave(&self, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>> {
        self.ask(self.registry.leave(node))
    }

    fn sweep(&self, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, PresenceError>> {
        self.ask(self.registry.sweep(max))
    }

    fn reconcile(
        &self,
        node: NodeInstance,
        sessions: Vec<SessionRef>,
    ) -> BoxFuture<'_, Result<Reconciled, PresenceError>> {
        self.ask(self.registry.reconcile(node, sessions))
    }

    fn begin_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<Turn, PresenceError>> {
        self.ask(self.registry.begin_turn(user, node))
    }

    fn end_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>> {
        self.ask(self.registry.end_turn(user, node))
    }

    fn secret(&self, proposed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, PresenceError>> {
        self.ask(self.registry.secret(proposed))
    }

    fn watch(&self, watcher: Arc<dyn PresenceWatcher>) {
        self.registry.watch(watcher);
    }
}
