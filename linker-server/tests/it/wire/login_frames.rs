//! Frames that arrive while a login is still being checked.

use std::time::Duration;

use crate::harness::{Answer, AuthServer, Client, NodeConfig, WAIT, auth, eventually, message, ping};

#[tokio::test]
async fn frames_sent_while_the_login_is_checked_wait_for_its_result_in_order() {
    let server = AuthServer::saying(Answer::LateYes(Duration::from_millis(300))).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    let mut friend = Client::login(&node, "ANZ-2").await;
    let mut client = Client::connect(&node).await;
    client.send(auth("AUT-1"));
    for n in 0..20 {
        client.send(message("ANZ-2", n));
    }
    client.send(ping());
    let first = client.next().await;
    assert_eq!(first.kind(), "AUTH_CLIENT_REPLY");
    assert_eq!(first["data"]["isAuthenticated"], true);
    assert_eq!(client.next().await.kind(), "PONG");
    for n in 0..20 {
        assert_eq!(friend.expect("MESSAGE").await["data"]["content"], n);
    }
}

#[tokio::test]
async fn frames_sent_behind_a_login_that_is_refused_are_not_processed() {
    let server = AuthServer::saying(Answer::Seed { authenticated: false }).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    let mut friend = Client::login(&node, "ANZ-2").await;
    let mut client = Client::connect(&node).await;
    client.send(auth("AUT-1"));
    client.send(message("ANZ-2", "from nobody"));
    assert_eq!(client.expect("AUTH_CLIENT_REPLY").await.code(), "AUTH_FAILED");
    assert_eq!(client.closed().await, Some(4003));
    let mut honest = Client::login(&node, "ANZ-3").await;
    honest.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(friend.expect("MESSAGE").await["data"]["from"], "ANZ-3");
    friend.expect_quiet().await;
}

#[tokio::test]
async fn a_second_login_while_the_first_is_checked_is_answered_after_it() {
    let server = AuthServer::saying(Answer::LateYes(Duration::from_millis(200))).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    let mut client = Client::connect(&node).await;
    client.send(auth("AUT-1"));
    client.send(auth("AUT-2"));
    assert_eq!(client.next().await["data"]["userId"], "AUT-1");
    assert_eq!(client.next().await.code(), "ALREADY_AUTHENTICATED");
    assert_eq!(server.asked().len(), 1, "nobody was asked about the second");
}

#[tokio::test]
async fn a_connection_that_ends_while_its_login_is_checked_leaves_no_session() {
    let server = AuthServer::saying(Answer::LateYes(Duration::from_millis(200))).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    let client = Client::connect(&node).await;
    client.send(auth("AUT-1"));
    eventually("the app's server is asked", WAIT, async || {
        (!server.asked().is_empty()).then_some(())
    })
    .await;
    drop(client);
    // The check of the vanished login ends before this one's, which began later and takes as long.
    let _other = Client::login(&node, "AUT-9").await;
    eventually("only the other's session is left", WAIT, async || {
        (node.metrics().await.value("linker_sessions", &[]) == 1.0).then_some(())
    })
    .await;
}
