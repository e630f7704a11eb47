//! The graph's actor: makes the directory that sessions and routers look things up in. They hold its snapshot, so the hot path sends it nothing.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use linker_core::directory::Directory;

use crate::node::Node;

/// The host: apps, users or domains have changed. On `Full` it is refused to the caller.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Publish(pub(crate) Arc<Directory>);

/// Publishes directories.
pub(crate) struct GraphActor {
    node: Arc<Node>,
}

impl GraphActor {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

impl Actor for GraphActor {
    type Context = Context<Self>;
}

impl Handler<Publish> for GraphActor {
    type Result = ();

    fn handle(&mut self, Publish(directory): Publish, _: &mut Self::Context) {
        tracing::info!(
            domain.name = %directory.own_domain(),
            apps = directory.apps().iter().len(),
            "a new directory is in force"
        );
        self.node.set_directory(directory);
    }
}
