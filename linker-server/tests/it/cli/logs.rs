//! Logs go to standard error, as JSON where nobody watches, and hold no secrets.

use std::fs::File;

use serde_json::{Value, json};

use crate::harness::{Client, Node, NodeConfig, get, referenced};

#[tokio::test]
async fn without_a_terminal_every_line_is_json() {
    let mut node = Node::start().await;
    Client::login(&node, "ANZ-1").await;
    node.terminate().await;
    let log = node.log();
    assert!(!log.trim().is_empty(), "a start and a stop are worth a line");
    for line in log.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|value| value.is_object()), "not JSON: {line}");
    }
}

#[tokio::test]
async fn text_is_written_where_it_is_asked_for() {
    let mut node = NodeConfig::new().set("telemetry.format", "text").start().await;
    node.terminate().await;
    let log = node.log();
    assert!(!log.trim().is_empty(), "a start and a stop are worth a line");
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_err()),
        "{log}"
    );
    assert!(
        !log.contains('\u{1b}'),
        "no colours where there is no terminal: {log}"
    );
}

#[tokio::test]
async fn contents_and_secrets_are_never_logged() {
    let config = NodeConfig::new()
        .set("telemetry.level", "trace")
        .set("server.adminToken", "hush-token");
    let mut node = config.start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(referenced("ANZ-1", "hush-content", "r1"));
    client.expect("MESSAGE").await;
    client.send(referenced("ANZ-2", "hush-content", "r2"));
    client.send(referenced("NOPE-2", "hush-content", "r3"));
    client.send_text("{\"type\":\"MESSAGE\",\"data\":{\"content\":\"hush-content\"}");
    client.expect_error("INVALID_JSON").await;
    node.terminate().await;
    let log = node.log();
    assert!(!log.contains("hush-content"), "content is in the log");
    assert!(!log.contains("hush-token"), "the admin token is in the log");
}

#[tokio::test]
async fn the_level_is_kept() {
    let mut node = NodeConfig::new().set("telemetry.level", "error").start().await;
    Client::login(&node, "ANZ-1").await;
    node.terminate().await;
    assert_eq!(node.log().trim(), "", "nothing went wrong");
}

/// The lines of a JSON log that pass.
fn lines(log: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let parsed = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    parsed.filter(wanted).collect()
}

#[tokio::test]
async fn every_request_has_a_line_with_an_id_of_its_own() {
    let mut node = NodeConfig::new().set("telemetry.level", "debug").start().await;
    for address in [node.admin, node.ws] {
        for path in ["/health/live", "/no/such/page"] {
            get(address, path).await.unwrap();
        }
    }
    node.terminate().await;
    let requests = lines(&node.log(), |line| line["span"]["request_id"].is_string());
    let mut ids: Vec<&str> = requests
        .iter()
        .filter_map(|line| line["span"]["request_id"].as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{requests:#?}");
}

#[tokio::test]
async fn the_way_of_a_message_can_be_followed_by_its_id() {
    let mut node = NodeConfig::new().set("telemetry.level", "debug").start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let accepted = sender.expect_for("MESSAGE_ACCEPTED", "r1").await;
    let id = accepted["data"]["id"].as_str().unwrap();
    Client::login(&node, "ANZ-2").await.fetch(1).await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    node.terminate().await;
    let way = lines(&node.log(), |line| line["message.id"] == id);
    assert!(way.len() >= 3, "came in, was stored, was settled: {way:#?}");
    assert!(way.iter().any(|line| line["user.id"] == "ANZ-1"), "{way:#?}");
    assert!(way.iter().any(|line| line["outcome"] == "stored"), "{way:#?}");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let node = NodeConfig::new()
        .set("telemetry.level", "debug")
        .start_with_log(full)
        .await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.delivery_fence("ANZ-1", "r1").await;
    assert_eq!(node.admin_get("/health/ready").await.status, 200);
}
