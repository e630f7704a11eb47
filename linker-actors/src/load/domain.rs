//! What the nodes of a domain tell of themselves. However many ask, each node is asked once a second at most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use linker_core::id::NodeName;

use super::NodeLoad;
use super::meter::load_here;
use super::slow::{SLOW_MAX, SlowSession, SlowSessions, SlowWord, slow_here};
use crate::cluster::{Answer, Cluster, Question};
use crate::handle::LinkerHandle;
use crate::node::Node;

/// A node that has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is younger is told again.
const FRESH: Duration = Duration::from_secs(1);

/// What was told lately, and when. Whoever asks while others are being asked waits for the same answers.
pub(super) type Asked<T> = tokio::sync::Mutex<Option<(Duration, BTreeMap<NodeName, T>)>>;

impl LinkerHandle {
    /// How the nodes of the domain do, by name; up to a second old. Nodes that do not answer within a second are left out.
    pub async fn loads(&self) -> BTreeMap<NodeName, NodeLoad> {
        let node = Arc::clone(self.node());
        let asked = node.backend.clone().spawn(async move { loads(&node).await });
        asked.await.unwrap_or_default()
    }

    /// The sessions of the domain that do not keep up with what they are sent; up to a second old.
    pub async fn slow_sessions(&self) -> SlowSessions {
        let node = Arc::clone(self.node());
        let asked = node.backend.clone().spawn(async move { slow(&node).await });
        asked.await.unwrap_or_default()
    }
}

async fn loads(node: &Arc<Node>) -> BTreeMap<NodeName, NodeLoad> {
    let mut known = node.meter.loads.lock().await;
    if let Some((at, loads)) = &*known
        && is_fresh(node, *at)
    {
        // This node's own are at hand.
        let mut loads = loads.clone();
        loads.insert(node.me.name.clone(), load_here(node));
        return loads;
    }
    let answers = ask_others(node, &Question::Load).await;
    let told = answers.into_iter().filter_map(|(name, answer)| match answer {
        Some(Answer::Load(load)) => Some((name, *load)),
        _ => None,
    });
    let mut loads: BTreeMap<NodeName, NodeLoad> = told.collect();
    loads.insert(node.me.name.clone(), load_here(node));
    *known = Some((node.clock.now().elapsed, loads.clone()));
    loads
}

async fn slow(node: &Arc<Node>) -> SlowSessions {
    let mut known = node.meter.slow.lock().await;
    if let Some((at, slow)) = &*known
        && is_fresh(node, *at)
    {
        return slow.clone();
    }
    let mut slow = SlowSessions::default();
    let (total, words) = slow_here(node);
    slow.add(&node.me.name, total, words);
    for (name, answer) in ask_others(node, &Question::Slow).await {
        match answer {
            Some(Answer::Slow { total, worst }) => slow.add(&name, total, worst),
            _ => slow.silent.push(name),
        }
    }
    slow.sessions
        .sort_by_key(|session| (session.since_ms, session.user));
    slow.sessions.truncate(SLOW_MAX);
    *known = Some((node.clock.now().elapsed, slow.clone()));
    slow
}

fn is_fresh(node: &Node, at: Duration) -> bool {
    node.clock.now().elapsed.saturating_sub(at) < FRESH
}

/// Asks all others at the same time.
async fn ask_others(node: &Arc<Node>, question: &Question) -> Vec<(NodeName, Option<Answer>)> {
    let members = match &node.cluster {
        Some(cluster) => cluster.members.load_full(),
        None => Arc::default(),
    };
    let others = members.iter().filter(|record| record.node != node.me);
    let asked = others.map(|record| async {
        let answer = Cluster::ask_within(node, &record.node, question, PATIENCE).await;
        (record.node.name.clone(), answer)
    });
    futures_util::future::join_all(asked).await
}

impl SlowSessions {
    fn add(&mut self, node: &NodeName, total: u64, words: Vec<SlowWord>) {
        self.total += total;
        let sessions = words.into_iter().take(SLOW_MAX).filter_map(|word| {
            Some(SlowSession {
                user: word.user.parse().ok()?,
                node: node.clone(),
                unproven_bytes: word.bytes,
                since_ms: word.since,
            })
        });
        self.sessions.extend(sessions);
    }
}
