//! Messages from login to proof.

use serde_json::json;

use crate::harness::{
    Client, Node, Raw, Transport, WAIT, auth, eventually, fast, message, message_ack, referenced, references,
    user, with,
};

pub(super) async fn a_login_is_answered_and_a_bad_one_closed_with_4003(transport: Transport) {
    let node = Node::start(transport).await;
    let client = Client::login(&node, "ANZ-1").await;
    assert_eq!(client.missing(), 0);
    let mut wrong = auth("ANZ-1");
    wrong["data"]["appId"] = "nobody's".into();
    assert_eq!(Client::refused(&node, wrong).await.code(), "UNKNOWN_APP");
    let other_app = with(
        auth("ANZ-1"),
        "data",
        json!({"appId": "app-xyz", "userId": "ANZ-1"}),
    );
    assert_eq!(Client::refused(&node, other_app).await.code(), "WRONG_APP");
}

pub(super) async fn a_message_arrives_and_is_confirmed(transport: Transport) {
    let node = Node::start(transport).await;
    let mut receiver = Client::login(&node, "XYZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send_text(
        r#"{"type":"MESSAGE","reference":"r","data":{"content":{"z":[1.50],"a":"\u00fc"},"to":"XYZ-2"}}"#,
    );
    let arrived = receiver.expect("MESSAGE").await;
    assert_eq!(
        arrived["data"],
        json!({"from": "ANZ-1", "content": {"a": "ü", "z": [1.5]}})
    );
    assert!(
        arrived.text.contains(r#"{"z":[1.50],"#),
        "digits and order are kept: {}",
        arrived.text
    );
    assert_eq!(
        (&arrived["reference"], &arrived["feature"]),
        (&json!("r"), &json!("RELIABLE"))
    );
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    receiver.expect_quiet().await;
    sender.expect_quiet().await;
}

pub(super) async fn a_fast_message_arrives_without_an_acceptance(transport: Transport) {
    let node = Node::start(transport).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(fast("ANZ-2", "quick"));
    sender.send(with(fast("ANZ-2", "told"), "reference", "r"));
    sender.send(fast("ANZ-3", "for nobody"));
    assert_eq!(receiver.next().await["data"]["content"], "quick");
    assert_eq!(receiver.next().await["data"]["content"], "told");
    assert_eq!(sender.next().await.kind(), "MESSAGE_CONFIRMATION");
    sender.expect_quiet().await;
    assert_eq!(node.handle.missing(user("ANZ-3")).await, Ok(0));
}

pub(super) async fn messages_of_one_sender_arrive_in_order(transport: Transport) {
    let node = Node::start(transport).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..2000 {
        sender.send(message("ANZ-2", n));
    }
    for n in 0..2000 {
        assert_eq!(receiver.next().await["data"]["content"], n);
    }
}

pub(super) async fn a_fetch_brings_what_was_missed_and_the_sender_its_confirmation(transport: Transport) {
    let node = Node::start(transport).await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(30);
    sender.store_for("ANZ-2", &references).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 30);
    let (first, left) = receiver.fetch(20).await;
    assert_eq!((first.len(), left), (20, 10));
    let (rest, left) = receiver.fetch(100).await;
    assert_eq!((rest.len(), left), (10, 0));
    for (frame, reference) in first.iter().chain(&rest).zip(&references) {
        assert_eq!(frame["reference"], *reference);
    }
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
    let nothing_waits = async || (node.handle.missing(user("ANZ-2")).await == Ok(0)).then_some(());
    eventually("what was proven leaves the store", WAIT, nothing_waits).await;
}

pub(super) async fn a_replay_brings_what_was_missed_before_what_is_live(transport: Transport) {
    let node = Node::start(transport).await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(300);
    sender.store_for("ANZ-2", &references).await;
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for n in 300..600 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..600 {
        assert_eq!(receiver.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
    assert_eq!(
        receiver.expect("FETCH_MISSING_MESSAGES_COMPLETE").await["data"]["leftMissingCount"],
        0
    );
}

pub(super) async fn with_client_acks_only_an_ack_is_a_proof(transport: Transport) {
    let node = Node::start(transport).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut careful = Client::login_with(&node, "ANZ-2", json!({"ack": "client"})).await;
    sender.send(referenced("ANZ-2", 1, "acked"));
    sender.send(referenced("ANZ-2", 2, "not acked"));
    let first = careful.expect("MESSAGE").await;
    careful.expect("MESSAGE").await;
    careful.send(message_ack(&[first.id(), "not an id of ours"]));
    sender.expect_for("MESSAGE_CONFIRMATION", "acked").await;
    sender.expect_quiet().await;
    drop(careful);
    let mut again = Client::login_with(&node, "ANZ-2", json!({"ack": "client", "replay": true})).await;
    let given_back = again.expect("MESSAGE").await;
    assert_eq!(given_back["reference"], "not acked");
    again.send(message_ack(&[given_back.id()]));
    sender.expect_for("MESSAGE_CONFIRMATION", "not acked").await;
}

pub(super) async fn a_frame_that_cannot_be_done_is_answered_and_the_connection_lives(transport: Transport) {
    let node = Node::start(transport).await;
    let mut raw = Raw::connect(&node).await;
    raw.text(&message("ANZ-1", 1)).await;
    assert_eq!(raw.expect("ERROR").await.code(), "NOT_AUTHENTICATED");
    raw.text(&auth("ANZ-1")).await;
    raw.expect("AUTH_CLIENT_REPLY").await;
    for (frame, code) in [
        (json!("a string"), "INVALID_JSON"),
        (json!({"type": "NO_SUCH"}), "UNKNOWN_TYPE"),
        (
            json!({"type": "MESSAGE", "data": {"to": "ANZ-1"}}),
            "INVALID_FIELD",
        ),
        (message("not a user", 1), "INVALID_USER_ID"),
        (message("NOPE-1", 1), "UNKNOWN_USER"),
        (message("LONE-1", 1), "FORBIDDEN"),
        (auth("ANZ-1"), "ALREADY_AUTHENTICATED"),
    ] {
        raw.text(&with_reference_if_object(frame)).await;
        let error = raw.expect("ERROR").await;
        assert_eq!(error.code(), code);
        if code != "INVALID_JSON" {
            assert_eq!(error["reference"], "mine");
        }
    }
    raw.fence().await;
}

fn with_reference_if_object(frame: serde_json::Value) -> serde_json::Value {
    if frame.is_object() {
        with(frame, "reference", "mine")
    } else {
        frame
    }
}
