//! `jwt` instead of an `authUrl`: keys, claims, expiry and renewal.

use serde_json::{Value, json};

use crate::harness::{
    Api, Client, EC_JWKS, EC_PUBLIC, ED_PUBLIC, Node, NodeConfig, auth, claims, ec_token, ed_token, hs_token,
    seconds_from_now, unsigned_token,
};

const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

fn app(jwt: Value) -> Value {
    json!({"appName": "JWT", "appId": "app-id-JWT", "authEnabled": true, "jwt": jwt})
}

async fn hs256_node() -> Node {
    let config = NodeConfig::new();
    let key = config.write("jwt.key", std::str::from_utf8(SECRET).unwrap());
    config
        .app(app(json!({"algorithm": "HS256", "keyFile": key})))
        .start()
        .await
}

fn login(user: &str, token: &str) -> Value {
    let mut frame = auth(user);
    frame["data"]["token"] = json!(token);
    frame
}

#[tokio::test]
async fn hs256_with_a_key_file_lets_its_user_in() {
    let node = hs256_node().await;
    Client::login_by(&node, login("JWT-1", &hs_token(SECRET, &claims("JWT-1", 600)))).await;
}

#[tokio::test]
async fn es256_with_a_public_key_lets_its_user_in() {
    let jwt = json!({"algorithm": "ES256", "publicKey": EC_PUBLIC});
    let node = NodeConfig::new().app(app(jwt)).start().await;
    Client::login_by(&node, login("JWT-1", &ec_token(&claims("JWT-1", 600)))).await;
    let reply = Client::refused(&node, login("JWT-2", &ec_token(&claims("JWT-1", 600)))).await;
    assert_eq!(reply.code(), "AUTH_FAILED");
}

#[tokio::test]
async fn eddsa_with_a_key_file_lets_its_user_in() {
    let config = NodeConfig::new();
    let key = config.write("jwt.pem", ED_PUBLIC);
    let node = config
        .app(app(json!({"algorithm": "EdDSA", "keyFile": key})))
        .start()
        .await;
    Client::login_by(&node, login("JWT-1", &ed_token(&claims("JWT-1", 600)))).await;
    let reply = Client::refused(&node, login("JWT-1", &ec_token(&claims("JWT-1", 600)))).await;
    assert_eq!(reply.code(), "AUTH_FAILED");
}

#[tokio::test]
async fn es256_with_a_key_set_file_lets_its_user_in() {
    let config = NodeConfig::new();
    let keys = config.write("jwks.json", EC_JWKS);
    let node = config
        .app(app(json!({"algorithm": "ES256", "jwksFile": keys})))
        .start()
        .await;
    Client::login_by(&node, login("JWT-1", &ec_token(&claims("JWT-1", 600)))).await;
}

#[tokio::test]
async fn a_token_that_does_not_prove_the_user_is_auth_failed() {
    let node = hs256_node().await;
    let mut no_subject = claims("JWT-1", 600);
    no_subject.as_object_mut().unwrap().remove("sub");
    for (token, why) in [
        (
            hs_token(b"another secret of thirty-two bytes!!", &claims("JWT-1", 600)),
            "another key",
        ),
        (hs_token(SECRET, &claims("JWT-2", 600)), "another user"),
        (
            hs_token(SECRET, &claims("JWT-1", -120)),
            "expired beyond the leeway",
        ),
        (hs_token(SECRET, &json!({"sub": "JWT-1"})), "no exp"),
        (hs_token(SECRET, &no_subject), "no sub"),
        (unsigned_token(&claims("JWT-1", 600)), "no signature"),
        (ec_token(&claims("JWT-1", 600)), "another algorithm"),
        ("not.a.token".to_owned(), "not a token"),
        (String::new(), "empty"),
    ] {
        let reply = Client::refused(&node, login("JWT-1", &token)).await;
        assert_eq!(reply.code(), "AUTH_FAILED", "{why}: {}", reply.text);
    }
    let reply = Client::refused(&node, auth("JWT-1")).await;
    assert_eq!(reply.code(), "AUTH_FAILED", "no token at all");
}

#[tokio::test]
async fn a_public_key_is_not_taken_for_a_shared_secret() {
    let jwt = json!({"algorithm": "ES256", "publicKey": EC_PUBLIC});
    let node = NodeConfig::new().app(app(jwt)).start().await;
    let forged = hs_token(EC_PUBLIC.as_bytes(), &claims("JWT-1", 600));
    assert_eq!(
        Client::refused(&node, login("JWT-1", &forged)).await.code(),
        "AUTH_FAILED"
    );
}

#[tokio::test]
async fn a_token_for_another_service_or_of_another_issuer_is_auth_failed() {
    let config = NodeConfig::new();
    let key = config.write("jwt.key", std::str::from_utf8(SECRET).unwrap());
    let jwt =
        json!({"algorithm": "HS256", "keyFile": key, "audience": ["chat", "mail"], "issuer": "https://id"});
    let mut node = config.app(app(jwt.clone())).start().await;
    let token = |aud: Value, iss: &str| {
        let mut claims = claims("JWT-1", 600);
        claims["aud"] = aud;
        claims["iss"] = json!(iss);
        hs_token(SECRET, &claims)
    };
    let good = token(json!(["web", "chat"]), "https://id");
    let mut stays = Client::login_by(&node, login("JWT-1", &good)).await;
    Client::login_by(&node, login("JWT-1", &token(json!("mail"), "https://id"))).await;
    for (token, why) in [
        (token(json!("web"), "https://id"), "another audience"),
        (token(json!(["web"]), "https://id"), "other audiences"),
        (token(json!("chat"), "https://other"), "another issuer"),
        (hs_token(SECRET, &claims("JWT-1", 600)), "neither"),
    ] {
        let reply = Client::refused(&node, login("JWT-1", &token)).await;
        assert_eq!(reply.code(), "AUTH_FAILED", "{why}: {}", reply.text);
        // Nor is the session renewed by it.
        stays.send(login("JWT-1", &token));
        assert_eq!(stays.next().await.code(), "AUTH_FAILED", "{why}");
    }
    // A login by HTTP asks for the same.
    for (token, status) in [(good.clone(), 200), (token(json!("web"), "https://id"), 401)] {
        let body = json!({"appId": "app-id-JWT", "userId": "JWT-1", "token": token});
        let answer = Api::of(&node).post("/api/v1/login", &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    // What it has to be changes while the node runs: who showed less comes again.
    let mut other = jwt;
    other["audience"] = json!("web");
    node.config.put("clientApps", json!([app(other)]));
    node.config.save();
    node.signal("HUP");
    assert_eq!(stays.closed().await, Some(1001));
    assert_eq!(
        Client::refused(&node, login("JWT-1", &token(json!("chat"), "https://id")))
            .await
            .code(),
        "AUTH_FAILED"
    );
    Client::login_by(&node, login("JWT-1", &good)).await;
}

#[tokio::test]
async fn a_meta_document_says_whom_tokens_are_for() {
    let config = NodeConfig::new().without("clientApps");
    let jwt =
        json!({"algorithm": "ES256", "publicKey": EC_PUBLIC, "audience": "chat", "issuer": "https://id"});
    let document = json!({"domains": [{"name": "domain-01"}], "clientApps": [app(jwt)]});
    let file = config.write("meta.yml", &document.to_string());
    let node = config.set("meta.file", file.to_str().unwrap()).start().await;
    let mut claims = claims("JWT-1", 600);
    let reply = Client::refused(&node, login("JWT-1", &ec_token(&claims))).await;
    assert_eq!(reply.code(), "AUTH_FAILED");
    claims["aud"] = json!("chat");
    claims["iss"] = json!("https://id");
    Client::login_by(&node, login("JWT-1", &ec_token(&claims))).await;
}

#[tokio::test]
async fn a_token_that_is_not_valid_yet_is_auth_failed() {
    let node = hs256_node().await;
    let mut early = claims("JWT-1", 600);
    early["nbf"] = json!(seconds_from_now(300));
    let reply = Client::refused(&node, login("JWT-1", &hs_token(SECRET, &early))).await;
    assert_eq!(reply.code(), "AUTH_FAILED");
}

#[tokio::test]
async fn a_token_expired_within_the_leeway_lets_in_and_ends_the_session_with_4001() {
    let node = hs256_node().await;
    let token = hs_token(SECRET, &claims("JWT-1", -58));
    let mut client = Client::login_by(&node, login("JWT-1", &token)).await;
    assert_eq!(client.closed().await, Some(4001));
}

#[tokio::test]
async fn a_fresh_token_renews_the_session() {
    let node = hs256_node().await;
    let mut renewed = Client::login_by(&node, login("JWT-1", &hs_token(SECRET, &claims("JWT-1", -58)))).await;
    renewed.send(login("JWT-1", &hs_token(SECRET, &claims("JWT-1", 600))));
    let reply = renewed.next().await;
    assert_eq!(reply.kind(), "AUTH_CLIENT_REPLY");
    assert_eq!(reply["data"]["isAuthenticated"], true);
    // One whose token expires a second later and is not renewed: when it is closed, the time is over.
    let mut clock = Client::login_by(&node, login("JWT-2", &hs_token(SECRET, &claims("JWT-2", -57)))).await;
    assert_eq!(clock.closed().await, Some(4001));
    renewed.expect_quiet().await;
}

#[tokio::test]
async fn a_renewed_session_ends_when_the_new_token_expires() {
    let node = hs256_node().await;
    let mut client = Client::login_by(&node, login("JWT-1", &hs_token(SECRET, &claims("JWT-1", 600)))).await;
    client.send(login("JWT-1", &hs_token(SECRET, &claims("JWT-1", -58))));
    assert_eq!(client.next().await["data"]["isAuthenticated"], true);
    assert_eq!(client.closed().await, Some(4001));
}

#[tokio::test]
async fn a_bad_renewal_is_refused_and_the_old_token_keeps_its_time() {
    let node = hs256_node().await;
    let mut client = Client::login_by(&node, login("JWT-1", &hs_token(SECRET, &claims("JWT-1", -55)))).await;
    client.send(login(
        "JWT-1",
        &hs_token(b"another secret of thirty-two bytes!!", &claims("JWT-1", 600)),
    ));
    let reply = client.next().await;
    assert_eq!(reply.kind(), "AUTH_CLIENT_REPLY");
    assert_eq!(reply["data"]["isAuthenticated"], false);
    assert_eq!(reply.code(), "AUTH_FAILED");
    client.expect_quiet().await;
    assert_eq!(client.closed().await, Some(4001), "the old token's time is over");
}

#[tokio::test]
async fn a_renewal_for_another_user_is_already_authenticated() {
    let node = hs256_node().await;
    let mut client = Client::login_by(&node, login("JWT-1", &hs_token(SECRET, &claims("JWT-1", 600)))).await;
    client.send(login("JWT-2", &hs_token(SECRET, &claims("JWT-2", 600))));
    assert_eq!(client.next().await.code(), "ALREADY_AUTHENTICATED");
    client.expect_quiet().await;
}

#[tokio::test]
async fn messages_are_processed_while_a_session_is_renewed() {
    let node = hs256_node().await;
    let mut client = Client::login_by(&node, login("JWT-1", &hs_token(SECRET, &claims("JWT-1", 600)))).await;
    client.send(login("JWT-1", &hs_token(SECRET, &claims("JWT-1", 900))));
    client.delivery_fence("JWT-1", "after").await;
    assert_eq!(
        client.expect("AUTH_CLIENT_REPLY").await["data"]["isAuthenticated"],
        true
    );
    assert_eq!(client.expect("MESSAGE").await["data"]["content"], "fence");
}
