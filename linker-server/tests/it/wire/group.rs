//! `GROUP_MESSAGE`.

use serde_json::json;

use crate::harness::{Client, Node, group, with};

#[tokio::test]
async fn each_distinct_recipient_gets_one_message_the_sender_too() {
    let node = Node::start().await;
    let mut other = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(group(&["ANZ-2", "ANZ-1", "ANZ-2", "ANZ-2"], "hello"));
    sender.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(other.next().await["data"]["content"], "hello");
    assert_eq!(other.next().await["data"]["content"], "fence");
    other.expect_quiet().await;
    let own = sender.expect("MESSAGE").await;
    assert_eq!(own["data"]["from"], "ANZ-1");
    assert_eq!(own["data"]["content"], "hello");
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_group_message_is_neither_confirmed_nor_accepted() {
    let node = Node::start().await;
    let _other = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(with(group(&["ANZ-2", "ANZ-3"], "x"), "reference", "g1"));
    sender.send(with(
        with(group(&["ANZ-2"], "x"), "reference", "g2"),
        "confirmationEnabled",
        true,
    ));
    // Stored for one who is away and delivered to one who is there: both are over by now.
    sender.store_for("ANZ-3", &["stored".to_owned()]).await;
    sender.delivery_fence("ANZ-2", "delivered").await;
    let frames = sender.fence().await;
    let about_groups: Vec<_> = frames
        .iter()
        .filter(|frame| frame["data"]["reference"] == "g1" || frame["data"]["reference"] == "g2")
        .collect();
    assert!(about_groups.is_empty(), "{about_groups:#?}");
}

#[tokio::test]
async fn a_group_message_is_not_deduplicated() {
    let node = Node::start().await;
    let mut other = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..2 {
        sender.send(with(group(&["ANZ-2"], n), "reference", "same"));
    }
    assert_eq!(other.next().await["data"]["content"], 0);
    assert_eq!(other.next().await["data"]["content"], 1);
    // Nor does it stand in the way of a message with its reference.
    sender.delivery_fence("ANZ-2", "same").await;
    assert_eq!(other.next().await["data"]["content"], "fence");
}

#[tokio::test]
async fn each_absent_recipient_misses_it_and_can_fetch_it() {
    let mut node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(with(group(&["ANZ-2", "ANZ-3"], "for later"), "reference", "g"));
    sender.expect_quiet().await;
    drop(sender);
    node.restart().await;
    for user in ["ANZ-2", "ANZ-3"] {
        let mut receiver = Client::login(&node, user).await;
        assert_eq!(receiver.missing(), 1);
        let (page, left) = receiver.fetch(10).await;
        assert_eq!((page.len(), left), (1, 0));
        assert_eq!(page[0]["data"]["content"], "for later");
        assert_eq!(page[0]["reference"], "g");
    }
}

#[tokio::test]
async fn a_fast_group_message_reaches_who_is_there_and_nobody_else() {
    let mut node = Node::start().await;
    let mut there = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(with(group(&["ANZ-2", "ANZ-3"], "now"), "feature", "FAST"));
    let message = there.next().await;
    assert_eq!(message["feature"], "FAST");
    assert_eq!(message["data"]["content"], "now");
    drop((there, sender));
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-3").await.missing(), 0);
}

#[tokio::test]
async fn a_thousand_recipients_are_a_group_and_one_more_is_too_many() {
    let mut node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let users: Vec<String> = (1000..2001).map(|n| format!("ANZ-{n}")).collect();
    let mut users: Vec<&str> = users.iter().map(String::as_str).collect();
    sender.send(with(group(&users, "x"), "reference", "g"));
    let error = sender.next().await;
    assert_eq!(error.code(), "TOO_MANY_RECIPIENTS");
    assert_eq!(error["reference"], "g");
    users.pop();
    sender.send(group(&users, "x"));
    sender.expect_quiet().await;
    drop(sender);
    node.restart().await;
    for user in ["ANZ-1000", "ANZ-1500", "ANZ-1999"] {
        assert_eq!(Client::login(&node, user).await.missing(), 1, "{user}");
    }
    assert_eq!(
        Client::login(&node, "ANZ-2000").await.missing(),
        0,
        "the group of 1001 was refused whole"
    );
}

#[tokio::test]
async fn recipients_are_counted_before_repetitions_are_dropped() {
    let node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(group(&["ANZ-2"; 1001], "x"));
    assert_eq!(sender.next().await.code(), "TOO_MANY_RECIPIENTS");
    sender.send(group(&["ANZ-1"; 1000], "x"));
    assert_eq!(sender.next().await.kind(), "MESSAGE");
    sender.delivery_fence("ANZ-1", "fence").await;
    assert_eq!(sender.next().await["data"]["content"], "fence");
}

#[tokio::test]
async fn one_bad_id_refuses_the_whole_and_is_named() {
    let node = Node::start().await;
    let mut other = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for (bad, code) in [("ANZ-007", "INVALID_USER_ID"), ("NOPE-7", "UNKNOWN_USER")] {
        sender.send(with(group(&["ANZ-2", bad, "ANZ-3"], "x"), "reference", "g"));
        let error = sender.next().await;
        assert_eq!(error.code(), code);
        assert!(
            error.error_text().contains(bad),
            "{bad} is not named: {}",
            error.text
        );
        assert_eq!(error["reference"], "g");
    }
    sender.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(other.next().await["data"]["content"], "fence");
}
