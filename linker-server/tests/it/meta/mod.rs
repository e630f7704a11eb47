//! The meta server, and nodes that follow it.

mod away;
mod changes;
mod cluster;
mod refusals;
mod reload;
mod server;

use serde_json::{Value, json};

use crate::harness::{
    Client, Dial, MASTER, MetaServer, Node, NodeConfig, WAIT, auth, eventually, get, upgrade_status_if_any,
};

/// Where the users of `domain-02` go to.
const OTHER_URL: &str = "ws://127.0.0.1:8288";

/// The client app of the seed.
fn anz() -> Value {
    json!({"appName": "ANZ", "appId": "app-id-343", "masterUserId": MASTER, "authEnabled": false})
}

/// Another one.
fn xyz() -> Value {
    json!({"appName": "XYZ", "appId": "app-id-XYZ", "authEnabled": false})
}

/// Two linked domains with these apps; the users below `split` live in `domain-01`.
fn document(apps: &[Value], split: u64) -> Value {
    json!({
        "domains": [
            {"name": "domain-01", "urls": ["tcp://127.0.0.1:9089", "ws://127.0.0.1:8188"]},
            {"name": "domain-02", "urls": [OTHER_URL, "wss://far.example/socket"]},
        ],
        "domainLinks": [{"n1": "domain-01", "n2": "domain-02"}],
        "clientApps": apps,
        "userDistributions": [
            {"domainName": "domain-01", "from": 0, "to": split - 1},
            {"domainName": "domain-02", "from": split},
        ],
    })
}

/// A node of `domain-01` that follows this server.
fn follower(server: &MetaServer) -> NodeConfig {
    follower_of(&server.url())
}

fn follower_of(url: &str) -> NodeConfig {
    NodeConfig::new()
        .without("clientApps")
        .set("meta.url", url)
        .set("meta.refresh", "200ms")
}

/// The code with which a login is refused, or `ok`; nothing where the connection is not let in, or closed because the document changes just then.
async fn login_code(node: &Node, user: &str) -> Option<String> {
    let mut client = Client::try_connect(node.ws).await?;
    client.send(auth(user));
    let reply = client.next_or_closed().await?;
    assert_eq!(reply.kind(), "AUTH_CLIENT_REPLY");
    let code = reply["data"]["error"]["code"].as_str().unwrap_or("ok");
    Some(code.to_owned())
}

/// Waits until logins of this user are answered so.
async fn until_login(node: &Node, user: &str, wanted: &str) {
    eventually(&format!("logins of {user} are {wanted}"), WAIT, async || {
        (login_code(node, user).await.as_deref() == Some(wanted)).then_some(())
    })
    .await;
}

/// Status of `/health/ready`, and what it says of `meta`.
async fn health(node: &Node) -> (u16, String) {
    let answer = get(node.admin, "/health/ready")
        .await
        .expect("the admin port answers");
    let said = answer.json()["checks"]["meta"].as_str().map(str::to_owned);
    (
        answer.status,
        said.unwrap_or_else(|| panic!("no meta check: {}", answer.body)),
    )
}

/// Waits until the health is of this status and its `meta` has all of these words.
async fn until_health(node: &Node, status: u16, words: &[&str]) -> String {
    eventually(&format!("health {status} with {words:?}"), WAIT, async || {
        let (found, said) = health(node).await;
        (found == status && words.iter().all(|word| said.contains(word))).then_some(said)
    })
    .await
}

/// Waits for a line of the node's log that has all of these words.
async fn until_logged(node: &Node, words: &[&str]) {
    eventually(&format!("a line with {words:?} in the log"), WAIT, async || {
        let log = node.log();
        let found = log
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)));
        found.then_some(())
    })
    .await;
}

/// How a new connection is answered.
async fn handshake_status(node: &Node) -> Option<u16> {
    upgrade_status_if_any(node.ws, &Dial::default()).await
}
