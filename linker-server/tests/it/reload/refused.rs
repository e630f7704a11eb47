//! What is not applied, and how that is said.

use serde_json::json;

use super::{assert_line, reload};
use crate::harness::{Client, MASTER, Node, WAIT, auth, eventually, message};

#[tokio::test]
async fn what_needs_a_restart_is_named_key_by_key_and_the_rest_is_applied() {
    let mut node = Node::start().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    node.config.put("server.bind", json!("127.0.0.1:1"));
    node.config.put("server.workers", json!(3));
    node.config.put("reliable.dedupeWindow", json!("1m"));
    node.config.put("node.domain", json!("elsewhere"));
    node.config.put("limits.maxFrameBytes", json!(300));
    let log = reload(&node).await;
    for key in [
        "server.bind",
        "server.workers",
        "reliable.dedupeWindow",
        "node.domain",
    ] {
        assert_line(&log, &["WARN", &format!("{key} changed: needs a restart")]);
    }
    assert_eq!(log.matches("changed: needs a restart").count(), 4, "{log}");
    assert_line(&log, &["a new configuration is in force", "limits"]);
    user.send(message("ANZ-1", "x".repeat(300)));
    assert_eq!(user.closed().await, Some(1009));
    Client::login(&node, "ANZ-1").await;
    assert_eq!(
        node.admin_get("/api/v1/whoami").await.json()["domain"],
        "domain-01"
    );
}

#[tokio::test]
async fn mistakes_are_all_told_and_change_nothing_until_they_are_mended() {
    let mut node = Node::start().await;
    let apps = json!([{"appName": "XYZ", "appId": "app-id-XYZ"}]);
    node.config.put("limits.maxFrameBytes", json!("banana"));
    node.config.put("limits.nothing", json!(1));
    node.config.put("clientApps", apps);
    let log = reload(&node).await;
    assert_line(&log, &["ERROR", "limits.maxFrameBytes", "banana"]);
    assert_line(&log, &["ERROR", "limits.nothing", "unknown key"]);
    assert_line(&log, &["ERROR", "refused", "the one in force stays"]);
    let mut user = Client::login(&node, MASTER).await;
    // Mended, it is taken without being asked to.
    node.config.put("limits", json!({"maxFrameBytes": "1KiB"}));
    node.config.save();
    assert_eq!(user.closed().await, Some(1001));
    assert_eq!(Client::refused(&node, auth(MASTER)).await.code(), "UNKNOWN_APP");
    eventually("it is in force", WAIT, async || {
        node.log()
            .contains("a new configuration is in force")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_and_changes_nothing() {
    let node = Node::start().await;
    std::fs::remove_file(node.config.home().join("linker.yml")).unwrap();
    eventually("it is missed", WAIT, async || {
        let log = node.log();
        (log.contains("cannot read the file") && log.contains("the one in force stays")).then_some(())
    })
    .await;
    Client::login(&node, "ANZ-1").await;
    let log = reload(&node).await;
    assert_line(&log, &["the configuration in force stays as it is"]);
}

#[tokio::test]
async fn sighup_without_a_change_changes_nothing() {
    let mut node = Node::start().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    for _ in 0..3 {
        let log = reload(&node).await;
        assert_line(&log, &["the configuration in force stays as it is"]);
    }
    user.expect_quiet().await;
    assert_eq!(node.terminate().await, 0);
}
