//! Settings of a node, typed. Nothing here reads a file or the environment.

use std::time::Duration;

use linker_core::session::SessionConfig;

use crate::error::ConfigError;

/// Settings of a node; defaults are those of the stock server.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// What a session may do, and how long it may take.
    pub session: SessionConfig,
    /// Sessions a user may have at once; beyond that the oldest is closed with 4009.
    pub sessions_per_user: usize,
    /// Sessions that the users of an app may have on this node at once; 0: no limit. Beyond that a login is refused with `RATE_LIMITED`.
    pub sessions_per_app: usize,
    /// Text frames a second of all sessions of a user on this node; 0: no limit.
    pub messages_per_second_per_user: u32,
    /// Text frames a second of all users of an app on this node; 0: no limit.
    pub messages_per_second_per_app: u32,
    /// Logins (`AUTH_CLIENT`, renewals too) a second from one address; 0: no limit. Beyond that they are refused with `RATE_LIMITED`.
    pub logins_per_second_per_address: u32,
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

impl NodeConfig {
    /// Whether everything in it makes sense.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let positive = [
            ("sessions_per_user", self.sessions_per_user as u128),
            ("max_frame_bytes", self.max_frame_bytes as u128),
            ("max_pending_bytes", self.max_pending_bytes as u128),
            (
                "session.max_unproven_bytes",
                self.session.max_unproven_bytes as u128,
            ),
            ("session.auth_timeout", self.session.auth_timeout.as_nanos()),
            ("session.stall_timeout", self.session.stall_timeout.as_nanos()),
            (
                "session.heartbeat_interval",
                self.session.heartbeat_interval.as_nanos(),
            ),
            ("retention_max_age", self.retention_max_age.as_nanos()),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError(format!("{name} must be more than zero")));
        }
        if self.session.heartbeat_timeout <= self.session.heartbeat_interval {
            let wrong = "session.heartbeat_timeout must be longer than its interval";
            return Err(ConfigError(wrong.into()));
        }
        Ok(())
    }

    /// Whether sessions share limits with others.
    pub(crate) fn has_shared_limits(&self) -> bool {
        self.messages_per_second_per_user > 0
            || self.messages_per_second_per_app > 0
            || self.logins_per_second_per_address > 0
    }

    /// `wanted`, with what cannot be changed while the node runs as it is in `self`.
    pub(crate) fn changed_to(&self, wanted: Self) -> Self {
        Self {
            commit_window: self.commit_window,
            dedupe_window: self.dedupe_window,
            retention_max_age: self.retention_max_age,
            retention_max_per_user: self.retention_max_per_user,
            ..wanted
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            session: SessionConfig::default(),
            sessions_per_user: 8,
            sessions_per_app: 0,
            messages_per_second_per_user: 0,
            messages_per_second_per_app: 0,
            logins_per_second_per_address: 0,
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
