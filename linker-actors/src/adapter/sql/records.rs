//! The statements for records, which are the same for both databases.

use linker_core::port::{Expected, RecordWrite};

/// Behind every key that has a prefix: keys are visible ASCII.
const LAST: char = '\u{7f}';

const PUT: &str = "INSERT INTO linker_record (key, version, expires_ms, body) VALUES ($1, 1, $2, $3) \
    ON CONFLICT (key) DO UPDATE SET version = linker_record.version + 1, expires_ms = excluded.expires_ms, body = excluded.body";
const ADD: &str = "INSERT INTO linker_record (key, version, expires_ms, body) VALUES ($1, 1, $2, $3) ON CONFLICT (key) DO NOTHING";
const CHANGE: &str = "UPDATE linker_record SET version = version + 1, expires_ms = $2, body = $3 WHERE key = $1 AND version = $4";
const REMOVE: &str = "DELETE FROM linker_record WHERE key = $1";
const REMOVE_VERSION: &str = "DELETE FROM linker_record WHERE key = $1 AND version = $2";
/// Changes a row only where it must not be there.
const TOUCH: &str = "UPDATE linker_record SET version = version WHERE key = $1";

pub(in crate::adapter) const LIST: &str = "SELECT key, version, expires_ms, body FROM linker_record \
    WHERE key > $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4";

/// What a statement is given besides the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::adapter) enum Given {
    /// Expiry and body.
    New,
    /// Expiry, body and the version before.
    Changed(u64),
    /// The version.
    Version(u64),
    Nothing,
}

/// How a write is done: the statement, what it is given, and how many rows it has to change; `None` where any number will do.
pub(in crate::adapter) fn statement(write: &RecordWrite) -> (&'static str, Given, Option<u64>) {
    match (write.body.is_some(), write.expected) {
        (true, Expected::Anything) => (PUT, Given::New, Some(1)),
        (true, Expected::Nothing) => (ADD, Given::New, Some(1)),
        (true, Expected::Version(version)) => (CHANGE, Given::Changed(version), Some(1)),
        (false, Expected::Anything) => (REMOVE, Given::Nothing, None),
        (false, Expected::Nothing) => (TOUCH, Given::Nothing, Some(0)),
        (false, Expected::Version(version)) => (REMOVE_VERSION, Given::Version(version), Some(1)),
    }
}

/// Everybody changes rows in the same order, so that they wait for each other instead of for ever.
pub(in crate::adapter) fn in_order(mut writes: Vec<RecordWrite>) -> Vec<RecordWrite> {
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    writes
}

/// What keys that begin with `prefix` are before.
pub(in crate::adapter) fn end_of(prefix: &str) -> String {
    format!("{prefix}{LAST}")
}
