//! Nodes of a domain are told of a change one after the other.

use serde_json::json;

use super::{assert_line, reload};
use crate::harness::{Api, Client, Domain, Node, WAIT, eventually};

async fn nodes() -> (Domain, [Node; 2]) {
    let domain = Domain::new().await;
    let nodes = [domain.start("a").await, domain.start("b").await];
    // Each has found the other, and to be configured alike.
    for node in &nodes {
        eventually("it knows both nodes", WAIT, async || {
            let known = Api::of(node).get("/api/v1/nodes").await.json();
            (known.as_array()?.len() == 2).then_some(())
        })
        .await;
        node.await_check(|ready, checks| ready && checks["cluster"] == "ok")
            .await;
    }
    let mut here = Client::login(&nodes[0], "ANZ-1").await;
    let _there = Client::login(&nodes[1], "ANZ-2").await;
    here.delivery_fence("ANZ-2", "r1").await;
    (domain, nodes)
}

#[tokio::test]
async fn a_change_that_comes_to_one_node_first_takes_none_out_of_service() {
    let (_domain, mut nodes) = nodes().await;
    for turn in 0..2 {
        nodes[turn].config.put("limits.sessionsPerUser", json!(1));
        nodes[turn].config.put("limits.maxFrameBytes", json!("32KiB"));
        let log = reload(&nodes[turn]).await;
        assert_line(&log, &["a new configuration is in force", "limits"]);
        // Both beat every second: what one has registered is with the other when this has gone through.
        let mut here = Client::login(&nodes[0], "ANZ-3").await;
        let _there = Client::login(&nodes[1], "ANZ-4").await;
        here.delivery_fence("ANZ-4", &format!("after {turn}")).await;
        for node in &nodes {
            assert_eq!(node.admin_get("/health/ready").await.status, 200);
        }
    }
    // One session a user, wherever it is.
    let mut first = Client::login(&nodes[0], "ANZ-5").await;
    let _second = Client::login(&nodes[1], "ANZ-5").await;
    assert_eq!(first.closed().await, Some(4009));
    for node in &nodes {
        assert!(!node.log().contains("configured differently"), "{}", node.log());
    }
}
