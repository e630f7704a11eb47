//! Several nodes of one domain, which nobody else has: its own database, keys and queues, which go with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::services::{Database, host_of, redis, shared_broker};
use super::{Client, Node, NodeConfig, eventually, eventually_telling, get};

/// How long a domain may take to be whole again after a fault has ended.
const WHOLE_WITHIN: Duration = Duration::from_secs(45);

/// Where the services of a domain are.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) presence: String,
    pub(crate) bus: String,
    pub(crate) store: String,
}

/// A domain on the services that are there, or on others that the test brings along.
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) urls: Urls,
    /// Where the keys are cleared in the end; nowhere where the Redis is the test's own.
    keys_at: Option<String>,
    _database: Option<Database>,
}

impl Domain {
    pub(crate) async fn new() -> Self {
        let database = Database::create().await;
        let urls = Urls {
            presence: redis::shared_url(),
            bus: shared_broker(),
            store: database.url(),
        };
        Self {
            name: unique_name(),
            keys_at: Some(urls.presence.clone()),
            urls,
            _database: Some(database),
        }
    }

    /// On the Redis of this url, which the test has for itself.
    pub(crate) fn with_presence(mut self, url: String) -> Self {
        self.urls.presence = url;
        self.keys_at = None;
        self
    }

    /// On the broker of this url.
    pub(crate) fn with_bus(mut self, url: String) -> Self {
        self.urls.bus = url;
        self
    }

    /// On the database of this url.
    pub(crate) fn with_store(mut self, url: String) -> Self {
        self.urls.store = url;
        self
    }

    /// Settings of a node of this domain.
    pub(crate) fn config(&self, node: &str) -> NodeConfig {
        NodeConfig::new()
            .set("node.domain", self.name.as_str())
            .set("node.name", node)
            .set("presence.url", self.urls.presence.as_str())
            .set("bus.url", self.urls.bus.as_str())
            .set("store.url", self.urls.store.as_str())
    }

    /// A node that is ready.
    pub(crate) async fn start(&self, node: &str) -> Node {
        let node = self.config(node).start().await;
        node.await_health().await;
        node
    }

    /// Two nodes that know each other.
    pub(crate) async fn pair(&self) -> [Node; 2] {
        let (a, b) = tokio::join!(self.start("a"), self.start("b"));
        let nodes = [a, b];
        whole(&nodes).await;
        nodes
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let Some(url) = self.keys_at.take() else { return };
        let name = self.name.clone();
        // A runtime of its own: the test's is busy with this.
        let clearing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(redis::clear(&url, &name));
        });
        let cleared = clearing.join();
        assert!(
            cleared.is_ok() || std::thread::panicking(),
            "keys were left behind"
        );
    }
}

pub(crate) fn unique_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let started = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
    format!("it-{}-{started:x}-{number}", std::process::id())
}

/// The url by way of this address, a proxy's.
pub(crate) fn by_way_of(url: &str, address: impl ToString) -> String {
    url.replacen(&host_of(url), &address.to_string(), 1)
}

impl Node {
    /// What `/health/ready` says, and whether that is yes; nothing where nobody answers.
    pub(crate) async fn health(&self) -> Option<(bool, Value)> {
        let response = get(self.admin, "/health/ready").await.ok()?;
        Some((response.status == 200, response.json()["checks"].clone()))
    }

    /// Waits until the node is ready.
    pub(crate) async fn await_health(&self) {
        self.await_check(|ready, _| ready).await;
    }

    /// Waits until `/health/ready` says what is wanted, and says what that is.
    pub(crate) async fn await_check(&self, wanted: impl Fn(bool, &Value) -> bool) -> Value {
        const WITHIN: Duration = Duration::from_secs(60);
        eventually_telling("the health that is wanted", WITHIN, async || {
            match self.health().await {
                Some((ready, checks)) if wanted(ready, &checks) => Ok(checks),
                health => Err(format!("(it is {health:?})")),
            }
        })
        .await
    }

    /// Whether the registry has as many sessions of this node as the node has.
    async fn agrees_with_the_registry(&self) -> bool {
        let metrics = self.metrics().await;
        metrics.value("linker_sessions", &[]) == metrics.value("linker_presence_entries", &[])
    }

    /// Waits until the registry equals the node's sessions.
    pub(crate) async fn await_registry(&self, within: Duration) {
        eventually("the registry equals the sessions", within, async || {
            self.agrees_with_the_registry().await.then_some(())
        })
        .await;
    }
}

/// All nodes are ready, the registry equals their sessions, and users of each reach those of each other.
pub(crate) async fn whole(nodes: &[Node]) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    eventually("the domain is whole", WHOLE_WITHIN, async || {
        for node in nodes {
            let (ready, _) = node.health().await?;
            (ready && node.agrees_with_the_registry().await).then_some(())?;
        }
        Some(())
    })
    .await;
    let mut users = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        users.push(Client::login(node, &format!("XYZ-{}", 900_000 + number)).await);
    }
    for from in 0..users.len() {
        for to in 0..users.len() {
            let reference = format!("whole-{call}-{from}-{to}");
            users[from]
                .delivery_fence(&format!("XYZ-{}", 900_000 + to), &reference)
                .await;
        }
    }
    for user in users {
        user.close().await;
    }
}
