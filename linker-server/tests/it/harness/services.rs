//! The services that several nodes need: those that are there, and private ones to be ill-treated. The same as linker-actors' tests have.

#[path = "../../../../linker-actors/tests/it/rabbitmq/broker.rs"]
mod broker;
#[path = "../../../../linker-actors/tests/it/postgres/database.rs"]
mod database;
#[path = "../../../../linker-actors/tests/it/postgres/server.rs"]
mod postgres;
#[path = "../../../../linker-actors/tests/it/proxy.rs"]
mod proxy;
#[path = "../../../../linker-actors/tests/it/redis/server.rs"]
pub(crate) mod redis;

pub(crate) use broker::Broker;
pub(crate) use database::Database;
pub(crate) use postgres::{SECRET, Server as PrivatePostgres};
pub(crate) use proxy::Proxy;
pub(crate) use redis::PrivateRedis;

/// The broker that all tests share.
pub(crate) fn shared_broker() -> String {
    std::env::var("LINKER_TEST_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2F".into())
}

/// Host and port within a url.
pub(crate) fn host_of(url: &str) -> String {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let host = authority.and_then(|authority| authority.rsplit('@').next());
    host.expect("a url").to_owned()
}
