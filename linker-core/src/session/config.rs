//! Settings of sessions.

use std::time::Duration;

/// Limits and times of a session; defaults are those of the stock server.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// A connection that has not authenticated by then is closed with 4001.
    pub auth_timeout: Duration,
    /// Text frames a second; 0: no limit.
    pub messages_per_second: u32,
    /// Text frames that may come at once; 0: one second's worth.
    pub message_burst: u32,
    /// Frames over the limit in a row with which the connection is closed with 4029.
    pub max_violations: u32,
    /// Bytes sent and not proven with which a session has fallen behind.
    pub max_unproven_bytes: usize,
    /// A session that is behind and proves nothing for so long is closed with 4011.
    pub stall_timeout: Duration,
    /// An idle connection is pinged this often.
    pub heartbeat_interval: Duration,
    /// A connection that has sent nothing for so long is closed with 4008.
    pub heartbeat_timeout: Duration,
    /// Whether senders get `MESSAGE_CONFIRMATION` at all.
    pub confirmation_enabled: bool,
    /// Whether users may send to the application (`UPSTREAM`); where nothing takes that, it is an unknown type. A node sets it by itself.
    pub upstream: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(10),
            messages_per_second: 0,
            message_burst: 0,
            max_violations: 100,
            max_unproven_bytes: 1024 * 1024,
            stall_timeout: Duration::from_secs(20),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(75),
            confirmation_enabled: true,
            upstream: false,
        }
    }
}
