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

/// Removes what a domain has on a broker for good: its ingress.
pub(crate) async fn clear_ingress(url: &str, domain: &str) {
    use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await;
    // A private broker may be gone, with all it had.
    let Ok(connection) = connection else { return };
    for kind in ["ingress", "fast"] {
        for number in 0..4 {
            let channel = connection.create_channel().await.expect("a channel");
            let queue = format!("linker.{domain}.{kind}.{number}");
            let deleted = channel
                .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
                .await;
            deleted.expect("a queue can be deleted, be it there or not");
        }
    }
    let channel = connection.create_channel().await.expect("a channel");
    let exchange = format!("linker.{domain}.ingress");
    let deleted = channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default());
    deleted
        .await
        .expect("an exchange can be deleted, be it there or not");
    let _ = connection.close(200, "done".into()).await;
}
