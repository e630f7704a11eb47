//! `limits` and `heartbeat`: what one connection, one user and one node may cost.

use std::time::Duration;

use linker_core::duration::format_duration;

use super::byte_size::ByteSize;
use super::mistake::Wrong;
use super::reader::Section;

/// The shortest time that is taken for any wait.
const SHORTEST: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Bounds of connections and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitsConfig {
    /// `maxFrameBytes`: the largest text frame a client may send; default 64 KiB.
    pub(crate) max_frame_bytes: ByteSize,
    /// `authTimeout`: how long a connection may take to log in; default 10 s.
    pub(crate) auth_timeout: Duration,
    /// `sessionsPerUser`; default 8.
    pub(crate) sessions_per_user: u32,
    /// `sessionsPerApp` on this node; 0 (default): no limit.
    pub(crate) sessions_per_app: u32,
    /// `messagesPerSecondPerUser`, of all sessions of a user on this node; 0 (default): no limit.
    pub(crate) messages_per_second_per_user: u32,
    /// `messagesPerSecondPerApp`, of all users of an app on this node; 0 (default): no limit.
    pub(crate) messages_per_second_per_app: u32,
    /// `loginsPerSecondPerAddress`: `AUTH_CLIENT` frames; 0 (default): no limit.
    pub(crate) logins_per_second_per_address: u32,
    /// `messagesPerSecond` of a session; 0 (default): no limit.
    pub(crate) messages_per_second: u32,
    /// `messageBurst`; 0 (default): one second's worth.
    pub(crate) message_burst: u32,
    /// `maxViolations` of the rate in a row before the connection is closed; default 100.
    pub(crate) max_violations: u32,
    /// `maxUnprovenBytes`: beyond it a session is behind; default 1 MiB.
    pub(crate) max_unproven_bytes: ByteSize,
    /// `stallTimeout`: how long a session that is behind may prove nothing; default 20 s.
    pub(crate) stall_timeout: Duration,
    /// `maxPendingBytes`: RELIABLE messages in memory of this node; default 256 MiB.
    pub(crate) max_pending_bytes: ByteSize,
    /// `maxConnections` of this node; 0 (default): no limit.
    pub(crate) max_connections: u32,
    /// `maxConnectionsPerAddress`; 0 (default): no limit.
    pub(crate) max_connections_per_address: u32,
}

/// How a silent connection is found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeartbeatConfig {
    /// `interval`: an idle connection is pinged this often; default 30 s.
    pub(crate) interval: Duration,
    /// `timeout`: one that sent nothing for this long is ended; default 75 s, always longer than `interval`.
    pub(crate) timeout: Duration,
}

impl LimitsConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let seconds = Duration::from_secs;
        let config = Self {
            max_frame_bytes: section.size(
                "maxFrameBytes",
                ByteSize::bytes(256)..=ByteSize::mib(64),
                ByteSize::kib(64),
            ),
            auth_timeout: section.duration("authTimeout", SHORTEST..=HOUR, seconds(10)),
            sessions_per_user: section.integer_u32("sessionsPerUser", 1..=1000, 8),
            sessions_per_app: section.integer_u32("sessionsPerApp", 0..=u32::MAX, 0),
            messages_per_second_per_user: section.integer_u32("messagesPerSecondPerUser", 0..=1_000_000, 0),
            messages_per_second_per_app: section.integer_u32("messagesPerSecondPerApp", 0..=10_000_000, 0),
            logins_per_second_per_address: section.integer_u32("loginsPerSecondPerAddress", 0..=1_000_000, 0),
            messages_per_second: section.integer_u32("messagesPerSecond", 0..=1_000_000, 0),
            message_burst: section.integer_u32("messageBurst", 0..=1_000_000, 0),
            max_violations: section.integer_u32("maxViolations", 1..=1_000_000, 100),
            max_unproven_bytes: section.size(
                "maxUnprovenBytes",
                ByteSize::bytes(256)..=ByteSize::gib(4),
                ByteSize::mib(1),
            ),
            stall_timeout: section.duration("stallTimeout", SHORTEST..=HOUR, seconds(20)),
            max_pending_bytes: section.size(
                "maxPendingBytes",
                ByteSize::kib(1)..=ByteSize::gib(1024),
                ByteSize::mib(256),
            ),
            max_connections: section.integer_u32("maxConnections", 0..=u32::MAX, 0),
            max_connections_per_address: section.integer_u32("maxConnectionsPerAddress", 0..=u32::MAX, 0),
        };
        if section.is_sound() && config.message_burst > 0 && config.messages_per_second == 0 {
            let wrong = Wrong::new(
                "a burst without a rate limits nothing",
                "0, or a messagesPerSecond above 0",
            );
            section.wrong("messageBurst", wrong);
        }
        config
    }
}

impl HeartbeatConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let config = Self {
            interval: section.duration("interval", SHORTEST..=HOUR, Duration::from_secs(30)),
            timeout: section.duration("timeout", SHORTEST..=24 * HOUR, Duration::from_secs(75)),
        };
        if section.is_sound() && config.timeout <= config.interval {
            // The default is not at fault: the one that was given is.
            let key = if section.has("timeout") {
                "timeout"
            } else {
                "interval"
            };
            let what = format!(
                "timeout ({}) is not longer than interval ({}): every idle connection would be ended",
                format_duration(config.timeout),
                format_duration(config.interval)
            );
            section.wrong(
                key,
                Wrong::new(what, "a timeout longer than the interval, better twice as long"),
            );
        }
        config
    }
}
