//! Asking presence where users are.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use linker_core::id::UserId;
use linker_core::port::SessionRef;

use super::messages::RouterMail;
use super::targets::Sought;
use crate::cluster::{Cluster, Located};
use crate::node::Node;

/// Users of one question.
const USERS_MAX: usize = 1000;
/// Presence that does not answer within this time is away for those who wait.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks, and mails the answer to the router `shard`.
pub(super) fn ask(node: Arc<Node>, shard: u16, sought: Vec<Sought>) {
    let backend = node.backend.clone();
    backend.spawn(async move {
        let mut located = Vec::with_capacity(sought.len());
        let mut as_of: HashMap<UserId, u64> = HashMap::with_capacity(sought.len());
        for (user, since) in sought {
            // The oldest is the one that may have been overtaken by a change.
            as_of.entry(user).or_insert(since);
        }
        let users: Vec<UserId> = as_of.keys().copied().collect();
        for users in users.chunks(USERS_MAX) {
            located.extend(locate(&node, users, &as_of).await);
        }
        if let Some(router) = node.routers.recipient(shard) {
            let _ = router.send(RouterMail::Located(located)).await;
        }
    });
}

async fn locate(
    node: &Arc<Node>,
    users: &[UserId],
    as_of: &HashMap<UserId, u64>,
) -> Vec<(UserId, Option<Located>)> {
    let Some(cluster) = &node.cluster else {
        return Vec::new();
    };
    let asked = cluster.presence.lookup(users.to_vec());
    let answers = tokio::time::timeout(PATIENCE, asked).await;
    let Ok(Ok(answers)) = answers else {
        cluster.set_presence_away(true);
        return users.iter().map(|user| (*user, None)).collect();
    };
    let mut located = Vec::with_capacity(users.len());
    for (user, sessions) in users.iter().zip(answers) {
        let peers = peers_of(node, &sessions);
        if let Some(since) = as_of.get(user) {
            cluster.whereabouts.remember(*user, &peers, *since);
        }
        located.push((*user, Some(peers)));
    }
    located
}

/// The other nodes of these sessions.
fn peers_of(node: &Arc<Node>, sessions: &[SessionRef]) -> Located {
    let mut peers = Located::new();
    for session in sessions {
        if let Some(peer) = Cluster::peer(node, &session.node)
            && !peers.iter().any(|known| known.id == peer.id)
        {
            peers.push(peer);
        }
    }
    peers
}
