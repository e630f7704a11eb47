//! `USER_CONNECTED` and `USER_DISCONNECTED`.

use serde_json::json;

use crate::harness::{Client, Frame, MASTER, Node, NodeConfig, OTHER_MASTER};

fn event(frame: &Frame) -> (&str, &str) {
    (frame.kind(), frame["data"]["userId"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn the_master_is_told_who_comes_and_who_goes() {
    let node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    let user = Client::login(&node, "ANZ-1").await;
    let connected = master.next().await;
    assert_eq!(event(&connected), ("USER_CONNECTED", "ANZ-1"));
    user.close().await;
    let disconnected = master.next().await;
    assert_eq!(event(&disconnected), ("USER_DISCONNECTED", "ANZ-1"));
    assert_ne!(
        connected.id(),
        disconnected.id(),
        "events are RELIABLE: each has an id"
    );
    master.expect_quiet().await;
}

#[tokio::test]
async fn a_connection_that_ends_without_a_word_is_told_too() {
    let node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    drop(Client::login(&node, "ANZ-1").await);
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-1"));
    assert_eq!(event(&master.next().await), ("USER_DISCONNECTED", "ANZ-1"));
}

#[tokio::test]
async fn only_the_first_and_the_last_session_of_a_user_are_told() {
    let node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    let phone = Client::login(&node, "ANZ-1").await;
    let laptop = Client::login(&node, "ANZ-1").await;
    phone.close().await;
    laptop.close().await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-1"));
    assert_eq!(event(&master.next().await), ("USER_DISCONNECTED", "ANZ-1"));
    let _fence = Client::login(&node, "ANZ-2").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-2"));
}

#[tokio::test]
async fn a_user_replaced_by_a_newer_login_never_went_away() {
    let node = NodeConfig::new().set("limits.sessionsPerUser", 1).start().await;
    let mut master = Client::login(&node, MASTER).await;
    let mut old = Client::login(&node, "ANZ-1").await;
    let new = Client::login(&node, "ANZ-1").await;
    assert_eq!(old.closed().await, Some(4009));
    new.close().await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-1"));
    assert_eq!(event(&master.next().await), ("USER_DISCONNECTED", "ANZ-1"));
    let _fence = Client::login(&node, "ANZ-2").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-2"));
}

#[tokio::test]
async fn the_masters_own_sessions_are_not_told() {
    let node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    Client::login(&node, MASTER).await.close().await;
    let _fence = Client::login(&node, "ANZ-1").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-1"));
}

#[tokio::test]
async fn only_the_master_of_the_users_own_app_is_told() {
    let node = Node::start().await;
    let mut other_master = Client::login(&node, OTHER_MASTER).await;
    let mut master = Client::login(&node, MASTER).await;
    let mut bystander = Client::login(&node, "ANZ-2").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-2"));
    Client::login(&node, "ANZ-1").await.close().await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-1"));
    assert_eq!(event(&master.next().await), ("USER_DISCONNECTED", "ANZ-1"));
    let _fence = Client::login(&node, "XYZ-5").await;
    assert_eq!(event(&other_master.next().await), ("USER_CONNECTED", "XYZ-5"));
    bystander.expect_quiet().await;
    other_master.expect_quiet().await;
}

#[tokio::test]
async fn a_refused_login_is_nobody_who_came() {
    let node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    Client::refused(
        &node,
        json!({"type": "AUTH_CLIENT", "data": {"appId": "wrong", "userId": "ANZ-1"}}),
    )
    .await;
    let _fence = Client::login(&node, "ANZ-2").await;
    assert_eq!(event(&master.next().await), ("USER_CONNECTED", "ANZ-2"));
}

#[tokio::test]
async fn of_one_user_only_the_newest_event_waits_for_an_absent_master() {
    let mut node = Node::start().await;
    for _ in 0..5 {
        Client::login(&node, "ANZ-1").await.close().await;
    }
    Client::login(&node, "ANZ-2").await.close().await;
    node.restart().await;
    let mut master = Client::login(&node, MASTER).await;
    assert_eq!(master.missing(), 2);
    let (page, left) = master.fetch(100).await;
    assert_eq!(left, 0);
    let mut events: Vec<_> = page.iter().map(event).collect();
    events.sort_unstable();
    assert_eq!(
        events,
        [("USER_DISCONNECTED", "ANZ-1"), ("USER_DISCONNECTED", "ANZ-2")]
    );
}

#[tokio::test]
async fn a_stored_event_is_fetched_once() {
    let mut node = Node::start().await;
    Client::login(&node, "ANZ-1").await.close().await;
    node.restart().await;
    let mut master = Client::login(&node, MASTER).await;
    assert_eq!(master.fetch(100).await.0.len(), 1);
    master.close().await;
    node.restart().await;
    assert_eq!(Client::login(&node, MASTER).await.missing(), 0);
}
