//! The frames a client sends, as values a test can still change.

use serde_json::{Value, json};

use super::{Frame, app_id_of};

/// `AUTH_CLIENT` of a user of one of the harness's apps.
pub(crate) fn auth(user: &str) -> Value {
    json!({"type": "AUTH_CLIENT", "data": {"appId": app_id_of(user), "userId": user}})
}

/// A `MESSAGE` with the default feature, RELIABLE, and without a reference.
pub(crate) fn message(to: &str, content: impl Into<Value>) -> Value {
    json!({"type": "MESSAGE", "data": {"to": to, "content": content.into()}})
}

/// A RELIABLE `MESSAGE` with a reference.
pub(crate) fn referenced(to: &str, content: impl Into<Value>, reference: &str) -> Value {
    with(message(to, content), "reference", reference)
}

/// A FAST `MESSAGE` without a reference.
pub(crate) fn fast(to: &str, content: impl Into<Value>) -> Value {
    with(message(to, content), "feature", "FAST")
}

/// A `GROUP_MESSAGE` with the default feature.
pub(crate) fn group(to: &[&str], content: impl Into<Value>) -> Value {
    json!({"type": "GROUP_MESSAGE", "data": {"to": to, "content": content.into()}})
}

/// `FETCH_MISSING_MESSAGES_REQUEST`.
pub(crate) fn fetch(count: i64) -> Value {
    json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": count}})
}

/// `CLOSE_CONNECTION`.
pub(crate) fn close_connection(user: &str) -> Value {
    json!({"type": "CLOSE_CONNECTION", "data": {"userId": user}})
}

/// `MESSAGE_READ`, a read receipt to the author of a message.
pub(crate) fn message_read(author: &str, reference: &str) -> Value {
    json!({"type": "MESSAGE_READ", "data": {"to": author, "reference": reference}})
}

/// `MESSAGE_ACK`.
pub(crate) fn message_ack(ids: &[&str]) -> Value {
    json!({"type": "MESSAGE_ACK", "data": {"ids": ids}})
}

/// `PING`.
pub(crate) fn ping() -> Value {
    json!({"type": "PING"})
}

/// The frame with one top-level field set.
pub(crate) fn with(mut frame: Value, key: &str, value: impl Into<Value>) -> Value {
    frame[key] = value.into();
    frame
}

/// `r0`, `r1` and so on.
pub(crate) fn references(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("r{n}")).collect()
}

/// The references of messages that came, in their order.
pub(crate) fn references_of(page: &[Frame]) -> Vec<&str> {
    page.iter()
        .map(|frame| frame["reference"].as_str().unwrap())
        .collect()
}
