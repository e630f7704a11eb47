//! What the node serves by HTTP: to clients on `server.bind`, to operators on `server.adminBind`.

pub(crate) mod admin;
mod api;
mod asyncapi;
pub(crate) mod client;
mod console;
pub(crate) mod listen;
mod log;
mod paths;
mod problem;
pub(crate) mod timeouts;
mod web;

pub(crate) use api::{LoginShared, Tokens};
pub(crate) use asyncapi::AsyncApi;
pub(crate) use log::RequestLog;
