//! `reliable.retention`: a full inbox refuses, and what is too old goes.

use serde_json::json;

use crate::harness::{
    Client, Node, NodeConfig, Raw, WAIT, eventually, group, message_read, referenced, references, with,
};

async fn inboxes_of_five() -> Node {
    NodeConfig::new()
        .set("reliable.retention.maxPerUser", 5)
        .start()
        .await
}

async fn fill(node: &Node, user: &str) -> Client {
    let mut sender = Client::login_with(node, "ANZ-1", json!({"accepted": true})).await;
    let references = references(5);
    sender.store_for(user, &references).await;
    sender
}

#[tokio::test]
async fn a_message_to_a_full_inbox_is_refused_with_its_reference() {
    let node = inboxes_of_five().await;
    let mut sender = fill(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-2", "one too many", "r5"));
    let error = sender.next().await;
    assert_eq!(error.code(), "INBOX_FULL");
    assert_eq!(error["reference"], "r5");
    uuid::Uuid::parse_str(error.id()).expect("INBOX_FULL is sent RELIABLE");
    sender.expect_quiet().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 5);
    let (page, _) = receiver.fetch(10).await;
    assert_eq!(page.len(), 5);
    assert_eq!(page[4]["reference"], "r4");
}

#[tokio::test]
async fn a_refused_message_may_be_sent_again_when_there_is_room() {
    let node = inboxes_of_five().await;
    let mut sender = fill(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-2", "again", "r5"));
    assert_eq!(sender.next().await.code(), "INBOX_FULL");
    let mut receiver = Client::login(&node, "ANZ-2").await;
    receiver.fetch(10).await;
    for n in 0..5 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    sender.send(referenced("ANZ-2", "again", "r5"));
    sender.expect_for("MESSAGE_CONFIRMATION", "r5").await;
    assert_eq!(receiver.expect("MESSAGE").await["reference"], "r5");
}

#[tokio::test]
async fn a_full_inbox_is_its_users_own_affair() {
    let node = inboxes_of_five().await;
    let mut sender = fill(&node, "ANZ-2").await;
    sender.store_for("ANZ-3", &["r0".to_owned()]).await;
}

#[tokio::test]
async fn the_refusal_waits_for_a_sender_who_is_away() {
    let mut node = inboxes_of_five().await;
    let filler = fill(&node, "ANZ-2").await;
    drop(filler);
    // It reads nothing and proves nothing, so whatever it is told stays unproven.
    let mut sender = Raw::login(&node, "ANZ-4").await;
    sender.text(&referenced("ANZ-2", "one too many", "over")).await;
    sender.fence().await;
    drop(sender);
    node.restart().await;
    let mut sender = Client::login(&node, "ANZ-4").await;
    assert_eq!(sender.missing(), 1);
    let (page, _) = sender.fetch(1).await;
    assert_eq!(page[0].kind(), "ERROR");
    assert_eq!(page[0].code(), "INBOX_FULL");
    assert_eq!(page[0]["reference"], "over");
}

#[tokio::test]
async fn receipts_and_confirmations_do_not_count_and_are_not_refused() {
    let mut node = inboxes_of_five().await;
    // Five confirmations and five receipts wait for ANZ-2, and five messages still fit.
    let mut absent = Client::login_with(&node, "ANZ-2", json!({"accepted": true})).await;
    let references: Vec<String> = (0..5).map(|n| format!("m{n}")).collect();
    absent.store_for("ANZ-3", &references).await;
    absent.close().await;
    let mut other = Client::login_with(&node, "ANZ-3", json!({"accepted": true})).await;
    other.fetch(5).await;
    for reference in &references {
        other.send(message_read("ANZ-2", reference));
    }
    let answers: Vec<String> = (0..5).map(|n| format!("a{n}")).collect();
    other.store_for("ANZ-2", &answers).await;
    other.send(message_read("ANZ-2", "one more"));
    other.expect_quiet().await;
    other.close().await;
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 5 + 5 + 5 + 1);
}

#[tokio::test]
async fn a_user_who_is_there_has_no_full_inbox() {
    let node = inboxes_of_five().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..20 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        assert_eq!(receiver.expect("MESSAGE").await["data"]["content"], n);
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

#[tokio::test]
async fn a_message_older_than_the_retention_is_removed_and_counted() {
    // Without a master: its events would wait, and be removed and counted, as well.
    let node = NodeConfig::new()
        .set("reliable.retention.maxAge", "1s")
        .set("clientApps", json!([{"appName": "ANZ", "appId": "app-id-343"}]))
        .start()
        .await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["old".to_owned()]).await;
    sender.send(with(
        referenced("ANZ-2", "x", "old2"),
        "confirmationEnabled",
        false,
    ));
    sender.expect_for("MESSAGE_ACCEPTED", "old2").await;
    eventually("both are removed and counted", WAIT * 4, async || {
        let counted = node
            .metrics()
            .await
            .sum("linker_messages_total", &[("outcome", "expired")]);
        (counted == Some(2.0)).then_some(())
    })
    .await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    assert_eq!(receiver.missing(), 0);
    assert!(receiver.fetch(10).await.0.is_empty());
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_group_message_is_refused_for_the_full_inbox_alone() {
    let node = inboxes_of_five().await;
    let mut sender = fill(&node, "ANZ-2").await;
    let mut there = Client::login(&node, "ANZ-3").await;
    sender.send(with(group(&["ANZ-2", "ANZ-3", "ANZ-4"], "x"), "reference", "g"));
    assert_eq!(there.expect("MESSAGE").await["reference"], "g");
    let error = sender.expect_error("INBOX_FULL").await;
    assert_eq!(error["reference"], "g");
    assert!(error.error_text().contains("ANZ-2"), "{}", error.text);
    sender.expect_quiet().await;
    let (page, _) = Client::login(&node, "ANZ-4").await.fetch(10).await;
    assert_eq!(page.len(), 1);
    assert_eq!(page[0]["reference"], "g");
}
