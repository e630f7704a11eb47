//! `authEnabled: true` with an `authUrl`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, AuthServer, Client, NodeConfig, auth};

fn with_token(user: &str, token: &str) -> Value {
    let mut frame = auth(user);
    frame["data"]["token"] = json!(token);
    frame
}

async fn refusal_where_the_app_says(answer: Answer) -> String {
    let server = AuthServer::saying(answer).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    Client::refused(&node, with_token("AUT-1", "t"))
        .await
        .code()
        .to_owned()
}

#[tokio::test]
async fn the_app_is_asked_with_the_seeds_json_and_its_yes_is_believed() {
    let server = AuthServer::saying(Answer::Seed { authenticated: true }).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    Client::login_by(&node, with_token("AUT-1", "token-12345")).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert!(
        asked[0].head.starts_with("POST /auth HTTP/1.1"),
        "{}",
        asked[0].head
    );
    assert!(
        asked[0]
            .head
            .to_lowercase()
            .contains("content-type: application/json"),
        "{}",
        asked[0].head
    );
    assert_eq!(
        asked[0].body,
        json!({"appId": "app-id-AUT", "userId": "AUT-1", "token": "token-12345"})
    );
}

#[tokio::test]
async fn an_app_without_authentication_is_not_asked() {
    let server = AuthServer::saying(Answer::Seed { authenticated: false }).await;
    let mut app = server.app();
    app["authEnabled"] = json!(false);
    let node = NodeConfig::new().app(app).start().await;
    Client::login(&node, "AUT-1").await;
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_no_is_auth_failed() {
    assert_eq!(
        refusal_where_the_app_says(Answer::Seed { authenticated: false }).await,
        "AUTH_FAILED"
    );
}

#[tokio::test]
async fn a_no_with_an_error_status_is_auth_failed() {
    let body = json!({"appId": "app-id-AUT", "userId": "AUT-1", "isAuthenticated": false}).to_string();
    assert_eq!(
        refusal_where_the_app_says(Answer::Body(401, body)).await,
        "AUTH_FAILED"
    );
}

#[tokio::test]
async fn a_yes_for_another_user_is_auth_failed() {
    let body = json!({"appId": "app-id-AUT", "userId": "AUT-2", "isAuthenticated": true}).to_string();
    assert_eq!(
        refusal_where_the_app_says(Answer::Body(200, body)).await,
        "AUTH_FAILED"
    );
}

#[tokio::test]
async fn a_yes_for_another_app_is_auth_failed() {
    let body = json!({"appId": "app-id-343", "userId": "AUT-1", "isAuthenticated": true}).to_string();
    assert_eq!(
        refusal_where_the_app_says(Answer::Body(200, body)).await,
        "AUTH_FAILED"
    );
}

#[tokio::test]
async fn any_2xx_is_believed() {
    let body = json!({"appId": "app-id-AUT", "userId": "AUT-1", "isAuthenticated": true}).to_string();
    let server = AuthServer::saying(Answer::Body(201, body)).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    Client::login(&node, "AUT-1").await;
}

#[tokio::test]
async fn an_answer_that_is_not_the_seeds_json_is_auth_unavailable() {
    for (status, body) in [
        (200, ""),
        (200, "yes"),
        (200, "[]"),
        (200, r#"{"ok": true}"#),
        (
            200,
            r#"{"appId": "app-id-AUT", "userId": "AUT-1", "isAuthenticated": "true"}"#,
        ),
        (404, "not found"),
        (500, "oh"),
        (503, ""),
    ] {
        let refusal = refusal_where_the_app_says(Answer::Body(status, body.to_owned())).await;
        assert_eq!(refusal, "AUTH_UNAVAILABLE", "{status} {body}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let refusal = refusal_where_the_app_says(Answer::Body(307, String::new())).await;
    assert_eq!(refusal, "AUTH_UNAVAILABLE");
}

#[tokio::test]
async fn an_answer_too_late_is_auth_unavailable() {
    let server = AuthServer::saying(Answer::Silence).await;
    let mut app = server.app();
    app["authTimeout"] = json!("200ms");
    let node = NodeConfig::new().app(app).start().await;
    assert_eq!(
        Client::refused(&node, with_token("AUT-1", "t")).await.code(),
        "AUTH_UNAVAILABLE"
    );
}

#[tokio::test]
async fn an_app_that_cannot_be_reached_is_auth_unavailable() {
    let server = AuthServer::saying(Answer::Silence).await;
    let app = server.app();
    drop(server);
    let node = NodeConfig::new().app(app).start().await;
    assert_eq!(
        Client::refused(&node, with_token("AUT-1", "t")).await.code(),
        "AUTH_UNAVAILABLE"
    );
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let server = AuthServer::saying(Answer::Body(200, " ".repeat(20 * 1024 * 1024))).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    assert_eq!(
        Client::refused(&node, with_token("AUT-1", "t")).await.code(),
        "AUTH_UNAVAILABLE"
    );
}

#[tokio::test]
async fn app_and_prefix_are_checked_before_the_app_is_asked() {
    let server = AuthServer::saying(Answer::Seed { authenticated: true }).await;
    let node = NodeConfig::new().app(server.app()).start().await;
    let frame =
        json!({"type": "AUTH_CLIENT", "data": {"appId": "app-id-AUT", "userId": "ANZ-1", "token": "t"}});
    assert_eq!(Client::refused(&node, frame).await.code(), "WRONG_APP");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn others_log_in_and_send_while_an_app_does_not_answer() {
    let server = AuthServer::saying(Answer::Silence).await;
    let mut app = server.app();
    app["authTimeout"] = json!("60s");
    let node = NodeConfig::new().app(app).start().await;
    let mut waiting = Vec::new();
    for n in 0..20 {
        let client = Client::connect(&node).await;
        client.send(with_token(&format!("AUT-{n}"), "t"));
        waiting.push(client);
    }
    let mut other = Client::login(&node, "ANZ-1").await;
    let answered = tokio::time::timeout(Duration::from_secs(25), other.delivery_fence("ANZ-1", "f")).await;
    assert!(answered.is_ok(), "the waiting logins hold up others");
}

#[tokio::test]
async fn tokens_never_reach_the_log() {
    let server = AuthServer::saying(Answer::Seed { authenticated: false }).await;
    let config = NodeConfig::new()
        .app(server.app())
        .set("telemetry.level", "debug");
    let mut node = config.start().await;
    Client::refused(&node, with_token("AUT-1", "s3cr3t-t0k3n")).await;
    Client::refused(&node, with_token("NOPE-1", "s3cr3t-t0k3n")).await;
    node.terminate().await;
    let log = node.log();
    assert!(!log.is_empty(), "something is logged at this level");
    assert!(!log.contains("s3cr3t-t0k3n"), "the token is in the log:\n{log}");
}
