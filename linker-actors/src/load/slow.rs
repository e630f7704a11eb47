//! Sessions that do not keep up with what they are sent.

use linker_core::id::{NodeName, UserId};
use serde::{Deserialize, Serialize};

use crate::node::Node;

/// A node tells at most so many.
pub(super) const SLOW_MAX: usize = 100;

/// A session that does not keep up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowSession {
    /// Whose.
    pub user: UserId,
    /// Which node has it.
    pub node: NodeName,
    /// Bytes that it was handed and has not proven.
    pub unproven_bytes: u64,
    /// Since when it is behind, ms since the epoch.
    pub since_ms: u64,
}

/// Those of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlowSessions {
    /// How many there are.
    pub total: u64,
    /// The 100 that are behind the longest.
    pub sessions: Vec<SlowSession>,
    /// Nodes that did not tell theirs in time.
    pub silent: Vec<NodeName>,
}

/// As a node tells it to another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlowWord {
    pub(super) user: String,
    pub(super) bytes: u64,
    pub(super) since: u64,
}

/// Those of this node: how many, and those that are behind the longest.
pub(crate) fn slow_here(node: &Node) -> (u64, Vec<SlowWord>) {
    let (total, sessions) = node.sessions.slow(SLOW_MAX);
    let words = sessions.iter().map(|entry| SlowWord {
        user: entry.user.to_string(),
        bytes: entry.backlog_bytes() as u64,
        since: entry.behind_since_ms(),
    });
    (total as u64, words.collect())
}
