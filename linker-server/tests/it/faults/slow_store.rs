//! A store that is there and slow: the senders' sockets wait, nothing is refused, memory does not grow.

use std::time::Duration;

use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::harness::{Client, Node, WAIT, eventually, fast, referenced};

/// Holds the database's one right to write for as long as this lives, shorter than the node's patience.
struct SlowStore {
    holder: SqliteConnection,
}

impl SlowStore {
    async fn of(node: &Node) -> Self {
        let file = node.config.data_dir().join("linker.db");
        let options = SqliteConnectOptions::new().filename(file);
        let mut holder = options.connect().await.expect("the node's file can be opened");
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut holder)
            .await
            .expect("an idle node does not write");
        Self { holder }
    }

    async fn end(mut self) {
        sqlx::query("ROLLBACK")
            .execute(&mut self.holder)
            .await
            .expect("a transaction is open");
        self.holder.close().await.expect("the connection closes");
    }
}

async fn pending(node: &Node) -> f64 {
    node.metrics().await.value("linker_pending_messages", &[])
}

#[tokio::test]
async fn a_slow_store_slows_the_senders_socket_and_refuses_nothing() {
    const MESSAGES: usize = 2000;
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut other = Client::login(&node, "ANZ-3").await;
    let before = node.peak_resident_kib();
    let slow = SlowStore::of(&node).await;
    let content = "x".repeat(10_000);
    for n in 0..MESSAGES {
        sender.send(referenced("ANZ-2", content.as_str(), &format!("r{n}")));
    }
    // 20 MB are on their way; what the node has taken of them comes to a stand.
    let mut last = 0.0;
    let taken = eventually("the node reads no more", WAIT, async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = pending(&node).await;
        let stands = now > 0.0 && now == last;
        last = now;
        stands.then_some(now)
    })
    .await;
    assert!(
        taken * 10_000.0 < 2.0 * 1024.0 * 1024.0,
        "{taken} messages of 10 kB were taken that the store did not"
    );
    // It is this sender alone who waits.
    other.send(fast("ANZ-3", "not my store"));
    assert_eq!(other.expect("MESSAGE").await["data"]["content"], "not my store");
    let grown = node.peak_resident_kib() - before;
    assert!(
        grown < 12 * 1024,
        "20 MB for a slow store made the node grow by {grown} KiB"
    );
    slow.end().await;
    for n in 0..MESSAGES {
        let answer = sender.next().await;
        assert_eq!(answer.kind(), "MESSAGE_ACCEPTED", "{}", answer.text);
        assert_eq!(answer["data"]["reference"], format!("r{n}"));
    }
}
