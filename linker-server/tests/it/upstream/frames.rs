//! What a client may say, and what it is answered.

use serde_json::json;

use super::exchange::Exchange;
use super::{referenced, upstream};
use crate::harness::{Client, Node, message, with};

#[tokio::test]
async fn where_nothing_takes_it_it_is_an_unknown_type() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(referenced("order.created", 1, "r1"));
    let error = client.expect_error("UNKNOWN_TYPE").await;
    assert_eq!(error["reference"], "r1");
    assert!(error["data"]["message"].as_str().unwrap().contains("UPSTREAM"));
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_bad_frame_is_answered_with_the_field_at_fault_and_nothing_is_handed_over() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let node = exchange.config().start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let long = "x".repeat(129);
    for (data, field) in [
        (json!({"content": 1}), "data.type"),
        (json!({"type": null, "content": 1}), "data.type"),
        (json!({"type": 5, "content": 1}), "data.type"),
        (json!({"type": "", "content": 1}), "data.type"),
        (json!({"type": "a..b", "content": 1}), "data.type"),
        (json!({"type": ".a", "content": 1}), "data.type"),
        (json!({"type": "a.", "content": 1}), "data.type"),
        (json!({"type": "a.#", "content": 1}), "data.type"),
        (json!({"type": "*", "content": 1}), "data.type"),
        (json!({"type": "a b", "content": 1}), "data.type"),
        (json!({"type": "größe", "content": 1}), "data.type"),
        (json!({"type": "a\"b", "content": 1}), "data.type"),
        (json!({"type": "event", "content": 1}), "data.type"),
        (json!({"type": "event.connected", "content": 1}), "data.type"),
        (json!({"type": long, "content": 1}), "data.type"),
        (json!({"type": "a"}), "data.content"),
        (json!([]), "data"),
        (json!("x"), "data"),
    ] {
        client.send(json!({"type": "UPSTREAM", "data": data, "reference": "r"}));
        let error = client.expect_error("INVALID_FIELD").await;
        assert_eq!(error["reference"], "r");
        let text = error["data"]["message"].as_str().unwrap();
        assert!(text.contains(&format!("`{field}`")), "{data}: {text}");
    }
    client.send(json!({"type": "UPSTREAM"}));
    client.expect_error("INVALID_FIELD").await;
    client.send(with(upstream("a", 1), "feature", "SLOW"));
    client.expect_error("INVALID_FIELD").await;
    client.send(with(upstream("a", 1), "reference", ""));
    client.expect_error("INVALID_FIELD").await;
    client.send(with(upstream("a", 1), "confirmationEnabled", 1));
    client.expect_error("INVALID_FIELD").await;
    // What follows is the first that comes out.
    client.send(upstream(&"x".repeat(128), json!(null)));
    let first = queue.next().await;
    assert_eq!(first.body["content"], json!(null));
    exchange.clear().await;
}

#[tokio::test]
async fn nobody_can_write_to_what_stands_for_the_application() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let node = exchange.config().start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(message("_linker_upstream-1", "x"));
    client.expect_error("UNKNOWN_USER").await;
    client.send(upstream("fence", 1));
    assert_eq!(queue.next().await.key(), "ANZ.fence");
    exchange.clear().await;
}

#[tokio::test]
async fn content_is_what_the_sender_wrote() {
    let exchange = Exchange::new().await;
    let mut queue = exchange.bind(&["#"]).await;
    let node = exchange.config().start().await;
    let client = Client::login(&node, "ANZ-1").await;
    let content = r#"{"n":1.10,"big":12345678901234567890123,"t":"ä\u00e4\"}","a":[{},null]}"#;
    client.send_text(format!(
        r#"{{"type":"UPSTREAM","data":{{"content":{content},"type":"x"}}}}"#
    ));
    let taken = queue.next().await;
    let text = String::from_utf8(taken.delivery.data.clone()).unwrap();
    assert!(text.contains(content), "{text}");
    exchange.clear().await;
}
