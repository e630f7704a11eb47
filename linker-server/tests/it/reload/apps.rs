//! Client apps and the meta document of the node's own files.

use serde_json::{Value, json};

use super::{assert_line, reload};
use crate::harness::{
    Client, Node, NodeConfig, WAIT, app_id_of, auth, claims, eventually, hs_token, message,
};

fn app(name: &str) -> Value {
    let user = format!("{name}-1");
    json!({"appName": name, "appId": app_id_of(&user), "masterUserId": user})
}

async fn code(node: &Node, frame: Value) -> String {
    Client::refused(node, frame).await.code().to_owned()
}

#[tokio::test]
async fn apps_come_and_go() {
    let mut node = Node::start().await;
    let stays = Client::login(&node, "ANZ-1").await;
    let mut goes = Client::login(&node, "XYZ-2").await;
    assert_eq!(code(&node, auth("NEW-1")).await, "UNKNOWN_APP");
    node.config.put("clientApps", json!([app("ANZ"), app("NEW")]));
    let log = reload(&node).await;
    assert_line(&log, &["a new configuration is in force", "clientApps"]);
    assert_eq!(goes.closed().await, Some(1001));
    assert_eq!(code(&node, auth("XYZ-2")).await, "UNKNOWN_APP");
    let mut comes = Client::login(&node, "NEW-1").await;
    stays.send(message("NEW-1", "hello"));
    assert_eq!(comes.expect("MESSAGE").await["data"]["content"], "hello");
}

#[tokio::test]
async fn another_master_and_another_way_to_log_in_count_from_then_on() {
    let mut node = Node::start().await;
    let mut first = Client::login(&node, "ANZ-1").await;
    let key = node.config.write("key", "0123456789abcdef0123456789abcdef");
    node.config.put(
        "clientApps",
        json!([{
            "appName": "ANZ", "appId": "app-id-343", "masterUserId": "ANZ-7", "authEnabled": true,
            "jwt": {"algorithm": "HS256", "keyFile": key},
        }]),
    );
    reload(&node).await;
    // Who came without being asked comes again.
    assert_eq!(first.closed().await, Some(1001));
    assert_eq!(code(&node, auth("ANZ-1")).await, "AUTH_FAILED");
    let token = |user: &str| hs_token(b"0123456789abcdef0123456789abcdef", &claims(user, 60));
    let with_token = |user: &str| {
        let mut frame = auth(user);
        frame["data"]["token"] = json!(token(user));
        frame
    };
    let mut master = Client::login_by(&node, with_token("ANZ-7")).await;
    Client::login_by(&node, with_token("ANZ-1")).await;
    assert_eq!(master.expect("USER_CONNECTED").await["data"]["userId"], "ANZ-1");
}

fn document(names: &[&str]) -> String {
    let apps: Vec<Value> = names.iter().map(|name| app(name)).collect();
    json!({"domains": [{"name": "domain-01", "urls": ["ws://127.0.0.1:1/ws"]}], "clientApps": apps})
        .to_string()
}

#[tokio::test]
async fn the_document_of_meta_file_is_followed() {
    let config = NodeConfig::new().without("clientApps");
    let file = config.write("meta.yml", &document(&["ANZ", "XYZ"]));
    let mut node = config.set("meta.file", file.to_str().unwrap()).start().await;
    let mut stays = Client::login(&node, "ANZ-1").await;
    let mut goes = Client::login(&node, "XYZ-1").await;
    // Renamed over it, as editors do.
    let new = node.config.write("new.yml", &document(&["ANZ", "NEW"]));
    std::fs::rename(new, &file).unwrap();
    assert_eq!(goes.closed().await, Some(1001));
    Client::login(&node, "NEW-1").await;
    // A bad version changes nothing.
    node.config.write("meta.yml", &document(&["ANZ", "ANZ"]));
    eventually("it is refused", WAIT, async || {
        node.log()
            .contains("the new configuration is refused")
            .then_some(())
    })
    .await;
    assert_line(&node.log(), &["meta.yml", "clientApps[1].appName"]);
    Client::login(&node, "NEW-2").await;
    stays.expect_quiet().await;
    // A version that comes together with a mistake elsewhere is not forgotten when that is mended.
    node.config.write("meta.yml", &document(&["ANZ", "LAST"]));
    node.config.put("limits.maxFrameBytes", json!("banana"));
    assert_line(&reload(&node).await, &["banana"]);
    assert_eq!(code(&node, auth("LAST-1")).await, "UNKNOWN_APP");
    node.config.put("limits.maxFrameBytes", json!("32KiB"));
    assert_line(&reload(&node).await, &["meta.file", "limits"]);
    Client::login(&node, "LAST-1").await;
    // The line on which the document is named is no change.
    assert!(!node.log().contains("needs a restart"), "{}", node.log());
}
