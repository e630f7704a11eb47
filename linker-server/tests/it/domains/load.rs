//! Faults under load, with the checker: nothing acknowledged is lost, order holds, all is confirmed.

use crate::harness::{Cast, Network, Node, Traffic, doors};

/// Users of four domains, everybody to everybody; by their domains.
fn cast() -> Cast {
    Cast {
        senders: vec![
            ("ANZ-1", 0),
            ("ANZ-1000001", 1),
            ("XYZ-2000001", 2),
            ("XYZ-3000001", 3),
        ],
        present: vec![
            ("ANZ-11", 0),
            ("ANZ-1000011", 1),
            ("ANZ-2000011", 2),
            ("ANZ-3000011", 3),
        ],
        absent: vec![("ANZ-2000021", 2)],
        ordered: true,
    }
}

fn traffic(nodes: &[Node]) -> Traffic {
    Traffic::start_at(doors(nodes), cast())
}

/// Where something may be held up for longer than what was sent after it waits.
fn unordered_traffic(nodes: &[Node]) -> Traffic {
    let cast = Cast {
        ordered: false,
        ..cast()
    };
    Traffic::start_at(doors(nodes), cast)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_link_cut_and_healed_loses_nothing() {
    let network = Network::ring().await;
    let nodes = network.start_all().await;
    let traffic = traffic(&nodes);
    traffic.flows(100).await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    traffic.flows(200).await;
    network.heal(0, 1);
    network.await_link(&nodes[0], 1, true).await;
    traffic.flows(100).await;
    assert!(traffic.settle().await > 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_that_is_cut_off_comes_back_by_itself() {
    let network = Network::ring().await;
    let nodes = network.start_all().await;
    // What a neighbour had stored for it when the last way closed comes when that neighbour's link is back, which may be longer than what was sent after it waits.
    let traffic = unordered_traffic(&nodes);
    traffic.flows(100).await;
    network.cut(1, 2);
    network.cut(2, 3);
    network.await_link(&nodes[1], 2, false).await;
    network.await_link(&nodes[3], 2, false).await;
    traffic.flows(200).await;
    network.heal(1, 2);
    network.heal(2, 3);
    network.await_links(&nodes, |_, _| true).await;
    traffic.flows(100).await;
    assert!(traffic.settle().await > 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_domain_killed_and_started_again_loses_nothing() {
    let network = Network::ring().await;
    let mut nodes = network.start_all().await;
    let traffic = unordered_traffic(&nodes);
    traffic.flows(100).await;
    nodes[1].kill9();
    traffic.flows(100).await;
    nodes[1].start_again().await;
    traffic.moved_in(1, nodes[1].ws);
    network.await_links(&nodes, |_, _| true).await;
    traffic.flows(100).await;
    assert!(traffic.settle().await > 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_flap_lose_nothing() {
    let network = Network::ring().await;
    let nodes = network.start_all().await;
    // What is under way when three links come and go may be held up for longer than what was sent after it waits.
    let traffic = unordered_traffic(&nodes);
    traffic.flows(50).await;
    for turn in 0..6 {
        let link = [(0, 1), (1, 2), (2, 3)][turn % 3];
        network.cut(link.0, link.1);
        network
            .await_links(&nodes, |from, to| (from, to) != link && (to, from) != link)
            .await;
        traffic.flows(20).await;
        network.heal(link.0, link.1);
        network.await_links(&nodes, |_, _| true).await;
        traffic.flows(20).await;
    }
    traffic.flows(100).await;
    assert!(traffic.settle().await > 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_meta_server_gone_and_two_documents_in_turn_disturb_nothing() {
    let mut network = Network::ring().await;
    let nodes = network.start_all().await;
    let traffic = traffic(&nodes);
    traffic.flows(100).await;
    network.meta.kill9();
    traffic.flows(100).await;
    network.meta.start_again().await;
    // Others' homes change: these stay where they are.
    for moved in [500, 600, 700] {
        network.meta.serve(network.document(&[(moved, moved, 3)])).await;
        traffic.flows(50).await;
    }
    assert!(traffic.settle().await > 300);
}
