//! `MESSAGE_READ`, sent on to the author.

use crate::harness::{Client, Node, message_read, with};

#[tokio::test]
async fn a_read_receipt_reaches_the_author() {
    let node = Node::start().await;
    let mut author = Client::login(&node, "ANZ-1").await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    author.delivery_fence("ANZ-2", "m1").await;
    reader.expect("MESSAGE").await;
    reader.send(message_read("ANZ-1", "m1"));
    let receipt = author.next().await;
    assert_eq!(receipt.kind(), "MESSAGE_READ");
    assert_eq!(receipt["data"]["from"], "ANZ-2");
    assert_eq!(receipt["data"]["reference"], "m1");
    uuid::Uuid::parse_str(receipt.id()).unwrap();
    reader.expect_quiet().await;
}

#[tokio::test]
async fn a_read_receipt_waits_for_an_author_who_is_away() {
    let mut node = Node::start().await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    reader.send(message_read("ANZ-1", "m1"));
    reader.expect_quiet().await;
    drop(reader);
    node.restart().await;
    let mut author = Client::login(&node, "ANZ-1").await;
    assert_eq!(author.missing(), 1);
    let (page, _) = author.fetch(1).await;
    assert_eq!(page[0].kind(), "MESSAGE_READ");
    assert_eq!(page[0]["data"]["reference"], "m1");
}

#[tokio::test]
async fn a_read_receipt_is_not_confirmed() {
    let node = Node::start().await;
    let mut author = Client::login(&node, "ANZ-1").await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    reader.send(with(message_read("ANZ-1", "m1"), "reference", "top"));
    author.expect("MESSAGE_READ").await;
    reader.delivery_fence("ANZ-1", "fence").await;
    reader.expect_quiet().await;
}
