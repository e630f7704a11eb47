//! The meta server is away: at the start of a node, or later.

use std::net::TcpListener;

use serde_json::json;

use super::{
    anz, document, follower, follower_of, handshake_status, health, until_health, until_logged, until_login,
    xyz,
};
use crate::harness::{Api, Client, MetaServer, message};

const SPLIT: u64 = 1_000_000;

#[tokio::test]
async fn a_node_starts_with_the_document_it_kept() {
    let mut server = MetaServer::start(document(&[anz()], SPLIT)).await;
    let mut node = follower(&server).start().await;
    server.serve(document(&[anz(), xyz()], SPLIT)).await;
    until_login(&node, "XYZ-1", "ok").await;
    server.kill9();
    until_health(&node, 200, &["away", "the last document stays"]).await;
    until_logged(&node, &["WARN", "the meta server is away"]).await;
    Client::login(&node, "XYZ-1").await;
    node.restart().await;
    let said = until_health(&node, 200, &["away", "kept"]).await;
    assert!(said.contains(&server.url()), "{said}");
    until_logged(
        &node,
        &["WARN", "starts with the meta document that it kept", "meta.json"],
    )
    .await;
    Client::login(&node, "XYZ-1").await;
    // As after a crash.
    node.kill9();
    node.start_again().await;
    Client::login(&node, "XYZ-1").await;
    server.start_again().await;
    until_health(&node, 200, &["ok"]).await;
    until_logged(&node, &["INFO", "answers again"]).await;
    server.serve(document(&[anz()], SPLIT)).await;
    until_login(&node, "XYZ-1", "UNKNOWN_APP").await;
}

#[tokio::test]
async fn without_a_kept_document_a_node_waits_for_one_and_says_so() {
    let mut server = MetaServer::start(document(&[anz()], SPLIT)).await;
    server.kill9();
    let mut node = follower(&server).start().await;
    let (status, said) = health(&node).await;
    assert_eq!(status, 503, "{said}");
    assert!(
        said.contains("no meta document yet") && said.contains(&server.url()),
        "{said}"
    );
    assert_eq!(node.admin_get("/health/live").await.status, 200);
    assert_eq!(handshake_status(&node).await, Some(503), "nobody could log in");
    // Whom it will know is not known yet: nobody is told that there is no such user.
    let api = Api::of(&node);
    let to_anybody = json!({"to": "ANZ-1", "content": 1});
    for answer in [
        api.post("/api/v1/messages", &to_anybody).await,
        api.post("/api/v1/pushes", &json!({"to": ["ANZ-1"], "content": 1}))
            .await,
        api.post("/api/v1/pushes", &json!({"to": {"app": "ANZ"}, "content": 1}))
            .await,
        api.get("/api/v1/users/ANZ-1").await,
    ] {
        assert_eq!(answer.problem(503)["code"], "UNAVAILABLE");
    }
    let login = json!({"appId": "app-id-343", "userId": "ANZ-1"});
    let answer = api.post("/api/v1/login", &login).await;
    assert_eq!(answer.problem(503)["code"], "AUTH_UNAVAILABLE");
    server.start_again().await;
    until_health(&node, 200, &["ok"]).await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(message("ANZ-1", 1));
    client.expect("MESSAGE").await;
    assert_eq!(node.terminate().await, 0);
}

#[tokio::test]
async fn a_node_that_waits_for_its_document_stops_with_0() {
    // Listens, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut node = follower_of(&format!("http://{}", silent.local_addr().unwrap()))
        .start()
        .await;
    let (status, said) = health(&node).await;
    assert_eq!(status, 503, "{said}");
    assert_eq!(node.terminate().await, 0);
}

#[tokio::test]
async fn a_kept_document_that_is_damaged_is_not_used() {
    let mut server = MetaServer::start(document(&[anz()], SPLIT)).await;
    let mut node = follower(&server).start().await;
    let kept = node.config.data_dir().join("meta.json");
    crate::harness::eventually("it is kept", crate::harness::WAIT, async || {
        kept.exists().then_some(())
    })
    .await;
    assert_eq!(node.terminate().await, 0);
    let whole = std::fs::read(&kept).unwrap();
    std::fs::write(&kept, &whole[..whole.len() / 2]).unwrap();
    server.kill9();
    node.start_again().await;
    let (status, said) = health(&node).await;
    assert_eq!(status, 503, "{said}");
    until_logged(&node, &["WARN", "meta.json", "cannot be read"]).await;
    server.start_again().await;
    until_health(&node, 200, &["ok"]).await;
    Client::login(&node, "ANZ-1").await;
}

#[tokio::test]
async fn a_meta_server_that_comes_and_goes_costs_no_session() {
    let mut server = MetaServer::start(document(&[anz()], SPLIT)).await;
    let node = follower(&server).start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for _ in 0..3 {
        server.kill9();
        until_health(&node, 200, &["away"]).await;
        client.send(message("ANZ-1", "still here"));
        client.expect("MESSAGE").await;
        server.start_again().await;
        until_health(&node, 200, &["ok"]).await;
    }
    client.expect_quiet().await;
    assert_eq!(
        node.log().matches("a new directory is in force").count(),
        0,
        "nothing had changed"
    );
}
