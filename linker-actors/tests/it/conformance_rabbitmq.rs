//! The RabbitMQ adapter keeps the contract of its port.

use std::sync::Arc;

use linker_core::port::Bus;
use linker_core::testkit::conformance::bus::BusDomain;

use crate::rabbitmq::fixture::{bus_at, shared_broker, unique_domain};

/// A domain of its own for each test on one broker: its queues go with the connections.
async fn domain() -> Box<impl BusDomain> {
    let domain = unique_domain();
    Box::new(move || Arc::new(bus_at(&shared_broker(), &domain)) as Arc<dyn Bus>)
}

linker_core::bus_conformance!(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] => domain());
