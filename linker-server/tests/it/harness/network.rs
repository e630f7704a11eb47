//! Several domains with links between them: each with its own database, keys and queues, and each direction of a link by way of a proxy.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::config::{MASTER, OTHER_MASTER};
use super::services::{clear_ingress, host_of};
use super::{Client, Domain, Frame, MetaServer, Node, NodeConfig, Proxy, WAIT, by_way_of, eventually};

/// How many users each domain has room for: those of domain `n` have numbers from `n * USERS`.
const USERS: u64 = 1_000_000;

/// User number `n` of the app `ANZ` of this domain.
pub(crate) fn user_of(domain: usize, n: u64) -> String {
    format!("ANZ-{}", domain as u64 * USERS + n)
}

/// A network, with the meta server that tells of it.
pub(crate) struct Network {
    pub(crate) domains: Vec<Domain>,
    pub(crate) meta: MetaServer,
    links: Vec<(usize, usize)>,
    proxies: HashMap<(usize, usize), Proxy>,
}

impl Network {
    /// So many domains, linked so. No node runs yet.
    pub(crate) async fn new(domains: usize, links: &[(usize, usize)]) -> Self {
        let mut all = Vec::new();
        for _ in 0..domains {
            all.push(Domain::new().await);
        }
        let mut proxies = HashMap::new();
        for &(a, b) in links {
            for (from, to) in [(a, b), (b, a)] {
                let proxy = Proxy::to(&host_of(&all[to].urls.bus)).await;
                proxies.insert((from, to), proxy);
            }
        }
        let document = document(&all, links, &[]);
        Self {
            meta: MetaServer::start(document).await,
            domains: all,
            links: links.to_vec(),
            proxies,
        }
    }

    /// A line of domains: 0 – 1 – 2 – …
    pub(crate) async fn line(domains: usize) -> Self {
        let links: Vec<_> = (1..domains).map(|n| (n - 1, n)).collect();
        Self::new(domains, &links).await
    }

    /// The seed's ring of four: 0 – 1 – 2 – 3 – 0.
    pub(crate) async fn ring() -> Self {
        Self::new(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]).await
    }

    /// The name of a domain.
    pub(crate) fn name(&self, domain: usize) -> &str {
        &self.domains[domain].name
    }

    /// Settings of a node.
    pub(crate) fn config(&self, domain: usize, node: &str) -> NodeConfig {
        let mut config = self.domains[domain]
            .config(node)
            .without("clientApps")
            .set("meta.url", self.meta.url())
            .set("meta.refresh", "200ms");
        for ((from, to), proxy) in &self.proxies {
            if *from == domain {
                let url = by_way_of(&self.domains[*to].urls.bus, proxy.address());
                config = config.set(&format!("links.{}.url", self.name(*to)), url);
            }
        }
        config
    }

    /// A node that is ready.
    pub(crate) async fn start(&self, domain: usize, node: &str) -> Node {
        let node = self.config(domain, node).start().await;
        node.await_health().await;
        node
    }

    /// A node in each domain, all links being up.
    pub(crate) async fn start_all(&self) -> Vec<Node> {
        let starts = (0..self.domains.len()).map(|domain| self.start(domain, "a"));
        let nodes = futures_util::future::join_all(starts).await;
        self.await_links(&nodes, |_, _| true).await;
        nodes
    }

    /// Waits until the links are up or down as wanted, as their own nodes see them; one node a domain, in order.
    pub(crate) async fn await_links(&self, nodes: &[Node], wanted: impl Fn(usize, usize) -> bool) {
        for &(a, b) in &self.links {
            for (from, to) in [(a, b), (b, a)] {
                if from < nodes.len() {
                    self.await_link(&nodes[from], to, wanted(from, to)).await;
                }
            }
        }
    }

    /// Waits until a node says that its link to this domain is up, or down.
    pub(crate) async fn await_link(&self, node: &Node, to: usize, up: bool) {
        let what = format!("the link to domain {to} is {}", if up { "up" } else { "down" });
        eventually(&what, WAIT, async || {
            (link_up(node, self.name(to)).await? == up).then_some(())
        })
        .await;
    }

    /// Breaks a link in both directions.
    pub(crate) fn cut(&self, a: usize, b: usize) {
        self.proxies[&(a, b)].cut();
        self.proxies[&(b, a)].cut();
    }

    /// Nothing passes any more, and nobody is told.
    pub(crate) fn stall(&self, a: usize, b: usize) {
        self.proxies[&(a, b)].stall();
        self.proxies[&(b, a)].stall();
    }

    /// All that passes comes so much later.
    pub(crate) fn delay(&self, a: usize, b: usize, by: Duration) {
        self.proxies[&(a, b)].delay(by);
        self.proxies[&(b, a)].delay(by);
    }

    /// The end of whatever was wrong with a link.
    pub(crate) fn heal(&self, a: usize, b: usize) {
        self.proxies[&(a, b)].heal();
        self.proxies[&(b, a)].heal();
    }

    /// The document, with users of some numbers living elsewhere: `(from, to, domain)`.
    pub(crate) fn document(&self, moved: &[(u64, u64, usize)]) -> String {
        document(&self.domains, &self.links, moved)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let clears: Vec<(String, String)> = self
            .domains
            .iter()
            .map(|domain| (domain.urls.bus.clone(), domain.name.clone()))
            .collect();
        // A runtime of its own: the test's is busy with this.
        let clearing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                for (url, name) in clears {
                    clear_ingress(&url, &name).await;
                }
            });
        });
        let cleared = clearing.join();
        assert!(
            cleared.is_ok() || std::thread::panicking(),
            "queues were left behind"
        );
    }
}

fn document(domains: &[Domain], links: &[(usize, usize)], moved: &[(u64, u64, usize)]) -> String {
    let name = |domain: usize| domains[domain].name.as_str();
    let mut ranges: Vec<Value> = moved
        .iter()
        .map(|(from, to, domain)| json!({"domainName": name(*domain), "from": from, "to": to}))
        .collect();
    for domain in 0..domains.len() {
        let mut from = domain as u64 * USERS;
        let end = from + USERS - 1;
        let own = from..=end;
        for (gone_from, gone_to, _) in moved.iter().filter(|(gone, _, _)| own.contains(gone)) {
            if *gone_from > from {
                ranges.push(json!({"domainName": name(domain), "from": from, "to": gone_from - 1}));
            }
            from = gone_to + 1;
        }
        ranges.push(json!({"domainName": name(domain), "from": from, "to": end}));
    }
    json!({
        "domains": domains.iter().map(|domain| json!({
            "name": domain.name, "urls": [format!("ws://{}.example:8088", domain.name)],
        })).collect::<Vec<_>>(),
        "domainLinks": links.iter().map(|(a, b)| json!({"n1": name(*a), "n2": name(*b)})).collect::<Vec<_>>(),
        "clientApps": [
            {"appName": "ANZ", "appId": "app-id-343", "masterUserId": MASTER, "authEnabled": false},
            {"appName": "XYZ", "appId": "app-id-XYZ", "masterUserId": OTHER_MASTER, "authEnabled": false},
            {"appName": "ISO", "appId": "app-id-ISO", "authEnabled": false, "isolated": true},
        ],
        "userDistributions": ranges,
    })
    .to_string()
}

/// What the node's metrics say of a link.
async fn link_up(node: &Node, to: &str) -> Option<bool> {
    let metrics = node.metrics().await;
    Some(metrics.sum("linker_link_up", &[("domain", to)])? == 1.0)
}

impl Node {
    /// How many messages wait for the link to this domain.
    pub(crate) async fn link_backlog(&self, to: &str) -> f64 {
        let metrics = self.metrics().await;
        metrics
            .sum("linker_link_backlog", &[("domain", to)])
            .unwrap_or_default()
    }
}

/// Where users of each domain get in.
pub(crate) fn doors(nodes: &[Node]) -> Vec<Vec<SocketAddr>> {
    nodes.iter().map(|node| vec![node.ws]).collect()
}

/// A message of one to the other is delivered and confirmed.
pub(crate) async fn reaches(from: &mut Client, to: &mut Client, user: &str, reference: &str) {
    from.delivery_fence(user, reference).await;
    let is_it = |frame: &Frame| frame.kind() == "MESSAGE" && frame["reference"] == reference;
    to.find(&format!("the message {reference}"), is_it).await;
}

/// Waits until so many messages wait for a user, who looks without taking any.
pub(crate) async fn await_missing(node: &Node, user: &str, wanted: u64) {
    let what = format!("{wanted} messages wait for {user}");
    eventually(&what, WAIT, async || {
        let mut client = Client::try_connect(node.ws).await?;
        client.send(with_options(user, json!({"ack": "client"})));
        let reply = client.next_or_closed().await?;
        let waits = reply["data"]["missing"] == wanted;
        client.close().await;
        waits.then_some(())
    })
    .await;
}

fn with_options(user: &str, options: Value) -> Value {
    let mut frame = super::auth(user);
    frame["data"]["options"] = options;
    frame
}
