//! The names of keys, and nowhere else. What stands in braces decides the hash slot.

use linker_core::id::{DomainName, NodeInstance, NodeName, UserId};

#[derive(Debug, Clone)]
pub(super) struct Keys {
    domain: DomainName,
}

impl Keys {
    pub(super) fn new(domain: DomainName) -> Self {
        Self { domain }
    }

    /// Every node of which something may be registered.
    pub(super) fn nodes(&self) -> String {
        format!("linker:{{{}:nodes}}", self.domain)
    }

    /// A node's heartbeat, whichever run's it is.
    pub(super) fn heartbeat(&self, name: &NodeName) -> String {
        format!("linker:{{{}:n:{name}}}", self.domain)
    }

    /// The entries of one run of a node.
    pub(super) fn entries(&self, node: &NodeInstance) -> String {
        format!("{}:entries:{:016x}", self.heartbeat(&node.name), node.incarnation)
    }

    /// There when something of that run was swept.
    pub(super) fn swept(&self, node: &NodeInstance) -> String {
        format!("{}:swept:{:016x}", self.heartbeat(&node.name), node.incarnation)
    }

    /// A user's sessions.
    pub(super) fn sessions(&self, user: &UserId) -> String {
        format!("linker:{{{}:u:{user}}}", self.domain)
    }

    /// The node that serves a user's fetches. Not among the keys of which Redis tells when they change.
    pub(super) fn turn(&self, user: &UserId) -> String {
        format!("linker:{{{}:turn:{user}}}", self.domain)
    }

    /// The node that does so next.
    pub(super) fn next_turn(&self, user: &UserId) -> String {
        format!("{}:next", self.turn(user))
    }

    /// What the nodes share.
    pub(super) fn secret(&self) -> String {
        format!("linker:{{{}:secret}}", self.domain)
    }

    /// What the keys of all users' sessions begin with.
    pub(super) fn sessions_prefix(&self) -> String {
        format!("linker:{{{}:u:", self.domain)
    }

    /// Whose sessions a key is.
    pub(super) fn user_of(&self, key: &str) -> Option<UserId> {
        let user = key.strip_prefix(&self.sessions_prefix())?.strip_suffix('}')?;
        user.parse().ok()
    }
}
