//! TLS on the node's own ports.

mod certificates;
mod expiry;
mod handshakes;
mod ports;
mod readers;
mod sessions;

use crate::harness::{Node, NodeConfig, Pair};

async fn node() -> (Node, Pair) {
    let pair = Pair::new();
    (NodeConfig::new().with_tls(&pair).start().await, pair)
}
