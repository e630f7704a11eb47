//! The ready line, and what keeps a node from getting there.

use std::net::TcpListener;

use crate::harness::{Client, Node, NodeConfig, run};

async fn fails_with(config: &NodeConfig, words: &[&str]) {
    let finished = run(&["serve", "--config", config.save().to_str().unwrap()]).await;
    assert!(
        [1, 2].contains(&finished.code),
        "{}: {}",
        finished.code,
        finished.said()
    );
    assert!(finished.stdout.is_empty(), "no ready line: {}", finished.stdout);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    finished.line_with(words);
}

#[tokio::test]
async fn one_line_on_standard_output_says_where_it_is_with_the_real_ports() {
    let mut node = Node::start().await;
    assert_ne!(node.ws.port(), 0);
    assert_ne!(node.admin.port(), 0);
    let expected = format!(
        "linker ready ws=ws://{}/ws admin=http://{}\n",
        node.ws, node.admin
    );
    Client::login(&node, "ANZ-1").await;
    assert_eq!(node.stdout(), expected);
    node.terminate().await;
    assert_eq!(node.stdout(), expected, "nothing else goes to standard output");
}

#[tokio::test]
async fn a_used_port_is_told_and_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fails_with(
        &NodeConfig::new().set("server.bind", address.as_str()),
        &[&address],
    )
    .await;
    fails_with(
        &NodeConfig::new().set("server.adminBind", address.as_str()),
        &[&address],
    )
    .await;
}

#[tokio::test]
async fn an_address_of_another_machine_is_told_and_ends_the_start() {
    fails_with(
        &NodeConfig::new().set("server.bind", "192.0.2.1:0"),
        &["192.0.2.1"],
    )
    .await;
}

#[tokio::test]
async fn two_nodes_with_data_folders_of_their_own_do_not_meet() {
    let one = Node::start().await;
    let other = Node::start().await;
    let mut sender = Client::login_with(&one, "ANZ-1", serde_json::json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    assert_eq!(Client::login(&other, "ANZ-2").await.missing(), 0);
    assert_eq!(Client::login(&one, "ANZ-2").await.missing(), 1);
}

#[tokio::test]
async fn a_node_starts_again_at_once_on_the_port_it_had() {
    let mut node = Node::start().await;
    let _client = Client::login(&node, "ANZ-1").await;
    let address = node.ws.to_string();
    node.config.put("server.bind", address.clone().into());
    node.kill9();
    node.start_again().await;
    assert_eq!(node.ws.to_string(), address);
    Client::login(&node, "ANZ-1").await;
}
