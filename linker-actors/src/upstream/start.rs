//! A node begins to hand messages to the application.

use std::sync::Arc;

use linker_core::port::Store;
use tokio::sync::mpsc;

use super::dispatch::Dispatcher;
use super::finding;
use crate::links::pump;
use crate::node::Node;

/// Starts what hands messages over, and what reads those that wait in the store. Where the application is away it is tried again without end.
pub(crate) fn start(node: &Arc<Node>, store: &Arc<dyn Store>) {
    let backend = &node.backend;
    let Some(sink) = node.upstream.settings.sink.clone() else {
        backend.spawn(warn_of_left(Arc::clone(node), Arc::clone(store)));
        return;
    };
    let way = Arc::clone(&node.upstream.way);
    backend.spawn(pump::run(Arc::clone(node), Arc::clone(store), way));
    let (tell, found) = mpsc::channel(1);
    backend.spawn(finding::run(Arc::clone(node), Arc::clone(store), tell));
    backend.spawn(Dispatcher::new(node, store, sink, found).run());
}

/// What waits for an application that no node knows any more is not lost, and not handed over.
async fn warn_of_left(node: Arc<Node>, store: Arc<dyn Store>) {
    let Ok(backlog) = store.backlog(Vec::new()).await else {
        return;
    };
    let left = backlog.iter().find(|(home, _)| *home == node.upstream.home);
    if let Some((_, rows)) = left.filter(|(_, rows)| *rows > 0) {
        tracing::warn!(
            rows,
            "messages to the application wait in the store, and this node has no upstream to hand them to"
        );
    }
}
