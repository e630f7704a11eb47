//! `migrate`, and a node that may not migrate by itself.

use serde_json::json;

use crate::harness::{Client, NodeConfig, run};

async fn migrate(config: &NodeConfig) {
    let finished = run(&["migrate", "--config", config.save().to_str().unwrap()]).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
}

#[tokio::test]
async fn migrate_makes_the_schema_for_a_node_that_may_not() {
    let config = NodeConfig::new().set("store.migrate", false);
    migrate(&config).await;
    let node = config.start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
}

#[tokio::test]
async fn a_node_that_may_not_migrate_does_not_start_on_an_old_schema() {
    let config = NodeConfig::new().set("store.migrate", false);
    let finished = run(&["serve", "--config", config.save().to_str().unwrap()]).await;
    assert!(
        [1, 2].contains(&finished.code),
        "{}: {}",
        finished.code,
        finished.said()
    );
    assert!(finished.stdout.is_empty(), "no ready line: {}", finished.stdout);
    finished.line_with(&["migrate"]);
}

#[tokio::test]
async fn migrate_may_run_again_and_keeps_what_is_stored() {
    let mut node = NodeConfig::new().start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    node.terminate().await;
    migrate(&node.config).await;
    migrate(&node.config).await;
    node.start_again().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 1);
}
