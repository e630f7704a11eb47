//! A node begins to reach other domains, and ends it.

use std::sync::Arc;

use linker_core::port::{IngressReceiver, Store};

use super::counting;
use super::ingress::Inlet;
use super::rehome;
use super::states::Keeper;
use crate::node::Node;

/// Starts what looks after links. What is away is tried again without end.
pub(crate) fn start(node: &Arc<Node>, store: &Arc<dyn Store>) {
    let (keeper, backend) = (Keeper::new(node, store), &node.backend);
    backend.spawn(keeper.run());
    backend.spawn(counting::run(Arc::clone(node), Arc::clone(store)));
    backend.spawn(rehome::run(Arc::clone(node), Arc::clone(store)));
}

/// From now on other domains reach this one by this node too. A domain that has no neighbours needs no ingress, and leaves none behind.
pub(super) fn open_ingress(node: &Arc<Node>) {
    let Some(ingress) = node.links.settings.ingress.clone() else {
        tracing::warn!("other domains cannot reach this one: it has no bus that they could");
        return;
    };
    let inlet: Arc<dyn IngressReceiver> = Inlet::open(node);
    node.backend.spawn(async move {
        // While the broker is away it goes on trying.
        if let Err(error) = ingress.open(inlet).await {
            tracing::error!(error = %error, "other domains cannot reach this node");
        }
    });
}

/// Nothing more comes in from other domains; what is not safe here goes to another node of this one.
pub(crate) async fn stop(node: &Node) {
    if let Some(ingress) = &node.links.settings.ingress {
        ingress.close().await;
    }
}
