//! The library's own door: the handle, message types of a host's own, and nodes inside other programs.

mod directory;
mod failure;
mod handle;
mod message_types;
mod runtimes;
mod settings;
mod stop;
mod tracing;
mod upstream;

use linker_actors::Outgoing;
use serde::Serialize;

use crate::harness::{Node, NodeSpec, Transport};

/// Either transport would do.
fn spec() -> NodeSpec {
    NodeSpec::new(Transport::Upgraded)
}

async fn node() -> Node {
    spec().start().await
}

fn outgoing(content: impl Serialize) -> Outgoing {
    Outgoing::new(&content).expect("it can be written as JSON")
}
