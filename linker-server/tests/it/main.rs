//! The real `linker-server`, from outside: everything that PROTOCOL.md and CONTRACT.md promise of
//! one node with the embedded default, over real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test states what must hold and fails loudly where it does not"
)]

mod api;
mod browser;
mod cli;
mod cluster;
mod deploy;
mod domains;
mod faults;
mod harness;
mod http;
mod kill9;
mod meta;
mod protocol;
mod reload;
mod telemetry;
mod tls;
mod upstream;
mod wire;
