//! Limits, origins, the log level.

use serde_json::json;

use super::{assert_line, reload};
use crate::harness::{Client, Dial, Node, NodeConfig, Raw, WAIT, eventually, message, upgrade_status};

#[tokio::test]
async fn sessions_that_are_there_go_by_the_new_limits() {
    let mut node = Node::start().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    let mut other = Client::login(&node, "ANZ-2").await;
    node.config.put("limits.messagesPerSecond", json!(1));
    let log = reload(&node).await;
    assert_line(&log, &["a new configuration is in force", "limits"]);
    for _ in 0..5 {
        user.send(message("ANZ-1", 0));
    }
    user.expect_error("RATE_LIMITED").await;
    node.config.put("limits.messagesPerSecond", json!(0));
    node.config.put("limits.maxFrameBytes", json!(300));
    reload(&node).await;
    other.expect_quiet().await;
    other.send(message("ANZ-2", "x".repeat(300)));
    assert_eq!(other.closed().await, Some(1009));
    // And back again.
    node.config.put("limits.maxFrameBytes", json!("64KiB"));
    reload(&node).await;
    user.send(message("ANZ-1", "x".repeat(300)));
    user.find("the long message", |frame| {
        frame["data"]["content"]
            .as_str()
            .is_some_and(|content| content.len() == 300)
    })
    .await;
}

#[tokio::test]
async fn heartbeats_and_numbers_of_sessions_and_connections_change() {
    let mut node = Node::start().await;
    let mut oldest = Client::login(&node, "ANZ-1").await;
    let _second = Client::login(&node, "ANZ-1").await;
    node.config.put("limits.sessionsPerUser", json!(2));
    node.config.put("limits.maxConnections", json!(4));
    reload(&node).await;
    oldest.expect_quiet().await;
    let _third = Client::login(&node, "ANZ-1").await;
    assert_eq!(oldest.closed().await, Some(4009));
    let _fourth = Client::login(&node, "ANZ-2").await;
    let _fifth = Raw::connect(&node).await;
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 503);
    node.config.put("limits.maxConnections", json!(0));
    node.config
        .put("heartbeat", json!({"interval": "100ms", "timeout": "300ms"}));
    reload(&node).await;
    let mut silent = Raw::login(&node, "ANZ-3").await;
    assert_eq!(silent.closed().await, Some(4008));
}

#[tokio::test]
async fn a_changed_file_needs_no_signal_and_origins_and_the_level_change() {
    let mut node = NodeConfig::new().set("telemetry.level", "warn").start().await;
    let evil = Dial {
        origin: Some("https://evil.example".to_owned()),
        ..Dial::default()
    };
    assert_eq!(upgrade_status(node.ws, &evil).await, 101);
    assert!(!node.log().contains("INFO"), "{}", node.log());
    node.config
        .put("server.allowedOrigins", json!(["https://good.example"]));
    node.config.put("telemetry.level", json!("info"));
    node.config.save();
    eventually("it is in force", WAIT, async || {
        node.log()
            .contains("a new configuration is in force")
            .then_some(())
    })
    .await;
    assert_line(&node.log(), &["server.allowedOrigins", "telemetry.level"]);
    assert_eq!(upgrade_status(node.ws, &evil).await, 403);
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 101);
}
