//! `CLOSE_CONNECTION`: the master closes a user of its own app, and nobody else closes anybody.

use serde_json::{Value, json};

use crate::harness::{Client, MASTER, Node, OTHER_MASTER, close_connection, with};

#[tokio::test]
async fn the_master_closes_all_sessions_of_a_user_with_4010() {
    let node = Node::start().await;
    let mut phone = Client::login(&node, "ANZ-1").await;
    let mut laptop = Client::login(&node, "ANZ-1").await;
    let mut bystander = Client::login(&node, "ANZ-2").await;
    let mut master = Client::login(&node, MASTER).await;
    master.send(close_connection("ANZ-1"));
    assert_eq!(phone.closed().await, Some(4010));
    assert_eq!(laptop.closed().await, Some(4010));
    bystander.expect_quiet().await;
    let answers = master.fence().await;
    assert!(
        answers.iter().all(|frame| frame.kind() != "ERROR"),
        "{answers:#?}"
    );
}

#[tokio::test]
async fn a_user_who_is_no_master_is_forbidden() {
    let node = Node::start().await;
    let mut target = Client::login(&node, "ANZ-2").await;
    let mut user = Client::login(&node, "ANZ-1").await;
    for target in ["ANZ-2", "ANZ-1", MASTER, "ANZ-999", "XYZ-5", "NOPE-1"] {
        user.send(with(close_connection(target), "reference", "r"));
        let error = user.next().await;
        assert_eq!(error.code(), "FORBIDDEN", "{target}: {}", error.text);
        assert_eq!(error["reference"], "r");
    }
    user.expect_quiet().await;
    target.expect_quiet().await;
}

#[tokio::test]
async fn the_master_of_one_app_is_forbidden_in_another() {
    let node = Node::start().await;
    let mut target = Client::login(&node, "XYZ-2").await;
    let mut master = Client::login(&node, MASTER).await;
    for target in ["XYZ-2", OTHER_MASTER, "XYZ-999", "NOPE-1"] {
        master.send(close_connection(target));
        assert_eq!(master.next().await.code(), "FORBIDDEN", "{target}");
    }
    target.expect_quiet().await;
}

#[tokio::test]
async fn a_malformed_target_is_told_before_the_right_to_close() {
    let node = Node::start().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    let mut master = Client::login(&node, MASTER).await;
    for target in ["", "ANZ", "ANZ-01"] {
        user.send(close_connection(target));
        assert_eq!(user.next().await.code(), "INVALID_USER_ID", "{target:?}");
        master.send(close_connection(target));
        assert_eq!(
            master.expect("ERROR").await.code(),
            "INVALID_USER_ID",
            "{target:?}"
        );
    }
}

#[tokio::test]
async fn a_target_without_a_session_is_user_not_connected() {
    let node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    master.send(with(close_connection("ANZ-9"), "reference", "r"));
    let error = master.next().await;
    assert_eq!(error.code(), "USER_NOT_CONNECTED");
    assert_eq!(error["reference"], "r");
}

#[tokio::test]
async fn closing_is_never_stored() {
    let mut node = Node::start().await;
    let mut master = Client::login(&node, MASTER).await;
    master.send(close_connection("ANZ-9"));
    assert_eq!(master.next().await.code(), "USER_NOT_CONNECTED");
    drop(master);
    let mut target = Client::login(&node, "ANZ-9").await;
    assert_eq!(target.missing(), 0);
    target.expect_quiet().await;
    node.restart().await;
    let mut target = Client::login(&node, "ANZ-9").await;
    assert_eq!(target.missing(), 0);
    target.expect_quiet().await;
}

#[tokio::test]
async fn a_closed_user_may_log_in_again() {
    let node = Node::start().await;
    let mut target = Client::login(&node, "ANZ-1").await;
    let master = Client::login(&node, MASTER).await;
    master.send(close_connection("ANZ-1"));
    assert_eq!(target.closed().await, Some(4010));
    let mut again = Client::login(&node, "ANZ-1").await;
    again.expect_quiet().await;
}

#[tokio::test]
async fn what_a_closed_user_had_not_proven_waits_for_the_next_login() {
    let node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    let mut target = crate::harness::Raw::login(&node, "ANZ-1").await;
    sender.send(crate::harness::referenced("ANZ-1", "unproven", "r1"));
    let live = target.expect("MESSAGE").await;
    let master = Client::login(&node, MASTER).await;
    master.send(close_connection("ANZ-1"));
    assert_eq!(target.closed().await, Some(4010));
    // One session for all of it: it may also come live, to whoever has logged in when it is given back.
    let mut again = Client::login(&node, "ANZ-1").await;
    let page = crate::harness::eventually("it is given back", crate::harness::WAIT, async || {
        let (page, _) = again.fetch(10).await;
        page.first().map(|frame| frame.id().to_owned())
    });
    assert_eq!(page.await, live.id());
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn an_app_without_a_master_has_nobody_who_closes() {
    let app: Value = json!({"appName": "FREE", "appId": "app-id-FREE"});
    let node = crate::harness::NodeConfig::new().app(app).start().await;
    let _target = Client::login(&node, "FREE-2").await;
    let mut user = Client::login(&node, "FREE-1").await;
    user.send(close_connection("FREE-2"));
    assert_eq!(user.next().await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn a_master_may_close_itself() {
    let node = Node::start().await;
    let mut phone = Client::login(&node, MASTER).await;
    let mut laptop = Client::login(&node, MASTER).await;
    laptop.send(close_connection(MASTER));
    assert_eq!(phone.closed().await, Some(4010));
    assert_eq!(laptop.closed().await, Some(4010));
    let mut again = Client::login(&node, MASTER).await;
    again.send(close_connection("ANZ-9"));
    again.expect_error("USER_NOT_CONNECTED").await;
}

#[tokio::test]
async fn who_was_closed_is_gone_to_the_next_who_asks() {
    let node = Node::start().await;
    let mut target = Client::login(&node, "ANZ-1").await;
    let mut master = Client::login(&node, MASTER).await;
    master.send(close_connection("ANZ-1"));
    assert_eq!(target.closed().await, Some(4010));
    master.send(with(close_connection("ANZ-1"), "reference", "second"));
    let error = master.expect_error("USER_NOT_CONNECTED").await;
    assert_eq!(error["reference"], "second");
}
