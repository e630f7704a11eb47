//! Delivered means proven: by pong, or by `MESSAGE_ACK` with `ack: "client"`.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Client, Dial, Node, NodeConfig, Raw, Received, Wire, fast, message_ack, referenced, references, with,
};

const PONG: u8 = 10;

#[tokio::test]
async fn a_pong_proves_and_nothing_is_confirmed_before_it() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    receiver.expect("MESSAGE").await;
    receiver.await_ping().await;
    sender.expect_quiet().await;
    receiver.pong_newest().await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn every_reliable_frame_has_a_uuid_of_version_7() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.delivery_fence("ANZ-2", "r1").await;
    let message = receiver.next().await;
    assert_eq!(uuid::Uuid::parse_str(message.id()).unwrap().get_version_num(), 7);
    assert_eq!(message["feature"], "RELIABLE");
    sender.send(referenced("ANZ-2", "x", "r2"));
    let confirmation = sender.expect("MESSAGE_CONFIRMATION").await;
    assert_eq!(
        uuid::Uuid::parse_str(confirmation.id())
            .unwrap()
            .get_version_num(),
        7
    );
}

#[tokio::test]
async fn the_timestamp_is_when_the_server_accepted_it() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let millis = || {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        u64::try_from(since.as_millis()).unwrap()
    };
    let before = millis();
    client.send(referenced("ANZ-1", "x", "r1"));
    let message = client.expect("MESSAGE").await;
    let accepted = message["timestamp"].as_u64().unwrap();
    assert!((before..=millis()).contains(&accepted), "{}", message.text);
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_proves_nothing_and_does_no_harm() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    receiver.expect("MESSAGE").await;
    receiver.await_ping().await;
    for payload in [&b""[..], b"x", b"not a number of ours", &[0xff; 125]] {
        receiver.wire(Wire::new(PONG, payload)).await;
    }
    receiver.fence().await;
    sender.expect_quiet().await;
    receiver.pong_newest().await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn one_proof_ping_is_in_flight_and_it_covers_what_was_sent_before_it() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", 0, "r0"));
    receiver.expect("MESSAGE").await;
    receiver.await_ping().await;
    for n in 1..20 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for _ in 1..20 {
        receiver.expect("MESSAGE").await;
    }
    receiver.fence().await;
    assert_eq!(
        receiver.pings.len(),
        1,
        "no second proof ping before the first is answered"
    );
    receiver.pong_newest().await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r0").await;
    receiver.await_ping().await;
    receiver.pong_newest().await;
    for n in 1..20 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

#[tokio::test]
async fn a_client_that_answers_only_the_newest_ping_proves_all() {
    let node = NodeConfig::new()
        .set("heartbeat.interval", "200ms")
        .set("heartbeat.timeout", "30s")
        .start()
        .await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    receiver.expect("MESSAGE").await;
    // The proof ping, then a heartbeat, whichever is which.
    while receiver.pings.len() < 2 {
        assert!(matches!(receiver.receive().await, Received::Ping(_)));
    }
    sender.expect_quiet().await;
    receiver.pong_newest().await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn a_connection_that_ends_unproven_gives_its_messages_back_in_order() {
    let node = Node::start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(10);
    sender.store_for("ANZ-2", &references).await;
    let mut ids = Vec::new();
    for _ in &references {
        ids.push(receiver.expect("MESSAGE").await.id().to_owned());
    }
    drop(receiver);
    let mut back = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for (id, reference) in ids.iter().zip(&references) {
        let message = back.expect("MESSAGE").await;
        assert_eq!(message["reference"], *reference);
        assert_eq!(message.id(), id);
    }
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
}

#[tokio::test]
async fn with_client_acks_a_pong_proves_nothing_and_an_ack_does() {
    let node = Node::start().await;
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let message = receiver.expect("MESSAGE").await;
    receiver.expect_quiet().await;
    sender.expect_quiet().await;
    receiver.send(message_ack(&[message.id()]));
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    receiver.expect_quiet().await;
}

#[tokio::test]
async fn an_ack_proves_the_ids_it_names_and_no_others() {
    let node = Node::start().await;
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..4 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(receiver.expect("MESSAGE").await.id().to_owned());
    }
    receiver.send(message_ack(&[&ids[3], &ids[1]]));
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r3").await;
    receiver.expect_quiet().await;
    sender.expect_quiet().await;
    drop(receiver);
    let mut back = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    assert_eq!(back.expect("MESSAGE").await.id(), ids[0]);
    assert_eq!(back.expect("MESSAGE").await.id(), ids[2]);
    assert_eq!(
        back.expect("FETCH_MISSING_MESSAGES_COMPLETE").await["data"]["leftMissingCount"],
        0
    );
    let repeated = back.fence().await;
    assert!(
        repeated
            .iter()
            .all(|frame| [&ids[0], &ids[2]].iter().any(|id| frame.id() == *id)),
        "{repeated:#?}"
    );
}

#[tokio::test]
async fn unknown_and_repeated_ids_in_an_ack_are_ignored() {
    let node = Node::start().await;
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    receiver.send(message_ack(&[]));
    receiver.send(message_ack(&[
        "0190f5fe-7c00-7a00-8abc-012345678901",
        "not an id at all",
        "",
    ]));
    receiver.expect_quiet().await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let id = receiver.expect("MESSAGE").await.id().to_owned();
    receiver.send(message_ack(&[&id, &id]));
    receiver.send(message_ack(&[&id]));
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    receiver.expect_quiet().await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn an_id_that_was_sent_to_another_user_cannot_be_acked() {
    let node = Node::start().await;
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"ack": "client"})).await;
    let mut thief = Client::login_with(&node, "ANZ-3", json!({"ack": "client"})).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let id = receiver.expect("MESSAGE").await.id().to_owned();
    thief.send(message_ack(&[&id]));
    thief.expect_quiet().await;
    sender.expect_quiet().await;
    drop(receiver);
    let mut back = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    assert_eq!(back.expect("MESSAGE").await.id(), id);
}

#[tokio::test]
async fn an_ack_without_the_option_is_forbidden() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(with(
        message_ack(&["0190f5fe-7c00-7a00-8abc-012345678901"]),
        "reference",
        "a",
    ));
    let error = client.next().await;
    assert_eq!(error.code(), "FORBIDDEN");
    assert_eq!(error["reference"], "a");
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_confirmation_too_must_be_acked_by_a_client_that_acks() {
    let mut node = Node::start().await;
    let _recipient = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"ack": "client"})).await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    let id = sender
        .expect_for("MESSAGE_CONFIRMATION", "r1")
        .await
        .id()
        .to_owned();
    drop(sender);
    node.restart().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"ack": "client"})).await;
    assert_eq!(sender.missing(), 1);
    assert_eq!(sender.fetch(1).await.0[0].id(), id);
    sender.send(message_ack(&[&id]));
    sender.expect_quiet().await;
    sender.close().await;
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-1").await.missing(), 0);
}

#[tokio::test]
async fn an_unproven_session_below_its_bound_is_left_in_peace() {
    let config = NodeConfig::new()
        .set("limits.stallTimeout", "300ms")
        .set("limits.maxUnprovenBytes", 4096);
    let node = config.start().await;
    let mut quiet = Raw::login(&node, "ANZ-2").await;
    let mut behind = Raw::login(&node, "ANZ-3").await;
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r1"));
    for n in 0..20 {
        sender.send(referenced("ANZ-3", "y".repeat(1000), &format!("b{n}")));
    }
    assert_eq!(behind.closed().await, Some(4011));
    quiet.expect("MESSAGE").await;
    quiet.fence().await;
}

#[tokio::test]
async fn fast_frames_alone_do_not_make_the_server_store_anything() {
    let mut node = Node::start().await;
    let dial = Dial::default();
    let mut receiver = Raw::login_with(&node, "ANZ-2", json!({"ack": "client"}), &dial).await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..10 {
        sender.send(fast("ANZ-2", n));
    }
    for n in 0..10 {
        assert_eq!(receiver.expect("MESSAGE").await["data"]["content"], n);
    }
    assert!(
        receiver
            .receive_within(Duration::from_millis(100))
            .await
            .is_none_or(|got| !matches!(got, Received::Text(_)))
    );
    drop((receiver, sender));
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 0);
}

#[tokio::test]
async fn messages_given_back_before_they_were_stored_keep_their_order() {
    // Nothing is stored before the connection ends.
    let node = NodeConfig::new().set("reliable.commitWindow", "5s").start().await;
    let mut receiver = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(20);
    for reference in &references {
        sender.send(referenced("ANZ-2", "x", reference));
    }
    for reference in &references {
        assert_eq!(receiver.expect("MESSAGE").await["reference"], *reference);
    }
    drop(receiver);
    for reference in &references {
        sender.expect_for("MESSAGE_ACCEPTED", reference).await;
    }
    let (page, left) = Client::login(&node, "ANZ-2").await.fetch(100).await;
    assert_eq!(left, 0);
    let came: Vec<&str> = page
        .iter()
        .filter_map(|frame| frame["reference"].as_str())
        .collect();
    assert_eq!(came, references);
}
