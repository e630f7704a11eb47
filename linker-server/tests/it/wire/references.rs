//! A reference belongs to its sender, its recipient and its kind of frame: nothing else under the same
//! text is taken for a repetition, nor told in its place.

use serde_json::json;

use crate::harness::{Client, Node, fast, group, message_read, referenced, with};

#[tokio::test]
async fn an_answer_under_the_reference_of_its_question_arrives() {
    let node = Node::start().await;
    let mut asking = Client::login(&node, "ANZ-1").await;
    let mut answering = Client::login(&node, "ANZ-2").await;
    asking.send(referenced("ANZ-2", "question", "one"));
    assert_eq!(answering.expect("MESSAGE").await["data"]["content"], "question");
    answering.send(referenced("ANZ-1", "answer", "one"));
    assert_eq!(asking.expect("MESSAGE").await["data"]["content"], "answer");
    asking.expect_for("MESSAGE_CONFIRMATION", "one").await;
    answering.expect_for("MESSAGE_CONFIRMATION", "one").await;
}

#[tokio::test]
async fn a_receipt_and_a_message_under_one_reference_both_arrive() {
    let node = Node::start().await;
    let mut author = Client::login(&node, "ANZ-1").await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    reader.send(message_read("ANZ-1", "one"));
    assert_eq!(author.next().await.kind(), "MESSAGE_READ");
    reader.send(referenced("ANZ-1", "x", "one"));
    assert_eq!(author.next().await.kind(), "MESSAGE");
    reader.expect_for("MESSAGE_CONFIRMATION", "one").await;
    reader.send(message_read("ANZ-1", "one"));
    assert_eq!(author.next().await.kind(), "MESSAGE_READ");
}

#[tokio::test]
async fn a_fast_message_never_stands_in_for_a_reliable_one() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(with(fast("ANZ-2", "quick"), "reference", "one"));
    sender.expect_for("MESSAGE_CONFIRMATION", "one").await;
    sender.send(referenced("ANZ-2", "safe", "one"));
    sender.expect_for("MESSAGE_CONFIRMATION", "one").await;
    assert_eq!(receiver.next().await["data"]["content"], "quick");
    assert_eq!(receiver.next().await["data"]["content"], "safe");
    // Nor one to an absent user, which is gone.
    sender.send(with(fast("ANZ-3", "quick"), "reference", "two"));
    sender.store_for("ANZ-3", &["two".to_owned()]).await;
}

#[tokio::test]
async fn a_message_to_a_group_gives_each_recipient_the_reference() {
    let node = Node::start().await;
    let mut members = [
        Client::login(&node, "ANZ-2").await,
        Client::login(&node, "XYZ-2").await,
    ];
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(with(group(&["ANZ-2", "XYZ-2"], "x"), "reference", "g"));
    let mut ids = Vec::new();
    for member in &mut members {
        let message = member.expect("MESSAGE").await;
        assert_eq!(message["reference"], "g");
        assert_eq!(message["feature"], "RELIABLE");
        ids.push(message.id().to_owned());
    }
    assert_ne!(ids[0], ids[1], "two messages");
}

#[tokio::test]
async fn what_is_accepted_is_what_arrives_under_the_same_id() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.send(referenced("ANZ-2", "x", "r"));
    let accepted = sender.expect_for("MESSAGE_ACCEPTED", "r").await;
    let (page, _) = Client::login(&node, "ANZ-2").await.fetch(1).await;
    assert_eq!(accepted["data"]["id"], page[0].id());
}

#[tokio::test]
async fn a_repetition_may_say_something_else_and_is_the_first_all_the_same() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "first", "r"));
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    sender.send(referenced("ANZ-2", "second", "r"));
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    assert_eq!(receiver.next().await["data"]["content"], "first");
    receiver.expect_quiet().await;
}
