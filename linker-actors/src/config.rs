//! Settings of a node, typed. Nothing here reads a file or the environment.

use std::time::Duration;

use linker_core::session::SessionConfig;

/// Settings of a node; defaults are those of the stock server.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// What a session may do, and how long it may take.
    pub session: SessionConfig,
    /// Sessions a user may have at once; beyond that the oldest is closed with 4009.
    pub sessions_per_user: usize,
    /// A text frame larger than this closes the connection with 1009. Bytes, over all its fragments.
    pub max_frame_bytes: usize,
    /// RELIABLE messages in memory, of the whole node. Bytes.
    pub max_pending_bytes: usize,
    /// Connections of the node; 0: no limit.
    pub max_connections: usize,
    /// Connections from one address; 0: no limit.
    pub max_connections_per_address: usize,
    /// Values of `Origin` that are let in; empty: any. A connection without `Origin` is always let in.
    pub allowed_origins: Vec<String>,
    /// A RELIABLE message not proven within this time is stored.
    pub commit_window: Duration,
    /// The same sender, recipient and reference within this time is one message.
    pub dedupe_window: Duration,
    /// Messages that waited longer are removed.
    pub retention_max_age: Duration,
    /// Messages that may wait for one user.
    pub retention_max_per_user: u64,
    /// How long a stop may take.
    pub drain_timeout: Duration,
    /// How many of the sessions that log in by `POST /api/v1/login` this node is to have in relation to others; 0: none.
    pub weight: u32,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            session: SessionConfig::default(),
            sessions_per_user: 8,
            max_frame_bytes: 64 * 1024,
            max_pending_bytes: 256 * 1024 * 1024,
            max_connections: 0,
            max_connections_per_address: 0,
            allowed_origins: Vec::new(),
            commit_window: Duration::from_millis(20),
            dedupe_window: Duration::from_secs(5 * 60),
            retention_max_age: Duration::from_secs(30 * 24 * 3600),
            retention_max_per_user: 100_000,
            drain_timeout: Duration::from_secs(30),
            weight: 1,
        }
    }
}
