//! Tokens, and files with secrets.

use serde_json::json;

use super::{assert_line, reload};
use crate::harness::{Api, Node, NodeConfig, WAIT, eventually, run};

async fn whoami(node: &Node, token: &str) -> u16 {
    Api::bearing(node, token).get("/api/v1/whoami").await.status
}

#[tokio::test]
async fn tokens_are_exchanged() {
    let mut node = NodeConfig::new()
        .set("server.adminToken", "f1rst")
        .set("server.tokens", json!([{"token": "r3ad", "scopes": ["read"]}]))
        .start()
        .await;
    assert_eq!(whoami(&node, "r3ad").await, 200);
    node.config.put("server.adminToken", json!("s3cond"));
    node.config.put("server.tokens", json!([]));
    let log = reload(&node).await;
    assert_line(&log, &["server.adminToken", "server.tokens"]);
    assert!(!log.contains("s3cond"), "{log}");
    for (token, status) in [("f1rst", 401), ("s3cond", 200), ("r3ad", 401)] {
        assert_eq!(whoami(&node, token).await, status, "{token}");
    }
}

#[tokio::test]
async fn another_token_in_its_file_is_the_token() {
    let config = NodeConfig::new();
    let file = config.write("token", "f1rst\n");
    let node = config
        .set("server.adminTokenFile", file.to_str().unwrap())
        .start()
        .await;
    assert_eq!(whoami(&node, "f1rst").await, 200);
    let new = node.config.write("new", "s3cond\n");
    std::fs::rename(new, &file).unwrap();
    eventually("the new token is the token", WAIT, async || {
        (whoami(&node, "s3cond").await == 200).then_some(())
    })
    .await;
    assert_eq!(whoami(&node, "f1rst").await, 401);
    // An empty file is no token, and takes none away.
    std::fs::write(&file, "").unwrap();
    eventually("it is refused", WAIT, async || {
        node.log().contains("adminTokenFile").then_some(())
    })
    .await;
    assert_eq!(whoami(&node, "s3cond").await, 200);
}

#[tokio::test]
async fn the_api_listens_to_others_only_with_a_token_and_does_not_lose_it() {
    let open = NodeConfig::new().set("server.adminBind", "0.0.0.0:0");
    let file = open.save();
    let refused = run(&["serve", "--config", file.to_str().unwrap()]).await;
    assert_eq!(refused.code, 2, "{}", refused.said());
    refused.line_with(&["server.adminToken", "can be reached from other machines"]);
    let mut node = open.set("server.adminToken", "t0ken").start().await;
    assert_eq!(whoami(&node, "t0ken").await, 200);
    // The file may do without one, for the address that it names; the node is not there.
    node.config.put("server", {
        let data = node.config.data_dir();
        json!({"bind": "127.0.0.1:0", "adminBind": "127.0.0.1:0", "workers": 2, "dataDir": data, "drainTimeout": "5s"})
    });
    let log = reload(&node).await;
    assert_line(&log, &["server.adminBind changed: needs a restart"]);
    assert_line(&log, &["server.adminToken changed: needs a restart"]);
    assert_eq!(whoami(&node, "t0ken").await, 200);
    assert_eq!(Api::of(&node).get("/api/v1/whoami").await.status, 401);
}

#[tokio::test]
async fn urls_stand_in_files_too() {
    let config = NodeConfig::new();
    let file = config.write("url", "sqlite\n");
    let node = config.set("store.urlFile", file.to_str().unwrap()).start().await;
    assert!(node.config.data_dir().join("linker.db").is_file());
    let dead = NodeConfig::new();
    let file = dead.write("url", "postgres://joe:hunter2@:1/x");
    let config = dead.set("store.urlFile", file.to_str().unwrap());
    let file = config.save();
    let checked = run(&["check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(checked.code, 1);
    checked.line_with(&["store.urlFile", "the url has no host"]);
    assert!(!checked.said().contains("hunter2"), "{}", checked.said());
}
