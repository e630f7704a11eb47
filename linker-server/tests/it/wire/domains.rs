//! Users' homes by `userDistributions`, from a meta document of two domains.

use serde_json::{Value, json};

use crate::harness::{Client, MASTER, Node, NodeConfig, auth, close_connection, group, message, with};

fn two_domains(apps: Value) -> String {
    json!({
        "domains": [
            {"name": "domain-01", "urls": ["tcp://127.0.0.1:9089", "ws://127.0.0.1:8188"]},
            {"name": "domain-02", "urls": ["ws://127.0.0.1:8288", "wss://far.example/socket"]},
        ],
        "domainLinks": [],
        "clientApps": apps,
        "userDistributions": [
            {"domainName": "domain-01", "from": 0, "to": 999_999},
            {"domainName": "domain-02", "from": 1_000_000, "to": 1_999_999},
        ],
    })
    .to_string()
}

fn anz() -> Value {
    json!([{"appName": "ANZ", "appId": "app-id-343", "masterUserId": MASTER, "authEnabled": false}])
}

async fn node_of_domain_01() -> Node {
    let config = NodeConfig::new().without("clientApps");
    let document = config.write("meta.yml", &two_domains(anz()));
    config
        .set("meta.file", document.to_str().unwrap())
        .set("node.domain", "domain-01")
        .start()
        .await
}

#[tokio::test]
async fn a_user_of_this_domain_logs_in() {
    let node = node_of_domain_01().await;
    Client::login(&node, "ANZ-0").await;
    Client::login(&node, "ANZ-999999").await;
}

#[tokio::test]
async fn a_user_of_another_domain_is_told_where_to_go() {
    let node = node_of_domain_01().await;
    for user in ["ANZ-1000000", "ANZ-1999999"] {
        let reply = Client::refused(&node, auth(user)).await;
        assert_eq!(reply.code(), "WRONG_DOMAIN");
        let urls = &reply["data"]["urls"];
        assert_eq!(
            *urls,
            json!(["ws://127.0.0.1:8288/ws", "wss://far.example/socket"]),
            "{}",
            reply.text
        );
    }
}

#[tokio::test]
async fn a_user_whom_no_distribution_covers_is_unknown_domain() {
    let node = node_of_domain_01().await;
    let reply = Client::refused(&node, auth("ANZ-2000000")).await;
    assert_eq!(reply.code(), "UNKNOWN_DOMAIN");
}

#[tokio::test]
async fn the_domain_is_checked_after_the_app_and_before_the_token() {
    let apps = json!([
        {"appName": "ANZ", "appId": "app-id-343", "authEnabled": true, "authUrl": "http://127.0.0.1:9/auth"},
    ]);
    let config = NodeConfig::new().without("clientApps");
    let document = config.write("meta.yml", &two_domains(apps));
    let node = config.set("meta.file", document.to_str().unwrap()).start().await;
    let other_app = json!({"type": "AUTH_CLIENT", "data": {"appId": "app-id-343", "userId": "XYZ-1000000"}});
    assert_eq!(Client::refused(&node, other_app).await.code(), "WRONG_APP");
    assert_eq!(
        Client::refused(&node, auth("ANZ-1000000")).await.code(),
        "WRONG_DOMAIN"
    );
    assert_eq!(
        Client::refused(&node, auth("ANZ-1")).await.code(),
        "AUTH_UNAVAILABLE"
    );
}

#[tokio::test]
async fn a_recipient_whom_no_distribution_covers_is_unknown_domain() {
    let node = node_of_domain_01().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(with(message("ANZ-2000000", "x"), "reference", "r1"));
    let error = client.next().await;
    assert_eq!(error.code(), "UNKNOWN_DOMAIN");
    assert_eq!(error["reference"], "r1");
}

#[tokio::test]
async fn a_recipient_in_a_domain_without_any_link_is_unknown_domain() {
    let node = node_of_domain_01().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(message("ANZ-1000000", "x"));
    assert_eq!(client.next().await.code(), "UNKNOWN_DOMAIN");
    client.send(group(&["ANZ-1", "ANZ-1000000"], "x"));
    let error = client.next().await;
    assert_eq!(error.code(), "UNKNOWN_DOMAIN");
    assert!(error.error_text().contains("ANZ-1000000"), "{}", error.text);
    client.expect_quiet().await;
}

#[tokio::test]
async fn an_unknown_app_is_told_before_an_unknown_domain() {
    let node = node_of_domain_01().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(message("NOPE-2000000", "x"));
    assert_eq!(client.next().await.code(), "UNKNOWN_USER");
    client.send(message("ANZ-02000000", "x"));
    assert_eq!(client.next().await.code(), "INVALID_USER_ID");
}

#[tokio::test]
async fn a_user_who_is_no_master_learns_nothing_about_other_domains() {
    let node = node_of_domain_01().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(close_connection("ANZ-2000000"));
    assert_eq!(client.next().await.code(), "FORBIDDEN");
}
