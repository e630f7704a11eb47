//! A node comes into its domain.

use std::sync::Arc;
use std::time::Duration;

use linker_core::port::{BusError, BusReceiver, Store};

use super::inbox::Inbox;
use super::members::Members;
use crate::error::StartError;
use crate::node::Node;

/// How long a start waits for the bus; then it goes on, and is not ready.
const PATIENCE: Duration = Duration::from_secs(3);

/// `is_followed`: its directory is that of a document which changes by itself. Opens this node's inbox and joins the registry. What is away is tried again without end; fails for what waiting cannot mend.
pub(crate) async fn start(
    node: &Arc<Node>,
    store: Arc<dyn Store>,
    is_followed: bool,
) -> Result<(), StartError> {
    if node.cluster.is_none() {
        return Ok(());
    }
    let task = {
        let node = Arc::clone(node);
        node.backend
            .clone()
            .spawn(async move { come_in(node, store, is_followed).await })
    };
    task.await
        .map_err(|error| StartError::Config(error.to_string()))?
}

async fn come_in(node: Arc<Node>, store: Arc<dyn Store>, is_followed: bool) -> Result<(), StartError> {
    let Some(cluster) = &node.cluster else {
        return Ok(());
    };
    node.set_check("bus", Some("the bus is not there yet".into()));
    let inbox: Arc<dyn BusReceiver> = Inbox::open(&node);
    let opening = {
        let (node, bus) = (Arc::clone(&node), Arc::clone(&cluster.bus));
        tokio::spawn(async move { bus.open(node.me.clone(), inbox).await })
    };
    let mut opening = std::pin::pin!(opening);
    match tokio::time::timeout(PATIENCE, &mut opening).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(BusError::Refused(reason)))) => return Err(StartError::Bus(reason)),
        Ok(Ok(Err(error))) => return Err(StartError::Bus(error.to_string())),
        Ok(Err(error)) => return Err(StartError::Bus(error.to_string())),
        // The adapter goes on trying, and tells when it is there.
        Err(_) => tracing::warn!("the bus is away; the node is not ready until it is there"),
    }
    let mut members = Members::new(&node, store, is_followed);
    let joined = members.join(cluster).await;
    joined.map_err(|error| StartError::Presence(error.to_string()))?;
    tokio::spawn(members.run());
    Ok(())
}
