//! The nodes of one domain follow one document.

use serde_json::{Value, json};

use super::{anz, until_login, xyz};
use crate::harness::{Client, Domain, MetaServer, Node, message, whole};

fn document(domain: &Domain, apps: &[Value]) -> Value {
    json!({
        "domains": [{"name": domain.name, "urls": ["ws://127.0.0.1:8188"]}],
        "clientApps": apps,
    })
}

fn new() -> Value {
    json!({"appName": "NEW", "appId": "app-id-NEW", "masterUserId": "NEW-1000"})
}

async fn start(domain: &Domain, server: &MetaServer, name: &str) -> Node {
    let config = domain.config(name).without("clientApps");
    let config = config.set("meta.url", server.url()).set("meta.refresh", "200ms");
    let node = config.start().await;
    node.await_health().await;
    node
}

#[tokio::test]
async fn an_app_that_comes_is_everywhere_and_nobody_calls_that_a_contradiction() {
    let domain = Domain::new().await;
    let server = MetaServer::start(document(&domain, &[anz(), xyz()])).await;
    let nodes = [
        start(&domain, &server, "a").await,
        start(&domain, &server, "b").await,
    ];
    whole(&nodes).await;
    server.serve(document(&domain, &[anz(), xyz(), new()])).await;
    for node in &nodes {
        until_login(node, "NEW-1", "ok").await;
    }
    // This one has seen nothing of the first document.
    let late = start(&domain, &server, "c").await;
    let here = Client::login(&nodes[0], "ANZ-1").await;
    let mut there = Client::login(&nodes[1], "NEW-2").await;
    let mut further = Client::login(&late, "NEW-3").await;
    here.send(message("NEW-2", 1));
    here.send(message("NEW-3", 2));
    assert_eq!(there.expect("MESSAGE").await["data"]["content"], 1);
    assert_eq!(further.expect("MESSAGE").await["data"]["content"], 2);
    server.serve(document(&domain, &[anz(), xyz()])).await;
    assert_eq!(there.closed().await, Some(1001));
    assert_eq!(further.closed().await, Some(1001));
    for node in nodes.iter().chain([&late]) {
        until_login(node, "NEW-1", "UNKNOWN_APP").await;
        assert!(!node.log().contains("configured differently"), "{}", node.log());
        node.await_health().await;
    }
}
