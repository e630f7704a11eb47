//! `POST /api/v1/login`: tokens that every node of the domain believes, and nodes chosen by load.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Answer, Api, AuthServer, Client, Domain, Network, Node, NodeConfig, Response, WAIT, auth, eventually,
    request_with, user_of,
};

const PATH: &str = "/api/v1/login";

fn body(user: &str) -> Value {
    json!({"appId": "app-id-343", "userId": user})
}

async fn token_of(api: &Api, body: &Value) -> String {
    let answer = api.post(PATH, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// A login frame that shows this token.
fn showing(user: &str, token: &str) -> Value {
    let mut frame = auth(user);
    frame["data"]["token"] = token.into();
    frame
}

async fn to_clients_port(node: &Node, headers: &str, body: &Value) -> Response {
    let head = format!("POST {PATH} HTTP/1.1\r\n{headers}Content-Type: application/json");
    request_with(node.ws, &head, &body.to_string())
        .await
        .expect("the clients' port answers")
}

#[tokio::test]
async fn a_token_is_believed_as_often_as_wanted_and_by_every_node() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let answer = Api::of(&a).post(PATH, &body("ANZ-2")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = answer.json();
    assert_eq!(answer["expiresIn"], 3600);
    let known = [format!("ws://{}/ws", a.ws), format!("ws://{}/ws", b.ws)];
    let urls = answer["urls"].as_array().unwrap();
    assert!(!urls.is_empty());
    for url in urls {
        assert!(known.iter().any(|known| url == known), "{url}");
    }
    let token = answer["token"].as_str().unwrap();
    for node in [&a, &b, &a] {
        Client::login_by(node, showing("ANZ-2", token)).await;
    }
    let stranger = Client::refused(&b, showing("ANZ-3", token)).await;
    assert_eq!(stranger.code(), "AUTH_FAILED", "{}", stranger.text);
}

#[tokio::test]
async fn a_node_alone_believes_its_tokens_after_a_restart() {
    let mut node = Node::start().await;
    let token = token_of(&Api::of(&node), &body("ANZ-2")).await;
    node.restart().await;
    Client::login_by(&node, showing("ANZ-2", &token)).await;
    let key = node.config.data_dir().join("login.key");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(key).unwrap());
    assert_eq!(mode & 0o777, 0o600, "nobody else may read the key");
}

#[tokio::test]
async fn nodes_with_the_same_key_file_believe_each_other() {
    let mut nodes = Vec::new();
    for secret in [
        "a secret of more than 32 bytes, of two",
        "a secret of more than 32 bytes, of two",
        "another secret of more than 32 bytes, of one",
    ] {
        let config = NodeConfig::new();
        let file = config.write("key", secret);
        nodes.push(config.set("login.keyFile", file.to_str().unwrap()).start().await);
    }
    let token = token_of(&Api::of(&nodes[0]), &body("ANZ-2")).await;
    Client::login_by(&nodes[1], showing("ANZ-2", &token)).await;
    Client::refused(&nodes[2], showing("ANZ-2", &token)).await;
}

#[tokio::test]
async fn what_the_app_does_not_believe_gets_no_token() {
    let shown = |token: &str| json!({"appId": "app-id-AUT", "userId": "AUT-1", "token": token});
    let refusing = AuthServer::saying(Answer::Seed { authenticated: false }).await;
    let node = NodeConfig::new().app(refusing.app()).start().await;
    let problem = Api::of(&node).post(PATH, &shown("bad")).await.problem(401);
    assert_eq!(problem["code"], "AUTH_FAILED");
    let silent = AuthServer::saying(Answer::Silence).await;
    let node = NodeConfig::new().app(silent.app()).start().await;
    let problem = Api::of(&node).post(PATH, &shown("good")).await.problem(503);
    assert_eq!(problem["code"], "AUTH_UNAVAILABLE");

    let believing = AuthServer::saying(Answer::Seed { authenticated: true }).await;
    let node = NodeConfig::new().app(believing.app()).start().await;
    let api = Api::of(&node);
    let token = token_of(&api, &shown("good")).await;
    assert_eq!(believing.asked()[0].body["token"], "good");
    Client::login_by(&node, showing("AUT-1", &token)).await;
    assert_eq!(
        believing.asked().len(),
        1,
        "the node believes its own token without asking"
    );
    // Nor does a token get another one: a stolen one would be good for ever.
    assert_eq!(
        api.post(PATH, &shown(&token)).await.problem(401)["code"],
        "AUTH_FAILED"
    );
}

#[tokio::test]
async fn mistakes_are_told_as_auth_client_would() {
    let node = Node::start().await;
    let api = Api::of(&node);
    for (body, status, code) in [
        (json!({"appId": "nothing", "userId": "ANZ-2"}), 404, "UNKNOWN_APP"),
        (
            json!({"appId": "app-id-343", "userId": "ANZ"}),
            400,
            "INVALID_USER_ID",
        ),
        (
            json!({"appId": "app-id-343", "userId": "XYZ-2"}),
            403,
            "WRONG_APP",
        ),
        (json!({"appId": "app-id-343"}), 400, "INVALID_FIELD"),
    ] {
        assert_eq!(
            api.post(PATH, &body).await.problem(status)["code"],
            code,
            "{body}"
        );
    }
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let problem = Api::of(&nodes[0])
        .post(PATH, &body(&user_of(1, 5)))
        .await
        .problem(421);
    assert_eq!(problem["domain"], network.name(1));
}

#[tokio::test]
async fn an_expired_token_is_refused_and_ends_its_session() {
    let node = NodeConfig::new().set("login.expiresIn", "1s").start().await;
    let token = token_of(&Api::of(&node), &body("ANZ-2")).await;
    // Within the leeway of a minute it is still good.
    Client::login_by(&node, showing("ANZ-2", &token)).await;
    let forged = token.rsplit_once('.').unwrap().0.to_owned() + ".c2lnbmF0dXJl";
    let refused = Client::refused(&node, showing("ANZ-2", &forged)).await;
    assert_eq!(refused.code(), "AUTH_FAILED");
}

#[tokio::test]
async fn revoked_tokens_are_believed_by_no_node() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let token = token_of(&Api::of(&a), &body("ANZ-2")).await;
    let mut session = Client::login_by(&b, showing("ANZ-2", &token)).await;
    let revoked = Api::of(&a).delete("/api/v1/users/ANZ-2/tokens").await;
    assert_eq!((revoked.status, revoked.json()), (200, json!({"closed": 1})));
    assert_eq!(session.closed().await, Some(4001));
    for node in [&a, &b] {
        let refused = Client::refused(node, showing("ANZ-2", &token)).await;
        assert_eq!(refused.code(), "AUTH_FAILED");
    }
    // A new login is a new token, and what it begins is not ended by what was revoked before.
    let token = token_of(&Api::of(&a), &body("ANZ-2")).await;
    let mut anew = [
        Client::login_by(&b, showing("ANZ-2", &token)).await,
        Client::login(&a, "ANZ-2").await,
    ];
    let later = tokio::time::Instant::now() + Duration::from_secs(4);
    for session in &mut anew {
        let ended = tokio::time::timeout_at(later, session.next_or_closed()).await;
        assert!(ended.is_err(), "{:?}", session.closed().await);
    }
}

#[tokio::test]
async fn a_node_without_weight_gets_nobody() {
    let domain = Domain::new().await;
    let a = domain.start("a").await;
    let idle = domain.config("b").set("node.weight", 0).start().await;
    idle.await_health().await;
    let only = format!("ws://{}/ws", a.ws);
    eventually("both know each other", WAIT, async || {
        let nodes = Api::of(&a).get("/api/v1/nodes").await.json();
        (nodes.as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    for _ in 0..10 {
        let answer = Api::of(&idle).post(PATH, &body("ANZ-2")).await.json();
        assert_eq!(answer["urls"], json!([only]), "a node of no weight is not told");
    }
}

#[tokio::test]
async fn clients_log_in_at_their_port_and_too_many_are_slowed() {
    let node = NodeConfig::new()
        .set("login.perSecondPerAddress", 3)
        .set("server.adminToken", "t0ken")
        .start()
        .await;
    let answer = to_clients_port(&node, "", &body("ANZ-2")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut limited = None;
    for _ in 0..20 {
        let answer = to_clients_port(&node, "", &body("ANZ-2")).await;
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("some of twenty at once are too many");
    assert_eq!(limited.problem(429)["code"], "RATE_LIMITED");
    // Needs no bearer token, and is limited there too.
    eventually("a second's worth is there again", WAIT, async || {
        (Api::of(&node).post(PATH, &body("ANZ-2")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_of_other_origins_may_log_in_where_they_may_connect() {
    let node = NodeConfig::new()
        .set("server.allowedOrigins", json!(["https://app.example"]))
        .start()
        .await;
    let good = "Origin: https://app.example\r\n";
    let answer = to_clients_port(&node, good, &body("ANZ-2")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example"
    );
    let bad = to_clients_port(&node, "Origin: https://evil.example\r\n", &body("ANZ-2")).await;
    assert_eq!(bad.header("access-control-allow-origin"), "");
    bad.problem(403);
    let preflight = format!(
        "OPTIONS {PATH} HTTP/1.1\r\n{}Access-Control-Request-Method: POST",
        good
    );
    let preflight = request_with(node.ws, &preflight, "").await.unwrap();
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-methods"), "POST");
}

#[tokio::test]
async fn a_token_is_no_way_around_another_kind_of_login() {
    let open = json!([{"appName": "ANZ", "appId": "app-id-343", "authEnabled": false}]);
    let mut node = NodeConfig::new().set("clientApps", open).start().await;
    let token = token_of(&Api::of(&node), &body("ANZ-2")).await;
    Client::login_by(&node, showing("ANZ-2", &token)).await;
    let refusing = AuthServer::saying(Answer::Seed { authenticated: false }).await;
    let checked =
        json!([{"appName": "ANZ", "appId": "app-id-343", "authEnabled": true, "authUrl": refusing.url}]);
    node.config.put("clientApps", checked);
    node.restart().await;
    let refused = Client::refused(&node, showing("ANZ-2", &token)).await;
    assert_eq!(refused.code(), "AUTH_FAILED");
    assert!(refusing.asked().is_empty(), "nor is the app asked about it");
}
