//! `INVALID_JSON` and `UNKNOWN_TYPE`: what is not a frame, and what no client may say.

use serde_json::json;

use crate::harness::{Client, Node};

#[tokio::test]
async fn what_is_not_a_json_object_is_invalid_json_and_the_connection_lives() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for text in [
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "7",
        "\"PING\"",
        "{\"type\":\"PING\"",
        "{\"type\":\"PING\"}}",
        "{\"type\":\"PING\"} {\"type\":\"PING\"}",
        "{'type':'PING'}",
        "{\"type\":\"PING\",}",
        "{type:\"PING\"}",
        "{\"type\":\"PING\"}\u{0}",
        "{\"type\":\"MESSAGE\",\"data\":{\"to\":\"ANZ-1\",\"content\":01}}",
        "{\"type\":\"MESSAGE\",\"data\":{\"to\":\"ANZ-1\",\"content\":NaN}}",
        "{\"type\":\"MESSAGE\",\"data\":{\"to\":\"ANZ-1\",\"content\":\"a\nb\"}}",
        "{\"type\":\"MESSAGE\",\"data\":{\"to\":\"ANZ-1\",\"content\":\"\\x\"}}",
        "{\"type\":\"MESSAGE\",\"data\":{\"to\":\"ANZ-1\",\"content\":\"\\u12\"}}",
        "{\"type\":\"MESSAGE\",\"data\":{\"to\":\"ANZ-1\",\"content\":[1,2}}",
    ] {
        client.send_text(text);
        let error = client.next().await;
        assert_eq!(error.kind(), "ERROR", "{text:?}: {}", error.text);
        assert_eq!(error.code(), "INVALID_JSON", "{text:?}");
        error.error_text();
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn white_space_and_the_order_of_keys_are_free() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for text in [
        " \r\n\t{ \"type\" : \"MESSAGE\" , \"data\" : { \"to\" : \"ANZ-1\" , \"content\" : 1 } } \n",
        r#"{"data":{"content":1,"to":"ANZ-1"},"feature":"FAST","type":"MESSAGE"}"#,
        r#"{"confirmationEnabled":false,"reference":null,"data":{"content":1,"to":"ANZ-1"},"type":"MESSAGE"}"#,
    ] {
        client.send_text(text);
        let message = client.next().await;
        assert_eq!(message.kind(), "MESSAGE", "{text}: {}", message.text);
        assert_eq!(message["data"]["content"], 1);
    }
}

#[tokio::test]
async fn escaped_keys_and_values_mean_what_they_mean() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send_text(
        r#"{"\u0074ype":"MESS\u0041GE","data":{"t\u006f":"ANZ\u002d1","content":"c"},"reference":"\u0072"}"#,
    );
    let message = client.expect("MESSAGE").await;
    assert_eq!(message["data"]["from"], "ANZ-1");
    assert_eq!(message["reference"], "r");
    client.expect_for("MESSAGE_CONFIRMATION", "r").await;
}

#[tokio::test]
async fn a_missing_or_unheard_of_type_is_unknown_type() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for frame in [
        json!({}),
        json!({"data": {}}),
        json!({"type": "", "data": {}}),
        json!({"type": "message", "data": {"to": "ANZ-1", "content": 1}}),
        json!({"type": "MESSAGE ", "data": {"to": "ANZ-1", "content": 1}}),
        json!({"type": "WHATEVER", "data": {}}),
    ] {
        client.send(frame.clone());
        let error = client.next().await;
        assert_eq!(error.code(), "UNKNOWN_TYPE", "{frame}: {}", error.text);
        error.error_text();
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn what_the_server_says_and_what_nodes_say_cannot_be_said_by_a_client() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for kind in [
        "AUTH_CLIENT_REPLY",
        "MESSAGE_CONFIRMATION",
        "MESSAGE_ACCEPTED",
        "FETCH_MISSING_MESSAGES_COMPLETE",
        "USER_CONNECTED",
        "USER_DISCONNECTED",
        "PONG",
        "ERROR",
        "DELIVER",
        "ENVELOPE",
        "PROVEN",
        "NOT_HERE",
    ] {
        client.send(json!({"type": kind, "data": {"userId": "ANZ-1", "reference": "r"}, "reference": kind}));
        let error = client.next().await;
        assert_eq!(error.code(), "UNKNOWN_TYPE", "{kind}: {}", error.text);
        assert_eq!(error["reference"], kind);
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn an_error_without_a_reference_at_fault_has_none() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(json!({"type": "WHATEVER"}));
    let error = client.next().await;
    assert!(error["reference"].is_null(), "{}", error.text);
}
