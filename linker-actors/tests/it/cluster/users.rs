//! What one node can do to, and know of, users of another.

use linker_actors::{Outgoing, SendState};

use super::Domain;
use crate::harness::{Client, MASTER, WAIT, close_connection, eventually, message_read, referenced, user};

#[tokio::test]
async fn a_master_closes_users_of_other_nodes() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut master = Client::login(&a, MASTER).await;
    let mut on_a = Client::login(&a, "ANZ-2").await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    let mut only_on_b = Client::login(&b, "ANZ-3").await;
    master.send(close_connection("ANZ-2"));
    assert_eq!(
        (on_a.closed().await, on_b.closed().await),
        (Some(4010), Some(4010))
    );
    master.send(close_connection("ANZ-3"));
    assert_eq!(only_on_b.closed().await, Some(4010));
    domain.await_offline("ANZ-3").await;
    master.send(close_connection("ANZ-3"));
    master.expect_error("USER_NOT_CONNECTED").await;
}

#[tokio::test]
async fn read_receipts_cross_nodes() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut author = Client::login(&a, "ANZ-1").await;
    let mut reader = Client::login(&b, "ANZ-2").await;
    author.send(referenced("ANZ-2", 1, "r"));
    reader.expect("MESSAGE").await;
    reader.send(message_read("ANZ-1", "r"));
    let receipt = author.expect("MESSAGE_READ").await;
    assert_eq!(receipt["data"]["from"], "ANZ-2");
    assert_eq!(receipt["data"]["reference"], "r");
}

#[tokio::test]
async fn a_host_reaches_users_of_all_nodes() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    assert!(a.handle.is_online(user("ANZ-2")).await);
    let receipt = a
        .handle
        .send(user("ANZ-2"), Outgoing::new(&7).expect("a number"))
        .await;
    assert_eq!(receipt.map(|receipt| receipt.state), Ok(SendState::Delivered));
    assert_eq!(on_b.expect("MESSAGE").await["data"]["content"], 7);
    assert_eq!(a.handle.close(&user("ANZ-2")).await, Ok(1));
    assert_eq!(on_b.closed().await, Some(4010));
    eventually("nobody is online", WAIT, async || {
        (!a.handle.is_online(user("ANZ-2")).await).then_some(())
    })
    .await;
    assert_eq!(a.handle.close(&user("ANZ-2")).await, Ok(0));
    let receipt = a
        .handle
        .send(user("ANZ-2"), Outgoing::new(&8).expect("a number"))
        .await;
    assert_eq!(receipt.map(|receipt| receipt.state), Ok(SendState::Stored));
}
