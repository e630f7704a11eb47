//! What the node serves by HTTP: to clients on `server.bind`, to operators on `server.adminBind`.

pub(crate) mod admin;
mod api;
pub(crate) mod client;
mod log;
mod problem;
mod web;

pub(crate) use log::RequestLog;
