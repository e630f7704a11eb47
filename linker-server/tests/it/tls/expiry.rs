//! Certificates that end soon.

use serde_json::json;

use super::node;
use crate::harness::{Node, NodeConfig, Pair, WAIT, eventually, run, seconds_from_now};

const DAY_S: i64 = 24 * 60 * 60;

/// A pair that ends after this many seconds, and when that is.
fn ending_in(seconds: i64) -> (Pair, f64) {
    let end_s = u64::try_from(seconds_from_now(seconds)).unwrap();
    (Pair::ending_at(Some(end_s)), end_s as f64)
}

async fn end_of(node: &Node, listener: &str) -> Option<f64> {
    let metrics = node.metrics().await;
    metrics.sum(
        "linker_tls_certificate_expires_seconds",
        &[("listener", listener)],
    )
}

#[tokio::test]
async fn the_end_of_a_ports_certificate_is_a_metric_and_soon_a_warning() {
    let (pair, end_s) = ending_in(3 * DAY_S + 60);
    let node = NodeConfig::new().with_tls(&pair).start().await;
    assert_eq!(end_of(&node, "clients").await, Some(end_s));
    assert_eq!(end_of(&node, "admin").await, None, "it has no TLS");
    let log = node.log();
    assert!(
        log.contains("server.tls: the certificate ends in 3 days"),
        "{log}"
    );
    // A new one is told of at once.
    let (new, new_end_s) = ending_in(2 * DAY_S + 60);
    node.config.write_pair(&new);
    node.signal("HUP");
    eventually("the new end is told", WAIT, async || {
        (end_of(&node, "clients").await == Some(new_end_s)).then_some(())
    })
    .await;
    let log = node.log();
    assert!(
        log.contains("server.tls: the certificate ends in 2 days"),
        "{log}"
    );
}

#[tokio::test]
async fn of_a_chain_the_first_that_ends_counts() {
    let ((pair, _), (other, end_s)) = (ending_in(90 * DAY_S), ending_in(40 * DAY_S));
    let config = NodeConfig::new().with_tls(&pair);
    config.write("cert.pem", &format!("{}{}", pair.cert, other.cert));
    let node = config.start().await;
    assert_eq!(end_of(&node, "clients").await, Some(end_s));
    assert!(!node.log().contains("the certificate ends"), "{}", node.log());
}

#[tokio::test]
async fn a_node_without_tls_or_with_time_left_says_nothing() {
    let (with, _) = node().await;
    assert!(!with.log().contains("the certificate"), "{}", with.log());
    let without = Node::start().await;
    assert_eq!(end_of(&without, "clients").await, None);
}

#[tokio::test]
async fn check_and_the_log_warn_of_a_certificate_and_of_a_url_that_does_not_fit() {
    const MISLEADS: &str = "server.publicUrl: clients are told ws://chat.example/ws, but with server.tls";
    let (pair, _) = ending_in(-60);
    let mut config = NodeConfig::new()
        .with_tls(&pair)
        .set("server.publicUrl", "ws://chat.example");
    let file = config.save();
    let finished = run(&["check", "--config", file.to_str().unwrap()]).await;
    assert_eq!(finished.code, 0, "{}", finished.said());
    finished.line_with(&["warning: ", "server.tls: the certificate has ended"]);
    finished.line_with(&["warning: ", MISLEADS, "wss://"]);
    // It starts all the same.
    config.put("server.publicUrl", json!("ws://chat.example/ws"));
    let node = config.start().await;
    assert!(node.log().contains(MISLEADS), "{}", node.log());
    for sound in ["wss://chat.example/ws", "ws://127.0.0.1:1/ws"] {
        let file = NodeConfig::new()
            .with_tls(&Pair::new())
            .set("server.publicUrl", sound);
        let file = (file.save(), file);
        let finished = run(&["check", "--config", file.0.to_str().unwrap()]).await;
        assert!(!finished.said().contains("warning"), "{}", finished.said());
    }
}
