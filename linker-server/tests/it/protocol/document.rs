//! The document itself, and where it is served.

use serde_json::Value;

use super::{Document, Side};
use crate::harness::{Node, NodeConfig, get, request};

/// What AsyncAPI 3.0.0 allows.
fn meta_schema() -> Value {
    serde_json::from_str(include_str!("../../schemas/asyncapi-3.0.0.json")).unwrap()
}

#[tokio::test]
async fn it_is_an_asyncapi_document_on_both_ports() {
    let node = Node::start().await;
    let served = node.admin_get("/asyncapi.json").await;
    assert_eq!(served.status, 200);
    let to_clients = get(node.ws, "/asyncapi.json").await.unwrap();
    assert_eq!((to_clients.status, &to_clients.body), (200, &served.body));
    assert_eq!(to_clients.header("content-type"), "application/json");
    assert_eq!(to_clients.header("access-control-allow-origin"), "*");
    let head = request(node.ws, "HEAD /asyncapi.json HTTP/1.1").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));

    let document = served.json();
    let validator = jsonschema::draft7::new(&meta_schema()).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(document["asyncapi"], "3.0.0");
    let server = &document["servers"]["node"];
    assert_eq!(server["host"], node.ws.to_string());
    assert_eq!(server["protocol"], "ws");
    assert_eq!(document["channels"]["session"]["address"], "/ws");
}

#[tokio::test]
async fn it_names_the_url_that_clients_are_told() {
    let node = NodeConfig::new()
        .set("server.publicUrl", "wss://chat.example/linker/ws")
        .start()
        .await;
    let document = node.admin_get("/asyncapi.json").await.json();
    let server = &document["servers"]["node"];
    assert_eq!(
        (&server["protocol"], &server["host"]),
        (&"wss".into(), &"chat.example".into())
    );
    assert_eq!(document["channels"]["session"]["address"], "/linker/ws");
}

/// The validator above must be able to find something.
#[test]
fn the_meta_schema_refuses_what_is_no_asyncapi() {
    let validator = jsonschema::draft7::new(&meta_schema()).unwrap();
    let mut document = Document::read().tree;
    assert!(validator.is_valid(&document));
    document["operations"]["ping"]["action"] = "shout".into();
    assert!(!validator.is_valid(&document));
}

#[test]
fn every_reference_in_it_leads_somewhere() {
    fn look(part: &Value, whole: &Value) {
        if let Some(reference) = part.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(whole.pointer(pointer).is_some(), "{reference}");
        }
        match part {
            Value::Object(parts) => parts.values().for_each(|part| look(part, whole)),
            Value::Array(parts) => parts.iter().for_each(|part| look(part, whole)),
            _ => {}
        }
    }
    let tree = Document::read().tree;
    look(&tree, &tree);
}

#[test]
fn every_example_is_as_its_schema_says() {
    let document = Document::read();
    for side in [Side::Client, Side::Server] {
        for (name, payload) in document.examples(side) {
            let faults = document.faults(side, &payload);
            assert!(faults.is_empty(), "{name}: {faults:#?}");
        }
    }
}

#[test]
fn schemas_refuse_what_the_protocol_does_not_know() {
    let document = Document::read();
    for frame in [
        r#"{"type":"MESSAGE","data":{"to":"ANZ 1","content":1}}"#,
        r#"{"type":"MESSAGE","data":{"to":"ANZ-1"}}"#,
        r#"{"type":"MESSAGE","data":{"to":"ANZ-1","content":1},"feature":"SLOW"}"#,
        r#"{"type":"MESSAGE","data":{"to":"ANZ-1","content":1},"reference":""}"#,
        r#"{"type":"GROUP_MESSAGE","data":{"to":[],"content":1}}"#,
        r#"{"type":"FETCH_MISSING_MESSAGES_REQUEST","data":{"count":0}}"#,
        r#"{"type":"PONG","data":{}}"#,
    ] {
        let frame: Value = serde_json::from_str(frame).unwrap();
        assert!(!document.faults(Side::Client, &frame).is_empty(), "{frame}");
    }
    for frame in [
        r#"{"type":"MESSAGE","data":{"from":"ANZ-1","content":1}}"#,
        r#"{"type":"PONG","data":{},"secret":1}"#,
        r#"{"type":"ERROR","data":{"code":"OH_NO","message":"oh no"}}"#,
        r#"{"type":"AUTH_CLIENT_REPLY","data":{"appId":"a","userId":"A-1","isAuthenticated":false}}"#,
    ] {
        let frame: Value = serde_json::from_str(frame).unwrap();
        assert!(!document.faults(Side::Server, &frame).is_empty(), "{frame}");
    }
}
