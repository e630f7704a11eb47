//! What operators ask and only another node can answer: what a session's address is, say. Never on a message's way.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linker_core::bus::BusFrame;
use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, NodeInstance, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Cluster, Peer};
use crate::load::{NodeLoad, SlowWord, load_here, slow_here};
use crate::node::Node;
use crate::router::RouterMail;

/// The bus may lose a question or its answer: it is asked again.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Nobody waits longer for a node.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that wait for an answer at one time.
const WAITING_MAX: usize = 10_000;

/// A question. Answering it twice does no harm. Nodes one version apart ask each other: one that is not understood is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Question {
    /// Which sessions of this user do you have?
    Sessions { user: String },
    /// Do you know of this message?
    Message { id: String },
    /// There is a push to work on.
    Pushes,
    /// How do you do?
    Load,
    /// Which sessions do not keep up?
    Slow,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    Sessions(Vec<SessionWord>),
    Message(Option<MessageWord>),
    Heard,
    Load(Box<NodeLoad>),
    Slow { total: u64, worst: Vec<SlowWord> },
}

/// What a node knows of a message, in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageWord {
    /// A session of that node has proven it.
    pub(crate) delivered: bool,
    /// The apps of its sender and of its recipient; nodes of an older version do not tell.
    #[serde(default)]
    pub(crate) apps: Vec<String>,
    /// It has gone on to this domain, or towards it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forwarded_to: Option<String>,
    /// The domains that it has left.
    #[serde(default)]
    pub(crate) path: Vec<String>,
}

/// A session, in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionWord {
    /// ms since the epoch.
    pub(crate) since: u64,
    #[serde(default)]
    pub(crate) address: Option<IpAddr>,
}

type Waiting = HashMap<u64, oneshot::Sender<Bytes>>;

/// Questions of this node that wait for answers.
#[derive(Default)]
pub(super) struct Questions {
    next: AtomicU64,
    waiting: Mutex<Waiting>,
}

impl Questions {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where too many wait already.
    fn begin(&self) -> Option<(u64, oneshot::Receiver<Bytes>)> {
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING_MAX {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        waiting.insert(number, tell);
        Some((number, told))
    }

    fn end(&self, number: u64) -> Option<oneshot::Sender<Bytes>> {
        self.waiting().remove(&number)
    }
}

impl Cluster {
    /// Asks another node; `None` where it does not answer in time.
    pub(crate) async fn ask(
        node: &Arc<Node>,
        instance: &NodeInstance,
        question: &Question,
    ) -> Option<Answer> {
        Self::ask_within(node, instance, question, PATIENCE).await
    }

    /// As [`Cluster::ask`], with another patience.
    pub(crate) async fn ask_within(
        node: &Arc<Node>,
        instance: &NodeInstance,
        question: &Question,
        patience: Duration,
    ) -> Option<Answer> {
        let cluster = node.cluster.as_ref()?;
        let peer = Self::peer(node, instance)?;
        let body = Bytes::from(serde_json::to_vec(question).ok()?);
        let (number, mut told) = cluster.questions.begin()?;
        let deadline = Instant::now() + patience;
        let mut answer = None;
        while answer.is_none() && Instant::now() < deadline && !peer.is_gone() {
            let body = body.clone();
            peer.tell(&BusFrame::Call { number, body });
            if let Ok(told) = tokio::time::timeout(ASK_EVERY, &mut told).await {
                answer = told.ok();
                break;
            }
        }
        drop(cluster.questions.end(number));
        serde_json::from_slice(&answer?).ok()
    }

    pub(super) fn on_call(node: &Arc<Node>, peer: &Arc<Peer>, number: u64, body: &[u8]) {
        let Ok(question) = serde_json::from_slice::<Question>(body) else {
            return;
        };
        let (node, peer) = (Arc::clone(node), Arc::clone(peer));
        // Routers may be busy; what comes over the bus must not wait for them.
        node.backend.clone().spawn(async move {
            let answer = answer(&node, &question).await;
            if let Some(Ok(body)) = answer.map(|answer| serde_json::to_vec(&answer)) {
                let body = body.into();
                peer.tell(&BusFrame::Reply { number, body });
            }
        });
    }

    pub(super) fn on_reply(&self, number: u64, body: &[u8]) {
        if let Some(tell) = self.questions.end(number) {
            // Not a slice of the batch, which it would keep alive.
            let _ = tell.send(Bytes::copy_from_slice(body));
        }
    }
}

async fn answer(node: &Node, question: &Question) -> Option<Answer> {
    match question {
        Question::Message { id } => Some(Answer::Message(message_here(node, id.parse().ok()?).await)),
        Question::Pushes => {
            node.hear_of_pushes();
            Some(Answer::Heard)
        }
        Question::Load => Some(Answer::Load(Box::new(load_here(node)))),
        Question::Slow => {
            let (total, worst) = slow_here(node);
            Some(Answer::Slow { total, worst })
        }
        Question::Sessions { user } => {
            let user: UserId = user.parse().ok()?;
            Some(Answer::Sessions(sessions_here(node, &user)))
        }
    }
}

/// What this node knows of a message, the store aside.
pub(crate) async fn message_here(node: &Node, id: MessageId) -> Option<MessageWord> {
    if let Some(proven) = node.custody.proven_lately().get(&id) {
        return Some(MessageWord {
            delivered: true,
            apps: names(&proven.apps),
            forwarded_to: None,
            path: names(proven.path()),
        });
    }
    for (_, router) in node.routers.all() {
        let (tell, told) = oneshot::channel();
        if router.send(RouterMail::Find(id, tell)).await.is_err() {
            continue;
        }
        if let Ok(Some(envelope)) = told.await {
            return Some(MessageWord {
                delivered: false,
                apps: names(&envelope.apps()),
                forwarded_to: None,
                path: path_of(&envelope),
            });
        }
    }
    // Last of all: it may have come back.
    let forwarded = node.custody.forwarded_lately().get(&id).cloned()?;
    Some(MessageWord {
        delivered: false,
        apps: names(&forwarded.apps),
        forwarded_to: Some(forwarded.home.to_string()),
        path: names(&forwarded.path),
    })
}

/// The domains that it has left.
pub(crate) fn path_of(envelope: &Envelope) -> Vec<String> {
    let path = envelope.trail.as_ref().map(|trail| &trail.path[..]);
    names(path.unwrap_or_default())
}

fn names<T: ToString>(of: &[T]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

/// The sessions that a user has on this node, oldest first.
pub(crate) fn sessions_here(node: &Node, user: &UserId) -> Vec<SessionWord> {
    let sessions = node.sessions.of(user);
    let word = |entry: &Arc<crate::session::SessionEntry>| SessionWord {
        since: entry.since_ms,
        address: entry.address,
    };
    sessions.iter().map(word).collect()
}
