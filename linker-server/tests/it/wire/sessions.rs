//! Several sessions of one user.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, Raw, WAIT, eventually, message, referenced};

#[tokio::test]
async fn the_ninth_session_closes_the_oldest_with_4009() {
    let node = Node::start().await;
    let mut sessions = Vec::new();
    for _ in 0..9 {
        sessions.push(Client::login(&node, "ANZ-1").await);
    }
    assert_eq!(sessions[0].closed().await, Some(4009));
    for session in &mut sessions[1..] {
        session.expect_quiet().await;
    }
}

#[tokio::test]
async fn with_one_session_a_user_the_newest_login_wins() {
    let node = NodeConfig::new().set("limits.sessionsPerUser", 1).start().await;
    let mut first = Client::login(&node, "ANZ-1").await;
    let mut second = Client::login(&node, "ANZ-1").await;
    assert_eq!(first.closed().await, Some(4009));
    let mut third = Client::login(&node, "ANZ-1").await;
    assert_eq!(second.closed().await, Some(4009));
    third.delivery_fence("ANZ-1", "r").await;
    assert_eq!(third.next().await.kind(), "MESSAGE");
}

#[tokio::test]
async fn the_limit_is_a_users_own() {
    let node = NodeConfig::new().set("limits.sessionsPerUser", 1).start().await;
    let mut one = Client::login(&node, "ANZ-1").await;
    let mut other = Client::login(&node, "ANZ-2").await;
    one.expect_quiet().await;
    other.expect_quiet().await;
}

#[tokio::test]
async fn many_logins_at_once_leave_exactly_the_allowed_sessions() {
    let node = NodeConfig::new().set("limits.sessionsPerUser", 2).start().await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        let client = Client::connect(&node).await;
        client.send(crate::harness::auth("ANZ-1"));
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.next().await["data"]["isAuthenticated"], true);
    }
    eventually("two sessions are left", WAIT, async || {
        (node.metrics().await.value("linker_sessions", &[]) == 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_goes_to_all_sessions_and_is_confirmed_once() {
    let node = Node::start().await;
    let mut phone = Client::login(&node, "ANZ-1").await;
    let mut laptop = Client::login(&node, "ANZ-1").await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    sender.delivery_fence("ANZ-1", "r1").await;
    let on_phone = phone.next().await;
    let on_laptop = laptop.next().await;
    assert_eq!(on_phone.id(), on_laptop.id());
    phone.expect_quiet().await;
    laptop.expect_quiet().await;
    sender.delivery_fence("ANZ-1", "r2").await;
    sender.expect_quiet().await;
}

#[tokio::test]
async fn a_fast_message_goes_to_all_sessions() {
    let node = Node::start().await;
    let mut phone = Client::login(&node, "ANZ-1").await;
    let mut laptop = Client::login(&node, "ANZ-1").await;
    let sender = Client::login(&node, "ANZ-2").await;
    sender.send(crate::harness::fast("ANZ-1", "both"));
    assert_eq!(phone.next().await["data"]["content"], "both");
    assert_eq!(laptop.next().await["data"]["content"], "both");
}

#[tokio::test]
async fn one_session_that_proves_is_enough_and_nothing_is_missed_then() {
    let node = Node::start().await;
    let mut deaf = Raw::login(&node, "ANZ-1").await;
    let proving = Client::login(&node, "ANZ-1").await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    sender.delivery_fence("ANZ-1", "r1").await;
    assert_eq!(deaf.expect("MESSAGE").await["reference"], "r1");
    drop(deaf);
    proving.close().await;
    eventually("all sessions but the sender's are gone", WAIT, async || {
        (node.metrics().await.value("linker_sessions", &[]) == 1.0).then_some(())
    })
    .await;
    assert_eq!(Client::login(&node, "ANZ-1").await.missing(), 0);
}

#[tokio::test]
async fn a_message_that_no_session_proved_is_missed_once() {
    let mut node = Node::start().await;
    let mut one = Raw::login(&node, "ANZ-1").await;
    let mut other = Raw::login(&node, "ANZ-1").await;
    let sender = Client::login(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-1", "x", "r1"));
    let id = one.expect("MESSAGE").await.id().to_owned();
    assert_eq!(other.expect("MESSAGE").await.id(), id);
    drop((one, other, sender));
    node.restart().await;
    let mut back = Client::login(&node, "ANZ-1").await;
    assert_eq!(back.missing(), 1);
    assert_eq!(back.fetch(10).await.0[0].id(), id);
}

#[tokio::test]
async fn all_sessions_of_the_sender_get_the_confirmation() {
    let node = Node::start().await;
    let _recipient = Client::login(&node, "ANZ-1").await;
    let mut phone = Client::login(&node, "ANZ-2").await;
    let mut laptop = Client::login(&node, "ANZ-2").await;
    phone.send(referenced("ANZ-1", "x", "r1"));
    phone.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    laptop.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    phone.expect_quiet().await;
    laptop.expect_quiet().await;
}

#[tokio::test]
async fn a_message_goes_on_to_the_session_that_is_left_when_one_ends() {
    let node = Node::start().await;
    let mut deaf = Raw::login(&node, "ANZ-1").await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-1", "x", "r1"));
    let live = deaf.expect("MESSAGE").await;
    let mut later = Client::login(&node, "ANZ-1").await;
    drop(deaf);
    let given_on = tokio::time::timeout(WAIT, later.expect("MESSAGE")).await.unwrap();
    assert_eq!(given_on.id(), live.id());
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn a_session_replaced_by_a_newer_login_gives_back_what_it_had_not_proven() {
    let node = NodeConfig::new().set("limits.sessionsPerUser", 1).start().await;
    let mut deaf = Raw::login(&node, "ANZ-1").await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-1", "x", "r1"));
    let live = deaf.expect("MESSAGE").await;
    let mut newer = Client::login_with(&node, "ANZ-1", json!({"replay": true})).await;
    assert_eq!(deaf.closed().await, Some(4009));
    assert_eq!(newer.expect("MESSAGE").await.id(), live.id());
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}

#[tokio::test]
async fn a_user_who_comes_while_a_message_is_stored_gets_it_without_asking() {
    let node = Node::start().await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    for round in 0..30 {
        let user = format!("ANZ-{}", 1000 + round);
        let reference = format!("r{round}");
        sender.send(referenced(&user, "x", &reference));
        // Spread the logins over the commit window and beyond it.
        tokio::time::sleep(Duration::from_millis(round * 2)).await;
        let mut recipient = Client::login(&node, &user).await;
        if recipient.missing() == 0 {
            assert_eq!(
                recipient.expect("MESSAGE").await["reference"],
                reference,
                "round {round}"
            );
        } else {
            let (page, left) = recipient.fetch(10).await;
            assert_eq!((page.len(), left), (1, 0), "round {round}");
        }
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
}

#[tokio::test]
async fn a_session_that_is_gone_gets_nothing_more_and_the_other_goes_on() {
    let node = Node::start().await;
    let mut stays = Client::login(&node, "ANZ-1").await;
    let mut sender = Client::login(&node, "ANZ-2").await;
    for round in 0..10 {
        let leaves = Client::login(&node, "ANZ-1").await;
        sender.send(message("ANZ-1", round));
        leaves.close().await;
        assert_eq!(stays.expect("MESSAGE").await["data"]["content"], round);
    }
    sender.expect_quiet().await;
}
