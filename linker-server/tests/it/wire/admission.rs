//! At the handshake: origins, and how many connections.

use serde_json::json;

use crate::harness::{Client, Dial, Node, NodeConfig, Raw, WAIT, eventually, upgrade_status};

fn from_origin(origin: &str) -> Dial {
    Dial {
        origin: Some(origin.to_owned()),
        ..Dial::default()
    }
}

#[tokio::test]
async fn an_origin_that_is_not_allowed_is_403_and_no_origin_is_allowed() {
    let allowed = json!(["https://good.example", "http://localhost:4400"]);
    let node = NodeConfig::new()
        .set("server.allowedOrigins", allowed)
        .start()
        .await;
    for origin in ["https://good.example", "http://localhost:4400"] {
        assert_eq!(
            upgrade_status(node.ws, &from_origin(origin)).await,
            101,
            "{origin}"
        );
    }
    for origin in [
        "https://evil.example",
        "http://good.example",
        "https://good.example:8443",
        "https://good.example.evil.example",
        "https://sub.good.example",
        "null",
    ] {
        assert_eq!(
            upgrade_status(node.ws, &from_origin(origin)).await,
            403,
            "{origin}"
        );
    }
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 101);
}

#[tokio::test]
async fn with_no_list_any_origin_is_allowed() {
    let node = Node::start().await;
    assert_eq!(
        upgrade_status(node.ws, &from_origin("https://anything.example")).await,
        101
    );
}

#[tokio::test]
async fn too_many_connections_from_one_address_are_429() {
    let node = NodeConfig::new()
        .set("limits.maxConnectionsPerAddress", 2)
        .start()
        .await;
    let first = Raw::connect(&node).await;
    let _second = Raw::login(&node, "ANZ-1").await;
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 429);
    let elsewhere = Dial {
        host: Some(2),
        ..Dial::default()
    };
    assert_eq!(
        upgrade_status(node.ws, &elsewhere).await,
        101,
        "another address has its own count"
    );
    drop(first);
    eventually("there is room again", WAIT, async || {
        (upgrade_status(node.ws, &Dial::default()).await == 101).then_some(())
    })
    .await;
}

#[tokio::test]
async fn too_many_connections_on_the_node_are_503() {
    let node = NodeConfig::new().set("limits.maxConnections", 2).start().await;
    let first = Raw::connect(&node).await;
    let mut second = Client::login(&node, "ANZ-1").await;
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 503);
    let elsewhere = Dial {
        host: Some(3),
        ..Dial::default()
    };
    assert_eq!(upgrade_status(node.ws, &elsewhere).await, 503);
    second.expect_quiet().await;
    drop(first);
    eventually("there is room again", WAIT, async || {
        (upgrade_status(node.ws, &Dial::default()).await == 101).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_full_node_still_answers_health_and_metrics() {
    let node = NodeConfig::new().set("limits.maxConnections", 1).start().await;
    let _only = Raw::connect(&node).await;
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 503);
    assert_eq!(node.admin_get("/health/live").await.status, 200);
    assert_eq!(node.admin_get("/metrics").await.status, 200);
}
