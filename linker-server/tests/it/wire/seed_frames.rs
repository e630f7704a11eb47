//! The frames of the seed, byte for byte, and that what is new never gets in their way.

use serde_json::{Value, json};

use crate::harness::{Client, Frame, Node};

/// As the seed's page sends it: `JSON.stringify` of the object shown.
const AUTH: &str =
    r#"{"type":"AUTH_CLIENT","data":{"appId":"app-id-343","userId":"ANZ-123223","token":"token-12345"}}"#;
const MESSAGE: &str = r#"{"type":"MESSAGE","data":{"to":"ANZ-1232121","content":"some thing here to send"},"feature":"RELIABLE","reference":"abc123"}"#;
const GROUP: &str = r#"{
"type": "GROUP_MESSAGE",
"data": {
"to": ["ANZ-1232121", "ANZ-1232122"],
"content": "some thing here to send"
},
"reference":"abc123"
}"#;
const CLOSE: &str = r#"{
"type": "CLOSE_CONNECTION",
"data": {
"userId": "ANZ-123224"
}
}"#;
const FETCH: &str = r#"{
"type": "FETCH_MISSING_MESSAGES_REQUEST",
"data": {
"count": 100
}
}"#;

/// The fields of the seed are there with the seed's values; the others are those the protocol adds.
fn assert_is_the_seeds(frame: &Frame, seed: &Value, added: &[&str]) {
    for (key, value) in seed.as_object().unwrap() {
        if let Some(fields) = value.as_object() {
            for (field, value) in fields {
                assert_eq!(&frame[key][field], value, "{field} in {}", frame.text);
            }
        } else {
            assert_eq!(&frame[key], value, "{key} in {}", frame.text);
        }
    }
    for key in frame.as_object().unwrap().keys() {
        assert!(
            seed.get(key).is_some() || added.contains(&key.as_str()),
            "{key} in {}",
            frame.text
        );
    }
}

async fn seed_login(node: &Node) -> Client {
    let mut client = Client::connect(node).await;
    client.send_text(AUTH);
    let reply = client.next().await;
    let seed = json!({
        "type": "AUTH_CLIENT_REPLY",
        "data": {"appId": "app-id-343", "userId": "ANZ-123223", "isAuthenticated": true},
    });
    assert_is_the_seeds(&reply, &seed, &[]);
    client
}

#[tokio::test]
async fn the_seeds_login_gets_the_seeds_reply() {
    let node = Node::start().await;
    seed_login(&node).await;
}

#[tokio::test]
async fn the_seeds_message_arrives_as_the_seed_shows_and_is_confirmed() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-1232121").await;
    let mut sender = seed_login(&node).await;
    sender.send_text(MESSAGE);
    let message = receiver.next().await;
    let seed = json!({
        "type": "MESSAGE",
        "data": {"from": "ANZ-123223", "content": "some thing here to send"},
        "reference": "abc123",
    });
    assert_is_the_seeds(&message, &seed, &["id", "timestamp", "feature"]);
    let confirmation = sender.expect("MESSAGE_CONFIRMATION").await;
    let seed = json!({"type": "MESSAGE_CONFIRMATION", "data": {"reference": "abc123"}});
    assert_is_the_seeds(&confirmation, &seed, &["id"]);
}

#[tokio::test]
async fn the_seeds_group_message_reaches_both_and_is_not_confirmed() {
    let node = Node::start().await;
    let mut first = Client::login(&node, "ANZ-1232121").await;
    let mut second = Client::login(&node, "ANZ-1232122").await;
    let mut sender = Client::login(&node, "ANZ-7").await;
    sender.send_text(GROUP);
    for receiver in [&mut first, &mut second] {
        let message = receiver.next().await;
        assert_eq!(message.kind(), "MESSAGE");
        assert_eq!(message["data"]["from"], "ANZ-7");
        assert_eq!(message["data"]["content"], "some thing here to send");
        assert_eq!(message["reference"], "abc123");
    }
    sender.delivery_fence("ANZ-1232121", "fence").await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn the_seeds_master_closes_another_users_connection() {
    let node = Node::start().await;
    let mut target = Client::login(&node, "ANZ-123224").await;
    let master = seed_login(&node).await;
    master.send_text(CLOSE);
    assert_eq!(target.closed().await, Some(4010));
}

#[tokio::test]
async fn the_seeds_fetch_gets_the_missed_messages_and_how_many_are_left() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-5", json!({"accepted": true})).await;
    let references: Vec<String> = (0..125).map(|n| format!("r{n}")).collect();
    sender.store_for("ANZ-123223", &references).await;
    let mut receiver = seed_login(&node).await;
    receiver.send_text(FETCH);
    let mut page = receiver.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
    let complete = page.pop().unwrap();
    let seed = json!({"type": "FETCH_MISSING_MESSAGES_COMPLETE", "data": {"leftMissingCount": 25}});
    // The sender is a user of the app whose master fetches: one USER_CONNECTED of it waits, too.
    let left = complete["data"]["leftMissingCount"].as_u64().unwrap();
    assert!(left == 25 || left == 26, "{}", complete.text);
    assert_eq!(complete["type"], seed["type"]);
    assert_eq!(page.len(), 100);
}

#[tokio::test]
async fn messages_between_two_apps_cross_freely() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "XYZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.delivery_fence("XYZ-2", "across").await;
    assert_eq!(receiver.expect("MESSAGE").await["data"]["from"], "ANZ-1");
}
