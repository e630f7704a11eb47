//! Users who come and go all the time, with nothing wrong otherwise.

use crate::harness::{Cast, Domain, Traffic, whole};

const ROUNDS: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_who_come_and_go_lose_nothing() {
    let domain = Domain::new().await;
    let nodes = domain.pair().await;
    whole(&nodes).await;
    let traffic = Traffic::start(nodes.iter().map(|node| node.ws).collect(), Cast::of_two_nodes());
    for _ in 0..ROUNDS {
        traffic.flows(12).await;
        traffic.readers_return();
    }
    assert!(traffic.settle().await > 200);
}
