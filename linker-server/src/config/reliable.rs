//! `reliable`: how RELIABLE messages are kept.

use std::time::Duration;

use super::reader::Section;

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Confirmation, custody and retention of RELIABLE messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReliableConfig {
    /// `confirmationEnabled`: whether senders get `MESSAGE_CONFIRMATION` where their frame does not say; default true.
    pub(crate) confirmation_enabled: bool,
    /// `commitWindow`: how long a message may wait for its proof before it is stored; default 20 ms.
    pub(crate) commit_window: Duration,
    /// `dedupeWindow`: how long a reference is remembered; default 5 min.
    pub(crate) dedupe_window: Duration,
    pub(crate) retention: RetentionConfig,
}

/// How much waits for an absent user, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetentionConfig {
    /// `maxAge`: older messages are removed; default 30 days.
    pub(crate) max_age: Duration,
    /// `maxPerUser`: beyond this many, new messages are refused; default 100 000.
    pub(crate) max_per_user: u64,
}

impl ReliableConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            confirmation_enabled: section.boolean("confirmationEnabled", true),
            commit_window: section.duration(
                "commitWindow",
                MILLISECOND..=Duration::from_secs(10),
                Duration::from_millis(20),
            ),
            dedupe_window: section.duration(
                "dedupeWindow",
                MILLISECOND..=7 * DAY,
                Duration::from_secs(5 * 60),
            ),
            retention: section.section("retention", RetentionConfig::read),
        }
    }
}

impl RetentionConfig {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            max_age: section.duration("maxAge", Duration::from_secs(1)..=3650 * DAY, 30 * DAY),
            max_per_user: section.integer("maxPerUser", 1..=1_000_000_000, 100_000),
        }
    }
}
