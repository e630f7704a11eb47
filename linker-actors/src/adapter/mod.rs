//! Adapters: how the ports of linker-core are kept, one folder a backend. None of them knows an actor.

pub mod auth;
#[cfg(any(feature = "auth", feature = "meta", feature = "webhook"))]
pub(crate) mod http;
#[cfg(feature = "postgres")]
pub(crate) mod late;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "webhook")]
pub mod webhook;
