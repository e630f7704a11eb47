//! `INVALID_FIELD`: which field it is, and the limits of a reference.

use serde_json::{Value, json};

use crate::harness::{Client, Node, message, referenced, with};

/// The frame is refused, the field named, and nothing else happens.
async fn assert_names(client: &mut Client, frame: Value, field: &str) {
    client.send(frame.clone());
    let error = client.next().await;
    assert_eq!(error.kind(), "ERROR", "{frame}: {}", error.text);
    assert_eq!(error.code(), "INVALID_FIELD", "{frame}: {}", error.text);
    assert!(
        error.error_text().contains(field),
        "{frame}: {field} is not named: {}",
        error.text
    );
}

#[tokio::test]
async fn a_message_names_its_missing_or_wrong_field() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for (frame, field) in [
        (json!({"type": "MESSAGE"}), "data"),
        (json!({"type": "MESSAGE", "data": null}), "data"),
        (json!({"type": "MESSAGE", "data": []}), "data"),
        (json!({"type": "MESSAGE", "data": {"content": 1}}), "to"),
        (json!({"type": "MESSAGE", "data": {"to": 5, "content": 1}}), "to"),
        (
            json!({"type": "MESSAGE", "data": {"to": null, "content": 1}}),
            "to",
        ),
        (
            json!({"type": "MESSAGE", "data": {"to": ["ANZ-1"], "content": 1}}),
            "to",
        ),
        (json!({"type": "MESSAGE", "data": {"to": "ANZ-1"}}), "content"),
        (with(message("ANZ-1", 1), "feature", "SLOW"), "feature"),
        (with(message("ANZ-1", 1), "feature", "fast"), "feature"),
        (with(message("ANZ-1", 1), "feature", 1), "feature"),
        (with(message("ANZ-1", 1), "reference", 1), "reference"),
        (with(message("ANZ-1", 1), "reference", ""), "reference"),
        (with(message("ANZ-1", 1), "reference", json!(["r"])), "reference"),
        (
            with(message("ANZ-1", 1), "confirmationEnabled", "yes"),
            "confirmationEnabled",
        ),
        (
            with(message("ANZ-1", 1), "confirmationEnabled", 1),
            "confirmationEnabled",
        ),
    ] {
        assert_names(&mut client, frame, field).await;
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_group_message_names_its_missing_or_wrong_field() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for (frame, field) in [
        (json!({"type": "GROUP_MESSAGE", "data": {"content": 1}}), "to"),
        (
            json!({"type": "GROUP_MESSAGE", "data": {"to": "ANZ-1", "content": 1}}),
            "to",
        ),
        (
            json!({"type": "GROUP_MESSAGE", "data": {"to": [], "content": 1}}),
            "to",
        ),
        (
            json!({"type": "GROUP_MESSAGE", "data": {"to": [1], "content": 1}}),
            "to",
        ),
        (
            json!({"type": "GROUP_MESSAGE", "data": {"to": ["ANZ-1"]}}),
            "content",
        ),
    ] {
        assert_names(&mut client, frame, field).await;
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn the_other_types_name_their_missing_or_wrong_field() {
    let node = Node::start().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"ack": "client"})).await;
    for (frame, field) in [
        (
            json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {}}),
            "count",
        ),
        (json!({"type": "FETCH_MISSING_MESSAGES_REQUEST"}), "data"),
        (
            json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": 0}}),
            "count",
        ),
        (
            json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": -1}}),
            "count",
        ),
        (
            json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": "10"}}),
            "count",
        ),
        (
            json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": 1.5}}),
            "count",
        ),
        (json!({"type": "CLOSE_CONNECTION", "data": {}}), "userId"),
        (
            json!({"type": "CLOSE_CONNECTION", "data": {"userId": 7}}),
            "userId",
        ),
        (json!({"type": "MESSAGE_ACK", "data": {}}), "ids"),
        (json!({"type": "MESSAGE_ACK", "data": {"ids": "one"}}), "ids"),
        (json!({"type": "MESSAGE_ACK", "data": {"ids": [1]}}), "ids"),
        (json!({"type": "MESSAGE_READ", "data": {"reference": "r"}}), "to"),
        (
            json!({"type": "MESSAGE_READ", "data": {"to": "ANZ-1"}}),
            "reference",
        ),
        (
            json!({"type": "MESSAGE_READ", "data": {"to": "ANZ-1", "reference": ""}}),
            "reference",
        ),
        (
            json!({"type": "MESSAGE_READ", "data": {"to": "ANZ-1", "reference": 1}}),
            "reference",
        ),
    ] {
        assert_names(&mut client, frame, field).await;
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn the_reference_of_a_frame_with_a_bad_field_is_echoed() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(json!({"type": "MESSAGE", "data": {"content": 1}, "reference": "r \"1\" é"}));
    assert_eq!(client.next().await["reference"], "r \"1\" é");
    client.send(json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": 0}, "reference": "r2"}));
    assert_eq!(client.next().await["reference"], "r2");
}

#[tokio::test]
async fn null_is_no_reference() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(with(message("ANZ-1", 1), "reference", Value::Null));
    let message = client.next().await;
    assert_eq!(message.kind(), "MESSAGE");
    assert!(message["reference"].is_null(), "{}", message.text);
    client.delivery_fence("ANZ-1", "fence").await;
    assert_eq!(client.next().await["reference"], "fence");
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_reference_has_up_to_256_bytes_counted_as_utf_8() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let longest = ["x".repeat(256), "é".repeat(128), "😀".repeat(64)];
    for reference in &longest {
        client.send(referenced("ANZ-1", 1, reference));
        assert_eq!(client.expect("MESSAGE").await["reference"], *reference);
        client.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
    let too_long = ["x".repeat(257), "é".repeat(129), "😀".repeat(65)];
    for reference in &too_long {
        client.send(referenced("ANZ-1", 1, reference));
        let error = client.next().await;
        assert_eq!(error.code(), "INVALID_FIELD");
        assert!(error.error_text().contains("reference"), "{}", error.text);
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_reference_is_counted_unescaped() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    // Six bytes each as written, one as meant.
    let escaped = "\\u0041".repeat(256);
    client.send_text(format!(
        r#"{{"type":"MESSAGE","data":{{"to":"ANZ-1","content":1}},"reference":"{escaped}"}}"#
    ));
    let meant = "A".repeat(256);
    assert_eq!(client.expect("MESSAGE").await["reference"], meant);
    client.expect_for("MESSAGE_CONFIRMATION", &meant).await;
}

#[tokio::test]
async fn unknown_fields_are_ignored_everywhere() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(json!({
        "type": "MESSAGE", "version": 3, "trace": {"a": [1]},
        "data": {"to": "ANZ-1", "content": "c", "from": "ANZ-2", "priority": "high"},
        "id": "0190f5fe-7c00-7a00-8abc-012345678901", "timestamp": 1,
    }));
    let message = client.next().await;
    assert_eq!(
        message["data"]["from"], "ANZ-1",
        "the sender cannot choose who it is from"
    );
    assert_ne!(message["id"], "0190f5fe-7c00-7a00-8abc-012345678901");
    assert_ne!(message["timestamp"], 1);
    assert!(message["trace"].is_null(), "{}", message.text);
}

/// What any frame may carry is checked in every frame, also where its type has no use for it.
#[tokio::test]
async fn every_type_names_a_malformed_field_beside_its_data() {
    let node = Node::start().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"ack": "client"})).await;
    for frame in [
        json!({"type": "PING"}),
        json!({"type": "FETCH_MISSING_MESSAGES_REQUEST", "data": {"count": 1}}),
        json!({"type": "CLOSE_CONNECTION", "data": {"userId": "ANZ-2"}}),
        json!({"type": "MESSAGE_ACK", "data": {"ids": []}}),
        json!({"type": "MESSAGE_READ", "data": {"to": "ANZ-2", "reference": "r"}}),
        json!({"type": "GROUP_MESSAGE", "data": {"to": ["ANZ-2"], "content": 1}}),
        json!({"type": "AUTH_CLIENT", "data": {"appId": "app-id-343", "userId": "ANZ-1"}}),
    ] {
        for (field, wrong) in [
            ("reference", json!("")),
            ("reference", json!("r".repeat(257))),
            ("reference", json!(1)),
            ("feature", json!("SLOW")),
            ("confirmationEnabled", json!("yes")),
            ("data", json!([])),
            ("data", json!(5)),
        ] {
            assert_names(&mut client, with(frame.clone(), field, wrong), field).await;
        }
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_login_with_a_malformed_field_beside_its_data_is_not_carried_out() {
    let node = Node::start().await;
    let mut client = Client::connect(&node).await;
    let login = json!({"type": "AUTH_CLIENT", "data": {"appId": "app-id-343", "userId": "ANZ-1"}});
    for (field, wrong) in [
        ("reference", json!("")),
        ("feature", json!("SLOW")),
        ("confirmationEnabled", json!(0)),
    ] {
        assert_names(&mut client, with(login.clone(), field, wrong), field).await;
    }
    client.send(login);
    assert_eq!(client.next().await.kind(), "AUTH_CLIENT_REPLY");
}
