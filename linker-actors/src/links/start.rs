//! A node begins to reach other domains, and ends it.

use std::sync::Arc;
use std::time::Duration;

use linker_core::port::{BusError, IngressReceiver, Store};

use super::ingress::Inlet;
use super::rehome;
use super::states::Keeper;
use crate::error::StartError;
use crate::node::Node;

/// How long a start waits for the ingress; then it goes on.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts what looks after links, and opens the ingress. What is away is tried again without end; fails for what waiting cannot mend.
pub(crate) async fn start(node: &Arc<Node>, store: &Arc<dyn Store>) -> Result<(), StartError> {
    node.backend.spawn(Keeper::new(node, store).run());
    node.backend
        .spawn(rehome::run(Arc::clone(node), Arc::clone(store)));
    if node.links.settings.ingress.is_none() {
        return Ok(());
    }
    let opening = {
        let node = Arc::clone(node);
        node.backend
            .clone()
            .spawn(async move { open_ingress(node).await })
    };
    match tokio::time::timeout(PATIENCE, opening).await {
        Ok(Ok(Err(BusError::Refused(reason)))) => Err(StartError::Bus(reason)),
        Ok(Ok(Ok(()) | Err(_)) | Err(_)) => Ok(()),
        Err(_) => {
            tracing::warn!("the ingress from other domains is not there yet");
            Ok(())
        }
    }
}

async fn open_ingress(node: Arc<Node>) -> Result<(), BusError> {
    let inlet: Arc<dyn IngressReceiver> = Inlet::open(&node);
    match &node.links.settings.ingress {
        Some(ingress) => ingress.open(inlet).await,
        None => Ok(()),
    }
}

/// Nothing more comes in from other domains; what is not safe here goes to another node of this one.
pub(crate) async fn stop(node: &Node) {
    if let Some(ingress) = &node.links.settings.ingress {
        ingress.close().await;
    }
}
