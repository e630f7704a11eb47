//! A changed document changes running nodes.

use serde_json::json;

use super::{anz, document, follower, health, until_health, until_login, xyz};
use crate::harness::{Answer, AuthServer, Client, MASTER, MetaServer, Node, auth, close_connection, message};

const MILLION: u64 = 1_000_000;

#[tokio::test]
async fn a_node_works_with_the_document_of_its_meta_server() {
    let server = MetaServer::start(document(&[anz()], MILLION)).await;
    let node = follower(&server).start().await;
    assert_eq!(health(&node).await, (200, "ok".to_owned()));
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(message("ANZ-1", "to myself"));
    assert_eq!(client.expect("MESSAGE").await["data"]["content"], "to myself");
    let elsewhere = Client::refused(&node, auth("ANZ-1000000")).await;
    assert_eq!(elsewhere.code(), "WRONG_DOMAIN");
    let urls = json!(["ws://127.0.0.1:8288/ws", "wss://far.example/socket"]);
    assert_eq!(elsewhere["data"]["urls"], urls);
}

#[tokio::test]
async fn apps_come_and_go_without_a_restart() {
    let server = MetaServer::start(document(&[anz()], MILLION)).await;
    let node = follower(&server).start().await;
    let mut stays = Client::login(&node, "ANZ-1").await;
    until_login(&node, "XYZ-1", "UNKNOWN_APP").await;
    server.serve(document(&[anz(), xyz()], MILLION)).await;
    until_login(&node, "XYZ-1", "ok").await;
    let mut goes = Client::login(&node, "XYZ-1").await;
    stays.send(message("XYZ-1", "hello"));
    assert_eq!(goes.expect("MESSAGE").await["data"]["content"], "hello");
    server.serve(document(&[anz()], MILLION)).await;
    assert_eq!(
        goes.closed().await,
        Some(1001),
        "its client comes back and is told"
    );
    until_login(&node, "XYZ-1", "UNKNOWN_APP").await;
    stays.send(message("XYZ-1", "hello"));
    assert_eq!(stays.expect("ERROR").await.code(), "UNKNOWN_USER");
    assert_eq!(node.admin_get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn who_has_moved_is_sent_to_the_new_home() {
    let server = MetaServer::start(document(&[anz()], MILLION)).await;
    let node = follower(&server).start().await;
    let mut stays = Client::login(&node, "ANZ-7").await;
    let mut moves = Client::login(&node, "ANZ-500000").await;
    server.serve(document(&[anz()], 500_000)).await;
    assert_eq!(moves.closed().await, Some(1001));
    let refused = Client::refused(&node, auth("ANZ-500000")).await;
    assert_eq!(refused.code(), "WRONG_DOMAIN");
    assert_eq!(refused["data"]["urls"][0], "ws://127.0.0.1:8288/ws");
    stays.expect_quiet().await;
    // And home again, to a domain that has moved meanwhile.
    let mut third = document(&[anz()], 600_000);
    third["domains"][1]["urls"] = json!(["ws://127.0.0.1:8388/elsewhere"]);
    server.serve(third).await;
    until_login(&node, "ANZ-500000", "ok").await;
    let refused = Client::refused(&node, auth("ANZ-600000")).await;
    assert_eq!(refused["data"]["urls"], json!(["ws://127.0.0.1:8388/elsewhere"]));
    stays.expect_quiet().await;
}

#[tokio::test]
async fn a_cut_link_makes_a_domain_unknown_to_those_it_cut_off() {
    let server = MetaServer::start(document(&[anz()], MILLION)).await;
    let node = follower(&server).start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let mut cut = document(&[anz(), xyz()], MILLION);
    cut["domainLinks"] = json!([]);
    server.serve(cut).await;
    until_login(&node, "XYZ-1", "ok").await;
    client.send(message("ANZ-1000000", "x"));
    assert_eq!(client.expect("ERROR").await.code(), "UNKNOWN_DOMAIN");
}

#[tokio::test]
async fn an_app_that_begins_to_authenticate_believes_nobody_unasked() {
    let server = MetaServer::start(document(&[anz(), xyz()], MILLION)).await;
    let node = follower(&server).start().await;
    let mut unproven = Client::login(&node, "XYZ-1").await;
    let mut stays = Client::login(&node, "ANZ-1").await;
    let asked = AuthServer::saying(Answer::Seed { authenticated: false }).await;
    let mut strict = xyz();
    strict["authEnabled"] = json!(true);
    strict["authUrl"] = json!(asked.url);
    server.serve(document(&[anz(), strict.clone()], MILLION)).await;
    assert_eq!(unproven.closed().await, Some(1001));
    until_login(&node, "XYZ-1", "AUTH_FAILED").await;
    assert!(!asked.asked().is_empty());
    // The service moves: who has proven himself stays.
    let willing = AuthServer::saying(Answer::Seed { authenticated: true }).await;
    strict["authUrl"] = json!(willing.url);
    server.serve(document(&[anz(), strict.clone()], MILLION)).await;
    until_login(&node, "XYZ-1", "ok").await;
    let mut proven = Client::login(&node, "XYZ-1").await;
    strict["authUrl"] = json!(asked.url);
    server.serve(document(&[anz(), strict], MILLION)).await;
    until_login(&node, "XYZ-2", "AUTH_FAILED").await;
    proven.expect_quiet().await;
    stays.expect_quiet().await;
}

#[tokio::test]
async fn another_master_has_the_rights_at_once() {
    let server = MetaServer::start(document(&[anz()], MILLION)).await;
    let node = follower(&server).start().await;
    let mut former = Client::login(&node, MASTER).await;
    let latter = Client::login(&node, "ANZ-2").await;
    let mut target = Client::login(&node, "ANZ-3").await;
    let mut other = anz();
    other["masterUserId"] = json!("ANZ-2");
    server.serve(document(&[other, xyz()], MILLION)).await;
    until_login(&node, "XYZ-1", "ok").await;
    former.send(close_connection("ANZ-3"));
    assert_eq!(former.expect("ERROR").await.code(), "FORBIDDEN");
    target.expect_quiet().await;
    latter.send(close_connection("ANZ-3"));
    assert_eq!(target.closed().await, Some(4010));
}

#[tokio::test]
async fn sessions_and_messages_go_on_while_documents_change() {
    let versions = [
        document(&[anz(), xyz()], MILLION),
        document(&[anz()], 2 * MILLION),
    ];
    let server = MetaServer::start(&versions[0]).await;
    let node = follower(&server).start().await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    let mut writer = Client::login(&node, "ANZ-1").await;
    let mut sent = 0;
    for round in 1..=4 {
        server.serve(&versions[round % 2]).await;
        let wanted = ["ok", "UNKNOWN_APP"][round % 2];
        // Messages flow for as long as it takes.
        loop {
            for _ in 0..50 {
                writer.send(message("ANZ-2", sent));
                sent += 1;
            }
            if super::login_code(&node, "XYZ-9").await.as_deref() == Some(wanted) {
                break;
            }
        }
    }
    writer.fence().await;
    for n in 0..sent {
        assert_eq!(reader.expect("MESSAGE").await["data"]["content"], n);
    }
    writer.expect_quiet().await;
}

#[tokio::test]
async fn all_nodes_follow_and_a_node_that_follows_stops_with_0() {
    let server = MetaServer::start(document(&[anz()], MILLION)).await;
    let mut nodes: Vec<Node> = Vec::new();
    for domain in ["domain-01", "domain-01", "domain-02"] {
        nodes.push(follower(&server).set("node.domain", domain).start().await);
    }
    server.serve(document(&[anz(), xyz()], MILLION)).await;
    for (node, user) in nodes.iter_mut().zip(["XYZ-1", "XYZ-1", "XYZ-1000000"]) {
        until_login(node, user, "ok").await;
        until_health(node, 200, &["ok"]).await;
        assert_eq!(node.terminate().await, 0);
    }
}
