//! kill -9 of nodes under load: nothing that was promised is lost, and who is left goes on.

use crate::harness::{Cast, Client, Domain, MASTER, Node, Traffic, whole};

fn traffic(nodes: &[Node; 2]) -> Traffic {
    let doors = nodes.iter().map(|node| node.ws).collect();
    Traffic::start(doors, Cast::unordered())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_again_and_again_costs_nothing_that_was_promised() {
    let domain = Domain::new().await;
    let mut nodes = domain.pair().await;
    let traffic = traffic(&nodes);
    traffic.flows(100).await;
    for round in 0..3 {
        let victim = round % 2;
        nodes[victim].kill9();
        // Everybody is at the other node now.
        traffic.flows(100).await;
        nodes[victim].start_again().await;
        traffic.moved(victim, nodes[victim].ws);
        whole(&nodes).await;
        traffic.flows(50).await;
    }
    assert!(traffic.settle().await > 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_killed_at_once_lose_nothing_that_was_promised() {
    let domain = Domain::new().await;
    let mut nodes = domain.pair().await;
    let traffic = traffic(&nodes);
    for round in 0..2 {
        traffic.flows(60 * (round + 1)).await;
        for node in &mut nodes {
            node.kill9();
        }
        let [a, b] = &mut nodes;
        tokio::join!(a.start_again(), b.start_again());
        for (number, node) in nodes.iter().enumerate() {
            traffic.moved(number, node.ws);
        }
        whole(&nodes).await;
    }
    assert!(traffic.settle().await > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_users_of_a_killed_node_are_told_gone_once() {
    let domain = Domain::new().await;
    let mut nodes = domain.pair().await;
    let mut master = Client::login(&nodes[0], MASTER).await;
    let mut lost = Vec::new();
    for n in 1..=20 {
        lost.push(Client::login(&nodes[1], &format!("ANZ-{n}")).await);
        assert_eq!(master.next().await.kind(), "USER_CONNECTED");
    }
    nodes[1].kill9();
    let mut gone: Vec<String> = Vec::new();
    for _ in 1..=20 {
        let event = master.next().await;
        assert_eq!(event.kind(), "USER_DISCONNECTED", "{}", event.text);
        gone.push(event["data"]["userId"].to_string());
    }
    gone.sort();
    gone.dedup();
    assert_eq!(gone.len(), 20);
    nodes[1].start_again().await;
    let _fence = Client::login(&nodes[1], "ANZ-100").await;
    let event = master.next().await;
    assert_eq!(
        (event.kind(), &event["data"]["userId"]),
        ("USER_CONNECTED", &"ANZ-100".into())
    );
}
