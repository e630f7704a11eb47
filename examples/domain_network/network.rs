//! The four domains, and the links between them.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use linker_actors::LinkerHandle;
use linker_actors::core::app::ClientApps;
use linker_actors::core::id::UserId;
use linker_actors::core::meta::MetaDocument;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::Outcome;
use crate::domain::Domain;
use crate::journal::Journal;
use crate::names::{APP_ID, DOMAINS, LINKS, Run, USERS, shown};
use crate::proxy::Proxy;
use crate::services::{Place, Services};
use crate::url::{by_way_of, host};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Links that are not up by then will not come up.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// One direction of a link, as the domain it begins at sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Why nothing passes.
    pub(crate) down: Option<String>,
    /// Messages that wait for it.
    pub(crate) backlog: u64,
}

pub(crate) struct Network {
    pub(crate) domains: Vec<Domain>,
    proxies: HashMap<(usize, usize), Proxy>,
}

impl Network {
    /// Starts a node in each domain. Their links may not be up yet.
    pub(crate) async fn new(
        services: &Services<'_>,
        places: &[Place],
        journal: &Arc<Journal>,
    ) -> Outcome<Self> {
        let run = services.run();
        let mut proxies = HashMap::new();
        for (a, b) in LINKS {
            for (from, to) in [(a, b), (b, a)] {
                let target = host(&places[to].amqp, 5672);
                let proxy = Proxy::new(target, (from, to), Arc::clone(journal)).await?;
                proxies.insert((from, to), proxy);
            }
        }
        let mut listeners = Vec::new();
        for _ in 0..DOMAINS {
            listeners.push(TcpListener::bind("127.0.0.1:0")?);
        }
        let document = document(run, &listeners)?;
        let mut starting = Vec::new();
        for (domain, listener) in listeners.into_iter().enumerate() {
            let network = document
                .validate()
                .map_err(|problems| format!("{problems:?}"))?
                .value;
            let directory = network.directory(&run.domain(domain)?, &Arc::new(ClientApps::default()))?;
            let mut links = HashMap::new();
            for ((_, to), proxy) in proxies.iter().filter(|((from, _), _)| *from == domain) {
                links.insert(run.domain(*to)?, by_way_of(&places[*to].amqp, proxy.address()));
            }
            starting.push(Domain::start(directory, places[domain].clone(), links, listener));
        }
        Ok(Self {
            domains: futures_util::future::try_join_all(starting).await?,
            proxies,
        })
    }

    /// Breaks a link in both directions.
    pub(crate) fn cut(&self, a: usize, b: usize) -> Outcome<()> {
        let (there, back) = self.link(a, b)?;
        there.cut();
        back.cut();
        Ok(())
    }

    pub(crate) fn heal(&self, a: usize, b: usize) -> Outcome<()> {
        let (there, back) = self.link(a, b)?;
        there.heal();
        back.heal();
        Ok(())
    }

    fn link(&self, a: usize, b: usize) -> Outcome<(&Proxy, &Proxy)> {
        match (self.proxies.get(&(a, b)), self.proxies.get(&(b, a))) {
            (Some(there), Some(back)) => Ok((there, back)),
            _ => Err(format!("there is no link between {} and {}", shown(a), shown(b)).into()),
        }
    }

    /// All links, in both directions.
    pub(crate) fn ways(&self) -> Vec<Way> {
        let handles: Vec<LinkerHandle> = self.domains.iter().map(Domain::handle).collect();
        ways(&handles)
    }

    /// Waits until a link is up, or down, as both of its domains see it.
    pub(crate) async fn await_link(&self, a: usize, b: usize, up: bool) -> Outcome<()> {
        let is_so = |way: &Way| {
            let is_it = [(a, b), (b, a)].contains(&(way.from, way.to));
            !is_it || way.down.is_none() == up
        };
        let seen = async {
            while !self.ways().iter().all(is_so) {
                sleep(LOOK_EVERY).await;
            }
        };
        let state = if up { "up" } else { "down" };
        let late = |_| format!("the link between {} and {} is not {state}", shown(a), shown(b));
        Ok(timeout(UP_WITHIN, seen).await.map_err(late)?)
    }

    /// Waits until all links are up.
    pub(crate) async fn await_links(&self) -> Outcome<()> {
        for (a, b) in LINKS {
            self.await_link(a, b, true).await?;
        }
        Ok(())
    }

    /// Says when a link has come up or gone down, until the task is ended.
    pub(crate) fn watch_links(&self) -> JoinHandle<()> {
        let handles: Vec<LinkerHandle> = self.domains.iter().map(Domain::handle).collect();
        tokio::spawn(async move {
            let mut known = ways(&handles);
            loop {
                sleep(LOOK_EVERY).await;
                let now = ways(&handles);
                for (before, way) in known.iter().zip(&now) {
                    if before.down.is_some() != way.down.is_some() {
                        let state = way
                            .down
                            .as_ref()
                            .map_or_else(|| "up".into(), |why| format!("down: {why}"));
                        say!(
                            "*    {} sees its link to {} {state}",
                            shown(way.from),
                            shown(way.to)
                        );
                    }
                }
                known = now;
            }
        })
    }

    /// In which domain a user is at home.
    pub(crate) fn home_of(&self, user: &str) -> Outcome<usize> {
        let user: UserId = user.parse().map_err(|error| format!("{user}: {error}"))?;
        if user.app().to_string() != "ANZ" {
            return Err(format!("{user}: the only app here is ANZ").into());
        }
        let is_home = |(from, to): &(u64, Option<u64>)| {
            user.number() >= *from && to.is_none_or(|to| user.number() <= to)
        };
        let home = USERS.iter().position(is_home);
        home.ok_or_else(|| format!("{user} is at home nowhere").into())
    }

    /// Where users of this domain connect to.
    pub(crate) fn url(&self, domain: usize) -> String {
        format!("ws://{}/ws", self.domains[domain].address)
    }

    pub(crate) async fn stop(self) {
        futures_util::future::join_all(self.domains.into_iter().map(Domain::stop)).await;
    }
}

/// What each node knows of its own links.
fn ways(handles: &[LinkerHandle]) -> Vec<Way> {
    let mut ways = Vec::new();
    for (from, handle) in handles.iter().enumerate() {
        let number_of = |name: &str| (0..DOMAINS).find(|domain| name.starts_with(&shown(*domain)));
        for domain in handle.domains() {
            for link in domain.links {
                if let (Some(own), Some(to)) = (link.own, number_of(link.to.as_str())) {
                    ways.push(Way {
                        from,
                        to,
                        down: own.down,
                        backlog: own.backlog,
                    });
                }
            }
        }
    }
    ways
}

/// The document that a meta server would give all of them.
fn document(run: Run, listeners: &[TcpListener]) -> Outcome<MetaDocument> {
    let name = |domain: usize| run.domain(domain).map(|name| name.to_string());
    let (mut domains, mut links, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for (domain, listener) in listeners.iter().enumerate() {
        let url = format!("ws://{}", listener.local_addr()?);
        domains.push(json!({"name": name(domain)?, "urls": [url]}));
        let (from, to) = USERS[domain];
        users.push(json!({"domainName": name(domain)?, "from": from, "to": to}));
    }
    for (a, b) in LINKS {
        links.push(json!({"n1": name(a)?, "n2": name(b)?}));
    }
    Ok(serde_json::from_value(json!({
        "domains": domains,
        "domainLinks": links,
        "clientApps": [{"appName": "ANZ", "appId": APP_ID, "masterUserId": "ANZ-123223", "authEnabled": false}],
        "userDistributions": users,
    }))?)
}
