//! `/health/live` and `/health/ready`.

use crate::harness::{Dial, Node, NodeConfig, Raw, WAIT, eventually, get, referenced, upgrade_status_if_any};

#[tokio::test]
async fn a_node_is_live_and_ready_when_it_says_so() {
    let node = Node::start().await;
    assert_eq!(node.admin_get("/health/live").await.status, 200);
    assert_eq!(node.admin_get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn health_needs_no_token() {
    let node = NodeConfig::new().set("server.adminToken", "t0ken").start().await;
    assert_eq!(node.admin_get("/health/live").await.status, 200);
    assert_eq!(node.admin_get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn a_draining_node_is_not_ready_and_says_why() {
    let mut node = NodeConfig::new().set("server.drainTimeout", "6s").start().await;
    // It neither reads nor closes: the drain has to wait for it.
    let unread = Dial {
        receive_buffer: Some(4096),
        ..Dial::default()
    };
    let _asleep = Raw::login_with(&node, "ANZ-2", serde_json::json!({}), &unread).await;
    let mut sender = crate::harness::Client::login(&node, "ANZ-1").await;
    for n in 0..200 {
        sender.send(referenced("ANZ-2", "x".repeat(30_000), &format!("r{n}")));
    }
    sender.fence().await;
    node.signal("TERM");
    let refusal = eventually("it is not ready after SIGTERM", WAIT, async || {
        match get(node.admin, "/health/ready").await {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(Some(answer)),
            // The drain was over before anybody could ask.
            Err(_) => Some(None),
        }
    })
    .await;
    let refusal = refusal.expect("a drain that waits for a client leaves the admin port open");
    assert_eq!(refusal.status, 503);
    let body = refusal.json();
    assert_eq!(body["status"], "unavailable");
    let why = body["checks"]["drain"].as_str().unwrap_or_default();
    assert!(!why.is_empty() && why != "ok", "{body}");
    assert_eq!(body["checks"]["store"], "ok", "{body}");
    assert_eq!(get(node.admin, "/health/live").await.unwrap().status, 200);
    let newcomer = upgrade_status_if_any(node.ws, &Dial::default()).await;
    assert_ne!(newcomer, Some(101), "no new connections while draining");
    assert_eq!(node.ended().await, 0);
}

#[tokio::test]
async fn ready_names_every_check_that_one_node_has() {
    let node = Node::start().await;
    let answer = node.admin_get("/health/ready").await;
    let body = answer.json();
    for check in ["store", "presence", "bus", "drain"] {
        assert_eq!(body["checks"][check], "ok", "{body}");
    }
}
