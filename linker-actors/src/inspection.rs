//! What operators ask of a node: who is where, which nodes there are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use linker_core::id::{AppName, DomainName, MessageId, NodeInstance, NodeName, UserId};
use linker_core::port::{NodeRecord, NodeState, PresenceError, SessionRef, StoreError, WaitReason};

use crate::cluster::{
    Answer, Cluster, MessageWord, Question, SessionWord, message_here, path_of, sessions_here,
};
use crate::handle::LinkerHandle;
use crate::node::Node;
use crate::session::WAITS;

/// A node of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReport {
    /// Its name, unique in the domain.
    pub name: NodeName,
    /// It stops, and takes no sessions any more.
    pub is_draining: bool,
    /// Its sessions.
    pub sessions: u64,
    /// How many it is to have in relation to others.
    pub weight: u32,
    /// When it started, ms since the epoch.
    pub since_ms: u64,
    /// Of the program.
    pub version: String,
    /// Where its clients connect to; empty where it was not told.
    pub url: String,
}

/// A session of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// The node that has it.
    pub node: NodeName,
    /// When it logged in, ms since the epoch; `None` where its node did not answer.
    pub since_ms: Option<u64>,
    /// Where its connection comes from: the client's address, or that of a proxy before the node.
    pub address: Option<IpAddr>,
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageState {
    /// In memory, on its way.
    Pending,
    /// On the disk, for this reason.
    Stored(WaitReason),
    /// Delivery was proven, a moment ago.
    Delivered,
    /// Another domain has taken it over, a moment ago.
    Forwarded,
}

/// What is known of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageReport {
    /// Where it is.
    pub state: MessageState,
    /// The apps of its sender and of its recipient; empty where a node of an older version has it.
    pub apps: Vec<AppName>,
    /// The domains it has been in, this one last.
    pub path: Vec<String>,
    /// Where it goes from here, of what waits for another domain or has gone there.
    pub to: Option<DomainName>,
}

/// Where users live that are not of this domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Their domain.
    pub domain: DomainName,
    /// Where its clients connect to.
    pub urls: Vec<String>,
}

/// Why a question about a user is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// No client app has users of this prefix.
    #[error("no client app has the users of {0}")]
    UnknownUser(linker_core::id::AppName),
    /// Users of this number live nowhere.
    #[error("no domain has {0}")]
    UnknownDomain(UserId),
    /// There are no client apps yet: to be asked again.
    #[error("{WAITS}")]
    NotYet,
    /// Another domain has to be asked.
    #[error("the user lives in {}", .0.domain)]
    Elsewhere(Elsewhere),
}

impl LinkerHandle {
    /// The nodes of the domain that live, by name, as they were when they beat last: up to a second ago.
    pub fn nodes(&self) -> Vec<NodeReport> {
        let node = self.node();
        let own = report(&node.record(BTreeMap::new()));
        let Some(cluster) = &node.cluster else {
            return vec![own];
        };
        let others = cluster.members.load();
        let others = others.iter().filter(|record| record.node != node.me).map(report);
        let mut nodes: Vec<NodeReport> = others.chain([own]).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes
    }

    /// Whether this domain answers for a user.
    ///
    /// # Errors
    /// [`UserError`]: nobody does, or another one.
    pub fn check_home(&self, user: &UserId) -> Result<(), UserError> {
        let directory = self.node().directory();
        if self.node().admission.is_waiting() {
            return Err(UserError::NotYet);
        }
        if directory.app_of(user.app()).is_none() {
            return Err(UserError::UnknownUser(*user.app()));
        }
        match directory.home_of(user) {
            None => Err(UserError::UnknownDomain(*user)),
            Some(home) if home == directory.own_domain() => Ok(()),
            Some(home) => Err(UserError::Elsewhere(Elsewhere {
                domain: home.clone(),
                urls: directory.ws_urls(home).to_vec(),
            })),
        }
    }

    /// What this domain knows of a message while it is kept: on its way, in the store, proven within the last minute by a session of another node than its sender's or after it
    /// had come from another domain, or taken over by another domain within the last minute. `None` for what it has delivered before, or never had.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be asked.
    pub async fn message(&self, id: MessageId) -> Result<Option<MessageReport>, StoreError> {
        let (node, store) = (Arc::clone(self.node()), self.store());
        let own = self.domain_name();
        let asked = node.backend.clone().spawn(async move {
            let stored = store.find(id).await?;
            let words = known_of(&node, id).await;
            let here = |mut path: Vec<String>| {
                path.push(own.to_string());
                path
            };
            if let Some(word) = words.iter().find(|word| word.delivered) {
                return Ok(Some(MessageReport {
                    state: MessageState::Delivered,
                    apps: apps_of(word),
                    path: here(word.path.clone()),
                    to: None,
                }));
            }
            if let Some(row) = stored {
                return Ok(Some(MessageReport {
                    state: MessageState::Stored(row.reason),
                    apps: row.envelope.apps().into(),
                    path: here(path_of(&row.envelope)),
                    to: row.home,
                }));
            }
            // One that has it knows better than one that had it.
            let word = words.into_iter().min_by_key(|word| word.forwarded_to.is_some());
            Ok(word.map(|word| {
                let apps = apps_of(&word);
                let to = word.forwarded_to.and_then(|home| home.parse().ok());
                MessageReport {
                    apps,
                    state: match to {
                        Some(_) => MessageState::Forwarded,
                        None => MessageState::Pending,
                    },
                    path: here(word.path),
                    to,
                }
            }))
        });
        asked
            .await
            .unwrap_or_else(|error| Err(StoreError::Away(error.to_string())))
    }

    /// The sessions that a user has in the domain, oldest first on each node.
    ///
    /// # Errors
    /// [`PresenceError`] when the registry cannot be asked.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<SessionReport>, PresenceError> {
        let node = Arc::clone(self.node());
        let asked = node.backend.clone().spawn(async move {
            let Some(cluster) = &node.cluster else {
                return Ok(here(&node, &user));
            };
            let found = cluster.presence.lookup(vec![user]).await?;
            let mut by_node: BTreeMap<NodeInstance, usize> = BTreeMap::new();
            for SessionRef { node, .. } in found.into_iter().flatten() {
                *by_node.entry(node).or_default() += 1;
            }
            let asked = by_node
                .iter()
                .map(|(instance, count)| there(&node, instance, user, *count));
            let sessions = futures_util::future::join_all(asked).await;
            Ok(sessions.into_iter().flatten().collect())
        });
        asked
            .await
            .unwrap_or_else(|error| Err(PresenceError::Away(error.to_string())))
    }
}

fn here(node: &Node, user: &UserId) -> Vec<SessionReport> {
    sessions_here(node, user)
        .into_iter()
        .map(|word| of_word(&node.me.name, word))
        .collect()
}

async fn there(node: &Arc<Node>, instance: &NodeInstance, user: UserId, count: usize) -> Vec<SessionReport> {
    if *instance == node.me {
        return here(node, &user);
    }
    let question = Question::Sessions {
        user: user.to_string(),
    };
    match Cluster::ask(node, instance, &question).await {
        Some(Answer::Sessions(words)) => words
            .into_iter()
            .map(|word| of_word(&instance.name, word))
            .collect(),
        _ => {
            let unknown = SessionReport {
                node: instance.name.clone(),
                since_ms: None,
                address: None,
            };
            vec![unknown; count]
        }
    }
}

fn apps_of(word: &MessageWord) -> Vec<AppName> {
    word.apps.iter().filter_map(|app| app.parse().ok()).collect()
}

/// What the nodes know of a message, this one first; those that know nothing are left out.
async fn known_of(node: &Arc<Node>, id: MessageId) -> Vec<MessageWord> {
    let here = message_here(node, id).await;
    let others = match &node.cluster {
        Some(cluster) => cluster.members.load_full(),
        None => Arc::default(),
    };
    let question = Question::Message { id: id.to_string() };
    let asked = others
        .iter()
        .filter(|record| record.node != node.me)
        .map(|record| Cluster::ask(node, &record.node, &question));
    let answers = futures_util::future::join_all(asked).await;
    let there = answers.into_iter().filter_map(|answer| match answer {
        Some(Answer::Message(word)) => word,
        _ => None,
    });
    here.into_iter().chain(there).collect()
}

fn of_word(node: &NodeName, word: SessionWord) -> SessionReport {
    SessionReport {
        node: node.clone(),
        since_ms: Some(word.since),
        address: word.address,
    }
}

fn report(record: &NodeRecord) -> NodeReport {
    NodeReport {
        name: record.node.name.clone(),
        is_draining: record.state == NodeState::Draining,
        sessions: record.sessions,
        weight: record.weight,
        since_ms: record.since_ms,
        version: record.version.clone(),
        url: record.url.clone(),
    }
}

impl Node {
    /// What this node tells of itself.
    pub(crate) fn record(&self, settings: BTreeMap<String, String>) -> NodeRecord {
        NodeRecord {
            node: self.me.clone(),
            since_ms: self.since_ms,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            url: self.url.clone(),
            state: match self.draining.load(Ordering::Acquire) {
                true => NodeState::Draining,
                false => NodeState::Up,
            },
            sessions: self.sessions.len() as u64,
            weight: self.config().weight,
            links_down: self.links.down(&self.directory()),
            settings,
        }
    }
}
