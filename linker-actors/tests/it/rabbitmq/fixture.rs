//! Buses for tests: each test has a domain of its own on the broker that is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use linker_actors::adapter::rabbitmq::{RabbitBus, RabbitOptions};
use linker_core::id::DomainName;
use linker_core::port::{Bus, BusError};
use linker_core::testkit::conformance::bus::Received;
use linker_core::testkit::sample::node;

use crate::wait::eventually_telling;

/// The broker that all tests share; they fail where there is none.
pub(crate) fn shared_broker() -> String {
    std::env::var("LINKER_TEST_AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2F".into())
}

/// Host and port within a url.
pub(crate) fn host_of(url: &str) -> String {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let host = authority.and_then(|authority| authority.rsplit('@').next());
    host.expect("a url").to_owned()
}

/// The same url, by way of `host`.
pub(crate) fn by_way_of(url: &str, host: impl ToString) -> String {
    url.replacen(&host_of(url), &host.to_string(), 1)
}

/// A domain that no other test, also of another run, has.
pub(crate) fn unique_domain() -> DomainName {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let started = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
    format!("test-{}-{started:x}-{number}", std::process::id())
        .parse()
        .expect("a domain")
}

/// A bus that is not open yet.
pub(crate) fn bus_at(url: &str, domain: &DomainName) -> RabbitBus {
    RabbitBus::open_url(url, RabbitOptions::new(domain.clone())).expect("a url")
}

/// Node `connector-<number>` with its inbox open.
pub(crate) struct Node {
    pub(crate) bus: Arc<RabbitBus>,
    pub(crate) received: Arc<Received>,
    pub(crate) number: u64,
}

impl Node {
    pub(crate) async fn open(bus: RabbitBus, number: u64) -> Self {
        let received = Received::new();
        let opened = bus.open(node(number), Arc::clone(&received) as _).await;
        opened.expect("an inbox at the broker");
        Self {
            bus: Arc::new(bus),
            received,
            number,
        }
    }

    pub(crate) async fn send(&self, to: &Self, text: &'static str) -> Result<(), BusError> {
        let payload = Bytes::from_static(text.as_bytes());
        self.bus.send(node(to.number), payload).await
    }

    /// Sends until it succeeds: what is meant is that it does so soon.
    pub(crate) async fn send_at_last(&self, to: &Self, text: &'static str, within: Duration) {
        eventually_telling("it is sent", within, async || {
            let answer = self.send(to, text).await;
            answer.map_err(|error| format!("(still {error:?})"))
        })
        .await;
    }

    /// Reads up to `text`, past what was sent before.
    pub(crate) async fn receive(&self, text: &'static str) {
        while self.received.next().await != text {}
    }
}

pub(crate) fn is_away(answer: &Result<(), BusError>) -> bool {
    matches!(answer, Err(BusError::Away(_)))
}
