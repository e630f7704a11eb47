//! Senders who were set aside by a node that is gone, or by this one before it started: what waits for them in the store is this node's now.

use std::sync::Arc;
use std::time::Duration;

use linker_core::id::UserId;
use linker_core::port::Store;
use tokio::sync::mpsc;

use crate::links::others;
use crate::node::Node;

/// How often it is looked for, if nobody says that a node is gone.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How soon a store that is away is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Looks for as long as the node runs. What is found is told, the first time also where that is nothing.
pub(super) async fn run(node: Arc<Node>, store: Arc<dyn Store>, found: mpsc::Sender<Vec<UserId>>) {
    let mut is_first = true;
    loop {
        let Ok(backlog) = store.backlog(others(&node)).await else {
            tokio::time::sleep(ASK_AGAIN).await;
            continue;
        };
        let senders: Vec<UserId> = backlog
            .into_iter()
            .filter(|(_, rows)| *rows > 0)
            .filter_map(|(home, _)| home.aside_sender())
            .filter(|sender| !node.upstream.is_aside(sender))
            .collect();
        if (!senders.is_empty() || is_first) && found.send(senders).await.is_err() {
            return;
        }
        is_first = false;
        let _ = tokio::time::timeout(LOOK_EVERY, node.upstream.gone.notified()).await;
    }
}
