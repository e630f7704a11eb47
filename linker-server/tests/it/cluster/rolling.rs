//! Nodes restarted one after the other while users write and read.

use std::time::{Duration, Instant};

use super::local::LocalUsers;
use crate::harness::{Cast, Domain, Traffic, whole};

/// `server.drainTimeout`, by default.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_nothing_and_is_quick() {
    let domain = Domain::new().await;
    let (pair, third) = tokio::join!(domain.pair(), domain.start("c"));
    let [a, b] = pair;
    let mut nodes = [a, b, third];
    whole(&nodes).await;
    let doors = nodes.iter().map(|node| node.ws).collect();
    // Whose node stops moves: order between nodes does not hold meanwhile (docs/SEMANTICS.md, Known limits).
    let traffic = Traffic::start(doors, Cast::unordered());
    for number in 0..nodes.len() {
        traffic.flows(100).await;
        let local = LocalUsers::start(&nodes[(number + 1) % 3], 500).await;
        let begun = Instant::now();
        assert_eq!(nodes[number].terminate().await, 0);
        let took = begun.elapsed();
        // It ends when it is done, and not when its time is over.
        assert!(took < DRAIN_TIMEOUT, "the drain took {took:?}");
        assert!(
            !nodes[number]
                .log()
                .contains("before everything was proven or stored"),
            "the drain gave up"
        );
        nodes[number].start_again().await;
        assert!(
            !nodes[number].log().contains("the name of this node is taken"),
            "it was given free by the drain"
        );
        traffic.moved(number, nodes[number].ws);
        whole(&nodes).await;
        local.noticed_nothing().await;
    }
    assert!(traffic.settle().await > 300);
}
