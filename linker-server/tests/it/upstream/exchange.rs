//! The application's side of the broker: a domain of its own on the broker that is there, by way of a proxy that can be cut.

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{NodeConfig, Proxy, WAIT, by_way_of, host_of, shared_broker, unique_name};

/// The exchange of one domain.
pub(super) struct Exchange {
    pub(super) domain: String,
    pub(super) proxy: Proxy,
    connection: Connection,
    channel: Channel,
}

impl Exchange {
    pub(super) async fn new() -> Self {
        Self::of(unique_name()).await
    }

    pub(super) async fn of(domain: String) -> Self {
        let url = shared_broker();
        let connection = Connection::connect(&url, ConnectionProperties::default())
            .await
            .expect("the broker is there");
        let channel = connection.create_channel().await.expect("a channel");
        Self {
            domain,
            proxy: Proxy::to(&host_of(&url)).await,
            connection,
            channel,
        }
    }

    fn name(&self) -> String {
        format!("linker.{}.upstream", self.domain)
    }

    pub(super) fn url(&self) -> String {
        by_way_of(&shared_broker(), self.proxy.address())
    }

    /// Settings of a node whose application it is.
    pub(super) fn config(&self) -> NodeConfig {
        NodeConfig::new()
            .set("node.domain", self.domain.as_str())
            .set("upstream.url", self.url())
    }

    /// A queue of the application's for these keys, with the exchange declared as the node does it: whoever comes first.
    pub(super) async fn bind(&self, keys: &[&str]) -> Queue {
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let name = self.name();
        self.channel
            .exchange_declare(
                name.as_str().into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            )
            .await
            .expect("the exchange is a durable topic exchange");
        let exclusive = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = self
            .channel
            .queue_declare("".into(), exclusive, FieldTable::default())
            .await
            .expect("a queue");
        for key in keys {
            self.channel
                .queue_bind(
                    queue.name().clone(),
                    name.as_str().into(),
                    (*key).into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .expect("a binding");
        }
        let consumer = self
            .channel
            .basic_consume(
                queue.name().clone(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .expect("a consumer");
        Queue { consumer }
    }

    /// Removes what the domain has at the broker.
    pub(super) async fn clear(self) {
        let deleted = self
            .channel
            .exchange_delete(self.name().as_str().into(), ExchangeDeleteOptions::default());
        deleted.await.expect("an exchange can be deleted");
        let _ = self.connection.close(200, "done".into()).await;
    }
}

/// A queue of the application's.
pub(super) struct Queue {
    consumer: Consumer,
}

/// What came out of it.
pub(super) struct Taken {
    pub(super) delivery: Delivery,
    pub(super) body: Value,
}

impl Taken {
    pub(super) fn key(&self) -> &str {
        self.delivery.routing_key.as_str()
    }
}

impl Queue {
    /// The next one.
    pub(super) async fn next(&mut self) -> Taken {
        let next = timeout(WAIT, self.consumer.next()).await;
        let delivery = next
            .expect("something comes in time")
            .expect("the consumer lives")
            .expect("a delivery");
        delivery
            .ack(BasicAckOptions::default())
            .await
            .expect("it can be acknowledged");
        Taken {
            body: serde_json::from_slice(&delivery.data).expect("a JSON body"),
            delivery,
        }
    }

    /// The contents of the next ones.
    pub(super) async fn contents(&mut self, count: usize) -> Vec<Value> {
        let mut contents = Vec::new();
        for _ in 0..count {
            contents.push(self.next().await.body["content"].clone());
        }
        contents
    }
}
