//! Integration tests of linker-actors by its public interface: one binary, one behaviour a file.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation ends the test"
)]

#[cfg(feature = "auth")]
mod auth;
#[cfg(feature = "hosted")]
mod cluster;
mod conformance_memory;
#[cfg(feature = "rabbitmq")]
mod conformance_rabbitmq;
#[cfg(feature = "sqlite")]
mod conformance_sqlite;
#[cfg(feature = "hosted")]
mod embed;
mod faulty_store;
#[cfg(feature = "hosted")]
mod harness;
mod memory_bus;
#[cfg(all(feature = "meta", feature = "hosted"))]
mod meta;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "rabbitmq")]
mod proxy;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite_durability;
#[cfg(feature = "sqlite")]
mod sqlite_faults;
#[cfg(feature = "sqlite")]
mod sqlite_harness;
#[cfg(feature = "sqlite")]
mod sqlite_model;
#[cfg(feature = "sqlite")]
mod sqlite_open;
#[cfg(feature = "hosted")]
mod transports;
#[path = "../../../linker-server/tests/it/harness/wait.rs"]
mod wait;
