//! The PostgreSQL store against a real server.

mod conformance;
mod database;
mod faults;
mod harness;
mod many_domains;
mod many_nodes;
mod open;
mod private_server;
mod proxy;
mod server;
