//! Messages between users of different nodes who are both there.

use serde_json::json;

use super::Domain;
use crate::harness::{Client, fast, message, referenced, user, with};

#[tokio::test]
async fn a_message_crosses_nodes_and_is_confirmed() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    let mut receiver = Client::login(&b, "XYZ-2").await;
    sender.send(with(
        referenced("XYZ-2", json!({"z": 1.5}), "quiet"),
        "confirmationEnabled",
        false,
    ));
    let frame = receiver.expect("MESSAGE").await;
    assert_eq!(frame["data"], json!({"from": "ANZ-1", "content": {"z": 1.5}}));
    assert_eq!(
        (&frame["reference"], &frame["feature"]),
        (&json!("quiet"), &json!("RELIABLE"))
    );
    sender.expect_for("MESSAGE_ACCEPTED", "quiet").await;
    sender.send(referenced("XYZ-2", 1, "told"));
    receiver.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "told").await;
    sender.send(message("XYZ-2", "no reference"));
    assert_eq!(receiver.expect("MESSAGE").await["reference"], json!(null));
    sender.fence().await;
    receiver.expect_quiet().await;
    for who in ["ANZ-1", "XYZ-2"] {
        domain.await_rows(who, 0).await;
    }
}

#[tokio::test]
async fn a_thousand_messages_arrive_in_order_each_once_both_ways() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut one = Client::login(&a, "ANZ-1").await;
    let mut two = Client::login(&b, "ANZ-2").await;
    for n in 0..1000 {
        one.send(referenced("ANZ-2", n, &format!("r{n}")));
        two.send(referenced("ANZ-1", n, &format!("r{n}")));
    }
    two.expect_in_order(0..1000).await;
    one.expect_in_order(0..1000).await;
    for n in 0..1000 {
        one.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
        two.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    one.expect_quiet().await;
    two.expect_quiet().await;
    for who in ["ANZ-1", "ANZ-2"] {
        domain.await_rows(who, 0).await;
    }
}

#[tokio::test]
async fn several_senders_on_both_nodes_each_keep_their_order() {
    const EACH: usize = 200;
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-1").await;
    let mut senders = Vec::new();
    for n in 2..8 {
        let home = if n % 2 == 0 { &a } else { &b };
        senders.push(Client::login(home, &format!("ANZ-{n}")).await);
    }
    for n in 0..EACH {
        for sender in &senders {
            sender.send(message("ANZ-1", n));
        }
    }
    let mut next = [0; 8];
    for _ in 0..EACH * senders.len() {
        let frame = receiver.expect("MESSAGE").await;
        let from = frame["data"]["from"].as_str().expect("a sender");
        let from: usize = from[4..].parse().expect("ANZ-n");
        assert_eq!(frame["data"]["content"], next[from], "of {from}");
        next[from] += 1;
    }
    receiver.expect_quiet().await;
}

#[tokio::test]
async fn fast_messages_cross_nodes_and_those_to_absent_users_are_gone() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    sender.send(fast("ANZ-2", "quick"));
    sender.send(with(fast("ANZ-2", "told"), "reference", "r"));
    sender.send(with(fast("ANZ-3", "for nobody"), "reference", "nobody"));
    for n in 0..1000 {
        sender.send(fast("ANZ-2", n));
    }
    assert_eq!(receiver.next().await["data"]["content"], "quick");
    assert_eq!(receiver.next().await["data"]["content"], "told");
    receiver.expect_in_order(0..1000).await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    sender.expect_quiet().await;
    assert_eq!(a.handle.missing(user("ANZ-3")).await, Ok(0));
    assert_eq!(domain.rows_of("ANZ-2").await + domain.rows_of("ANZ-3").await, 0);
}
