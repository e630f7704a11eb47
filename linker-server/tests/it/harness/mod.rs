//! What every test stands on: the real binary as a [`Node`], clients that behave ([`Client`]) and
//! clients that do not ([`Raw`]), a small auth server, and the checker of the promises.

mod api;
mod auth_server;
mod checker;
mod client;
mod collector;
mod config;
mod domain;
mod exposition;
mod frames;
mod http;
mod meta_server;
mod network;
mod node;
mod raw;
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of linker-actors, which need other parts of it"
)]
mod services;
mod tls;
mod token;
mod traffic;
mod wait;

pub(crate) use api::Api;
pub(crate) use auth_server::{Answer, AuthServer};
pub(crate) use checker::Checker;
pub(crate) use client::{Client, Frame};
pub(crate) use collector::{Collector, Manner, Span};
pub(crate) use config::{MASTER, NodeConfig, OTHER_MASTER, app_id_of};
pub(crate) use domain::{Domain, by_way_of, unique_name, whole};
pub(crate) use exposition::Exposition;
pub(crate) use frames::{
    auth, close_connection, fast, fetch, group, message, message_ack, message_read, ping, referenced,
    references, references_of, with,
};
pub(crate) use http::{Metrics, Response, get, request, request_over, request_with};
pub(crate) use meta_server::MetaServer;
pub(crate) use network::{Network, await_missing, doors, reaches, user_of};
pub(crate) use node::{BINARY, Finished, Node, run, run_on_read_only_disk, run_with};
pub(crate) use raw::{Dial, Raw, Received, Socket, Wire, handshake, upgrade_status, upgrade_status_if_any};
pub(crate) use services::{Broker, PrivatePostgres, PrivateRedis, Proxy, SECRET, host_of, shared_broker};
pub(crate) use tls::Pair;
pub(crate) use token::{
    EC_JWKS, EC_PUBLIC, ED_PUBLIC, claims, ec_token, ed_token, hs_token, seconds_from_now, unsigned_token,
};
pub(crate) use traffic::{Cast, Traffic};
pub(crate) use wait::{WAIT, eventually, eventually_telling};
