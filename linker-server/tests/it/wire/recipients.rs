//! Whom a message may be for: well formed, known, and allowed.

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, group, message, message_read, referenced};

#[tokio::test]
async fn a_malformed_recipient_is_invalid_user_id_with_the_reference() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for to in [
        "",
        "ANZ",
        "ANZ-",
        "ANZ-007",
        "ANZ--1",
        "ANZ-9223372036854775808",
        "A-B-1",
        "ANZ-1 ",
        "Ä-1",
    ] {
        client.send(referenced(to, "x", "r1"));
        let error = client.next().await;
        assert_eq!(error.code(), "INVALID_USER_ID", "{to:?}: {}", error.text);
        assert_eq!(error["reference"], "r1");
    }
    client.send(message_read("ANZ-", "r"));
    assert_eq!(client.next().await.code(), "INVALID_USER_ID");
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_recipient_of_an_app_that_nobody_configured_is_unknown_user() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let longest = format!("{}-1", "q".repeat(32));
    for to in ["NOPE-1", "anz-1", &longest] {
        client.send(referenced(to, "x", "r1"));
        let error = client.next().await;
        assert_eq!(error.code(), "UNKNOWN_USER", "{to}");
        assert_eq!(error["reference"], "r1");
    }
    client.send(message_read("NOPE-1", "r"));
    assert_eq!(client.next().await.code(), "UNKNOWN_USER");
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_bad_recipient_gets_no_acceptance_and_no_confirmation() {
    let node = Node::start().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    client.send(referenced("NOPE-1", "x", "bad"));
    client.delivery_fence("ANZ-1", "fence").await;
    let frames = client.fence().await;
    let about_it = frames.iter().filter(|frame| frame.text.contains("bad")).count();
    assert_eq!(about_it, 1, "one ERROR and nothing else: {frames:#?}");
}

async fn node_with_an_isolated_app() -> Node {
    NodeConfig::new()
        .app(json!({"appName": "ISO", "appId": "app-id-ISO", "isolated": true}))
        .start()
        .await
}

#[tokio::test]
async fn nothing_leaves_an_isolated_app() {
    let node = node_with_an_isolated_app().await;
    let mut inside = Client::login(&node, "ISO-1").await;
    inside.send(referenced("ANZ-1", "out", "r1"));
    let error = inside.next().await;
    assert_eq!(error.code(), "FORBIDDEN");
    assert_eq!(error["reference"], "r1");
    inside.send(message_read("ANZ-1", "r"));
    assert_eq!(inside.next().await.code(), "FORBIDDEN");
    inside.send(group(&["ISO-2", "ANZ-1"], "out"));
    assert_eq!(inside.next().await.code(), "FORBIDDEN");
    inside.expect_quiet().await;
}

#[tokio::test]
async fn nothing_enters_an_isolated_app() {
    let node = node_with_an_isolated_app().await;
    let mut inside = Client::login(&node, "ISO-1").await;
    let mut outside = Client::login(&node, "ANZ-1").await;
    outside.send(message("ISO-1", "in"));
    assert_eq!(outside.next().await.code(), "FORBIDDEN");
    outside.send(group(&["ANZ-1", "ISO-1"], "in"));
    assert_eq!(outside.next().await.code(), "FORBIDDEN");
    outside.send(message("ISO-99", "in, to one who never logged in"));
    assert_eq!(outside.next().await.code(), "FORBIDDEN");
    outside.expect_quiet().await;
    inside.expect_quiet().await;
}

#[tokio::test]
async fn users_of_an_isolated_app_write_to_each_other() {
    let node = node_with_an_isolated_app().await;
    let mut one = Client::login(&node, "ISO-1").await;
    let mut other = Client::login(&node, "ISO-2").await;
    one.delivery_fence("ISO-2", "r1").await;
    assert_eq!(other.expect("MESSAGE").await["data"]["from"], "ISO-1");
}

#[tokio::test]
async fn a_malformed_or_unknown_recipient_is_told_before_isolation() {
    let node = node_with_an_isolated_app().await;
    let mut inside = Client::login(&node, "ISO-1").await;
    inside.send(message("ANZ-01", "x"));
    assert_eq!(inside.next().await.code(), "INVALID_USER_ID");
    inside.send(message("NOPE-1", "x"));
    assert_eq!(inside.next().await.code(), "UNKNOWN_USER");
}

#[tokio::test]
async fn a_group_across_the_border_of_an_isolated_app_is_forbidden_whole() {
    let node = node_with_an_isolated_app().await;
    let mut other = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(group(&["ANZ-2", "ISO-1"], "x"));
    let error = sender.next().await;
    assert_eq!(error.code(), "FORBIDDEN");
    assert!(error.error_text().contains("ISO-1"), "{}", error.text);
    sender.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(other.next().await["reference"], "fence");
}
