//! Which sessions a user has, over all nodes of the domain.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::BoxFuture;
use crate::id::{DomainName, NodeInstance, SessionId, UserId};

/// A session somewhere in the domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionRef {
    /// Whose it is.
    pub user: UserId,
    /// The node that has it.
    pub node: NodeInstance,
    /// Which of that node's.
    pub session: SessionId,
}

/// What a registration brought about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// There was none before it. Answered alike when the registration is repeated.
    pub first: bool,
    /// Sessions that had to go because the user had too many, oldest first; they are registered no more.
    pub evicted: Vec<SessionRef>,
}

/// Whether a node takes sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It does.
    Up,
    /// It stops, and takes none any more.
    Draining,
}

/// What a node tells the others of itself with each beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Which.
    pub node: NodeInstance,
    /// When it started, ms since the epoch.
    pub since_ms: u64,
    /// Of the program.
    pub version: String,
    /// Where its clients connect to.
    pub url: String,
    /// Whether it takes sessions.
    pub state: NodeState,
    /// How many sessions it is to have in relation to others; 0: none that are placed.
    pub weight: u32,
    /// How many sessions it has.
    pub sessions: u64,
    /// The neighbouring domains that it cannot hand anything over to now, by name.
    pub links_down: Vec<DomainName>,
    /// What has to be the same on all nodes of a domain: what it is, and its value or a hash of it. No secrets.
    pub settings: BTreeMap<String, String>,
}

/// The nodes of the domain, as the registry knows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// Those that beat, the one that asks included, by name.
    pub nodes: Vec<NodeRecord>,
    /// The registry may have forgotten the node that asks, or declared it dead: its sessions may not be registered any more, see
    /// [`Presence::reconcile`].
    pub rejoined: bool,
}

/// What had to be changed so that the registry equals a node's own sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// Sessions that were missing.
    pub added: u64,
    /// Entries without a session.
    pub removed: u64,
    /// Users who have no session any more, because only removed ones were left.
    pub gone: Vec<UserId>,
    /// Users whom a sweep of this node has told gone, and who have a session again.
    pub back: Vec<UserId>,
}

/// Whose turn it is to serve fetches of a user, as the node that asks is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// That node's, for [`TURN_TIME`] from now on.
    Ours {
        /// Another node waits for it, and is next.
        wanted: bool,
    },
    /// Another node's.
    Theirs,
}

/// Told of what changes in the registry, by whomever. Called on the adapter's own tasks: it must not block.
pub trait PresenceWatcher: Send + Sync + 'static {
    /// The sessions of these users changed.
    fn changed(&self, users: Vec<UserId>);

    /// Anything may have changed: the connection that tells was lost, or the registry was emptied.
    fn all_changed(&self);
}

/// Why presence could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The registry is away; try again when it is back. Whether the call took effect is unknown: calls are idempotent.
    #[error("the presence registry is away: {0}")]
    Away(String),
    /// The registry will never take this node: a wrong password, a url for something else.
    #[error("{0}")]
    Refused(String),
    /// Another node of this name lives in the domain.
    #[error("another node named {0} lives in this domain")]
    NameTaken(NodeInstance),
}

/// The registry of sessions. Calls are batched, each entry is decided on its own in the order given, and repeating one changes nothing.
///
/// Entries of nodes that live no more are absent when looked up, and go first when a user has too many. Until they are swept they still count for
/// which session is a user's first or last: so whoever is told of both is told in turn.
pub trait Presence: Send + Sync + 'static {
    /// Registers sessions; answers in the order asked.
    fn register(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<Registered>, PresenceError>>;

    /// From now on a user may have so many sessions (at least one): who has more keeps them until the next registration.
    fn limit_sessions(&self, per_user: usize);

    /// Removes sessions; answers for each whether it was the user's last. A session that is not registered (any more) is never the last.
    fn farewell(&self, sessions: Vec<SessionRef>) -> BoxFuture<'_, Result<Vec<bool>, PresenceError>>;

    /// The sessions of each user, oldest first.
    fn lookup(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Vec<SessionRef>>, PresenceError>>;

    /// How many sessions of this node are registered.
    fn entries(&self, node: &NodeInstance) -> BoxFuture<'_, Result<u64, PresenceError>>;

    /// Whether there can be other nodes; if not, nobody needs to be looked up.
    fn is_shared(&self) -> bool;

    /// This node comes in: from now on its name is taken, for as long as it beats.
    /// Fails with [`PresenceError::NameTaken`] while another instance of that name beats.
    fn join(&self, record: NodeRecord) -> BoxFuture<'_, Result<(), PresenceError>>;

    /// This node lives; answers who else does. To be called every second; a node that did not beat for [`NODE_TIMEOUT`] is dead.
    /// Fails with [`PresenceError::NameTaken`] when another instance has taken the name meanwhile.
    fn beat(&self, record: NodeRecord) -> BoxFuture<'_, Result<Cluster, PresenceError>>;

    /// This node stops, its sessions have ended: its name is free, and its remaining entries are anybody's to sweep.
    fn leave(&self, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>>;

    /// Removes up to `max` entries of nodes that live no more, and answers which users have no session left for that. Each is told to one caller only.
    /// Nothing is removed of a node that beats, whatever was believed before.
    fn sweep(&self, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, PresenceError>>;

    /// Makes the registry's entries of this node equal to `sessions`, evicting nobody. No registration or farewell of this node may be under way meanwhile.
    fn reconcile(
        &self,
        node: NodeInstance,
        sessions: Vec<SessionRef>,
    ) -> BoxFuture<'_, Result<Reconciled, PresenceError>>;

    /// This node wants to serve fetches of a user, or goes on doing so. Whoever is first told [`Turn::Theirs`] is next, for [`TURN_ASK_TIME`] after it
    /// has last asked. Turns are no sessions: watchers are not told of them.
    fn begin_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<Turn, PresenceError>>;

    /// This node serves no fetches of this user any more, nor waits to. Of other nodes' turns nothing is changed.
    fn end_turn(&self, user: UserId, node: NodeInstance) -> BoxFuture<'_, Result<(), PresenceError>>;

    /// The secret that the nodes of the domain share: what was proposed first, by whichever of them, or last after the registry had forgotten it.
    fn secret(&self, proposed: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, PresenceError>>;

    /// From now on tells `watcher` what changes, as soon as the registry knows, and also of this node's own changes. When a beat shows that a node died
    /// or came back, all has changed. A lookup that was under way when a change was told may have been answered before it.
    fn watch(&self, watcher: Arc<dyn PresenceWatcher>);
}

/// A node that did not beat for so long is dead.
pub const NODE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// A node's turn to serve fetches of a user is over after this, unless it asks again: so long a node that died with it keeps others waiting.
pub const TURN_TIME: std::time::Duration = std::time::Duration::from_secs(5);

/// A node that waits for its turn and does not ask again for so long waits no more.
pub const TURN_ASK_TIME: std::time::Duration = std::time::Duration::from_secs(1);
