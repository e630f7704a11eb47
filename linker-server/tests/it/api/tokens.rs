//! Who may call what.

use serde_json::json;

use crate::harness::{Api, Node, NodeConfig};

const MESSAGE: &str = "/api/v1/messages";
const USER: &str = "/api/v1/users/ANZ-2";
const SESSIONS: &str = "/api/v1/users/ANZ-2/sessions";

async fn guarded() -> Node {
    let config = NodeConfig::new().set("server.adminToken", "adm1n");
    let file = config.write("reader", "r3ad\n");
    config
        .set(
            "server.tokens",
            json!([
                {"token": "s3nd", "scopes": ["send"]},
                {"tokenFile": file, "scopes": ["read"]},
                {"token": "b0th", "scopes": ["send", "read"]},
            ]),
        )
        .start()
        .await
}

/// What sending, reading and closing are answered with.
async fn statuses(api: &Api) -> [u16; 3] {
    let body = json!({"to": "ANZ-2", "content": 1});
    [
        api.post(MESSAGE, &body).await.status,
        api.get(USER).await.status,
        api.delete(SESSIONS).await.status,
    ]
}

#[tokio::test]
async fn tokens_may_what_their_scopes_say() {
    let node = guarded().await;
    for (token, expected) in [
        ("adm1n", [202, 200, 200]),
        ("s3nd", [202, 403, 403]),
        ("r3ad", [403, 200, 403]),
        ("b0th", [202, 200, 403]),
        ("adm1", [401, 401, 401]),
        ("adm1nn", [401, 401, 401]),
    ] {
        assert_eq!(statuses(&Api::bearing(&node, token)).await, expected, "{token}");
    }
    assert_eq!(statuses(&Api::of(&node)).await, [401, 401, 401]);
}

#[tokio::test]
async fn who_has_no_token_is_told_before_anything_else_is_looked_at() {
    let node = guarded().await;
    let api = Api::of(&node);
    let answer = api.post(MESSAGE, &json!("nonsense")).await;
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    api.get("/api/v1/users/nobody").await.problem(401);
    let basic = api.call("GET /api/v1/whoami HTTP/1.1\r\nAuthorization: Basic adm1n", "");
    basic.await.problem(401);
    // The scheme's name is in any case.
    let lower = api.call("GET /api/v1/whoami HTTP/1.1\r\nAuthorization: bearer adm1n", "");
    assert_eq!(lower.await.status, 200);
}

#[tokio::test]
async fn a_token_without_an_admin_token_guards_too() {
    let node = NodeConfig::new()
        .set("server.tokens", json!([{"token": "r3ad", "scopes": ["read"]}]))
        .start()
        .await;
    assert_eq!(statuses(&Api::of(&node)).await, [401, 401, 401]);
    assert_eq!(statuses(&Api::bearing(&node, "r3ad")).await, [403, 200, 403]);
}

#[tokio::test]
async fn without_a_token_no_page_of_another_origin_may_call() {
    let node = Node::start().await;
    let call = async |host: &str, more: &str| {
        let head = format!("GET {USER} HTTP/1.1\r\nHost: {host}{more}");
        raw_status(&node, &head).await
    };
    let here = node.admin.to_string();
    assert_eq!(call(&here, "").await, 200);
    assert_eq!(call("localhost:8090", "").await, 200);
    assert_eq!(call("[::1]:8090", "").await, 200);
    assert_eq!(call(&here, &format!("\r\nOrigin: http://{here}")).await, 200);
    // A name of its own that leads here.
    assert_eq!(call("evil.example:8090", "").await, 403);
    assert_eq!(
        call("evil.example:8090", "\r\nOrigin: http://evil.example:8090").await,
        403
    );
    assert_eq!(call(&here, "\r\nOrigin: https://evil.example").await, 403);
    assert_eq!(call(&here, "\r\nOrigin: null").await, 403);
}

/// With a `Host` of its own.
async fn raw_status(node: &Node, head: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(node.admin).await.unwrap();
    let request = format!("{head}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer}"))
}

#[tokio::test]
async fn keys_are_their_bearers_own() {
    let node = guarded().await;
    let key = "Idempotency-Key: 1\r\n";
    for (token, content) in [("s3nd", 1), ("b0th", 2), ("s3nd", 1)] {
        let body = json!({"to": "ANZ-2", "content": content});
        let answer = Api::bearing(&node, token).post_with(MESSAGE, key, &body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    let user = Api::bearing(&node, "r3ad").get(USER).await.json();
    assert_eq!(user["missing"], 2);
}
