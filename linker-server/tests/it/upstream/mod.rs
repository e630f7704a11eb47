//! `UPSTREAM`: what clients send to the application, and what it is told, over a real broker and to a real HTTP server.

mod broker;
mod cluster;
mod events;
mod exchange;
mod frames;
mod hook;
mod troubled;
mod webhook;

use serde_json::{Value, json};

/// A frame to the application.
fn upstream(kind: &str, content: impl Into<Value>) -> Value {
    json!({"type": "UPSTREAM", "data": {"type": kind, "content": content.into()}})
}

/// The same with a reference.
fn referenced(kind: &str, content: impl Into<Value>, reference: &str) -> Value {
    let mut frame = upstream(kind, content);
    frame["reference"] = reference.into();
    frame
}
