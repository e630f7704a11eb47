//! What the node serves by HTTP: to clients on `server.bind`, to operators on `server.adminBind`.

pub(crate) mod admin;
mod api;
mod asyncapi;
pub(crate) mod client;
mod console;
mod log;
mod problem;
mod web;

pub(crate) use api::{LoginShared, Tokens};
pub(crate) use asyncapi::AsyncApi;
pub(crate) use log::RequestLog;
