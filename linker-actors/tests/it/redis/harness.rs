//! A domain of a test's own, in whichever Redis.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::cmd;
use linker_actors::adapter::redis::{RedisOptions, RedisPresence};
use linker_core::id::{DomainName, NodeInstance};
use linker_core::port::{BoxFuture, Presence};
use linker_core::testkit::conformance::presence::{SESSIONS_PER_USER, SharedRegistry};

pub(super) use super::server::{PATIENCE, PrivateRedis, clear, raw, shared_url};

/// No test takes so long that a node that it forgot to let beat dies by itself.
const NODE_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) fn options(domain: &DomainName) -> RedisOptions {
    RedisOptions {
        node_timeout: NODE_TIMEOUT,
        // The machine may be busy; what takes time is tried with a time of its own.
        call_timeout: PATIENCE,
        ..RedisOptions::new(domain.clone(), SESSIONS_PER_USER)
    }
}

pub(super) fn new_domain() -> DomainName {
    let name = format!("test-{}", uuid::Uuid::now_v7().simple());
    name.parse().expect("a domain")
}

/// A domain nobody else has, in whichever Redis; its keys go with it.
pub(super) struct Domain {
    pub(super) name: DomainName,
    url: String,
}

impl Domain {
    pub(super) fn at(url: String) -> Self {
        let name = new_domain();
        Self { name, url }
    }

    pub(super) async fn open(&self) -> RedisPresence {
        self.open_with(options(&self.name)).await
    }

    pub(super) async fn open_with(&self, options: RedisOptions) -> RedisPresence {
        let opened = RedisPresence::open(&self.url, options).await.expect("opened");
        opened.probe().await.expect("these tests need a Redis");
        opened
    }
}

impl SharedRegistry for Domain {
    fn adapter(&self) -> BoxFuture<'_, Arc<dyn Presence>> {
        Box::pin(async { Arc::new(self.open().await) as Arc<dyn Presence> })
    }

    fn lapse<'a>(&'a self, node: &'a NodeInstance) -> BoxFuture<'a, ()> {
        Box::pin(async {
            let mut connection = raw(&self.url).await;
            let key = format!("linker:{{{}:n:{}}}", self.name, node.name);
            let removed: u64 = cmd("DEL")
                .arg(key)
                .query_async(&mut connection)
                .await
                .expect("gone");
            assert_eq!(removed, 1, "it had a heartbeat");
        })
    }

    fn empty(&self) -> BoxFuture<'_, ()> {
        Box::pin(clear(&self.url, self.name.as_str()))
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let (url, name) = (std::mem::take(&mut self.url), self.name.clone());
        // A runtime of its own: the test's is busy with this.
        let cleanup = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(clear(&url, name.as_str()));
        });
        let cleaned = cleanup.join();
        assert!(
            cleaned.is_ok() || std::thread::panicking(),
            "keys were left behind"
        );
    }
}
