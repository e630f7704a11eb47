//! `/metrics`: the names of CONTRACT.md and that they count what they say.

use serde_json::json;

use crate::harness::{
    Client, Metrics, Node, NodeConfig, WAIT, auth, eventually, fast, message, referenced, request,
};

/// Waits until the series has this value: what is counted is counted a moment after it is seen.
async fn reaches(node: &Node, name: &str, labels: &[(&str, &str)], value: f64) {
    eventually(&format!("{name} {labels:?} is {value}"), WAIT, async || {
        (node.metrics().await.sum(name, labels) == Some(value)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn sessions_are_counted_as_they_come_and_go() {
    let node = Node::start().await;
    let one = Client::login(&node, "ANZ-1").await;
    let _other = Client::login(&node, "ANZ-2").await;
    let _not_logged_in = Client::connect(&node).await;
    reaches(&node, "linker_sessions", &[], 2.0).await;
    reaches(&node, "linker_presence_entries", &[], 2.0).await;
    one.close().await;
    reaches(&node, "linker_sessions", &[], 1.0).await;
    reaches(&node, "linker_presence_entries", &[], 1.0).await;
}

#[tokio::test]
async fn messages_are_counted_by_feature_and_outcome() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let before = outcomes(&node.metrics().await);
    for n in 0..3 {
        sender.send(referenced("ANZ-2", "x", &format!("d{n}")));
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("d{n}")).await;
    }
    sender
        .store_for("ANZ-3", &["s0".to_owned(), "s1".to_owned()])
        .await;
    for _ in 0..4 {
        sender.send(fast("ANZ-2", "x"));
    }
    sender.send(fast("ANZ-4", "to nobody"));
    sender.send(referenced("ANZ-2", "x", "d0"));
    sender.expect_for("MESSAGE_CONFIRMATION", "d0").await;
    sender.send(message("NOPE-1", "x"));
    sender.expect_error("UNKNOWN_USER").await;
    for _ in 0..7 {
        receiver.expect("MESSAGE").await;
    }
    for (feature, outcome, count) in [
        ("RELIABLE", "stored", 2.0),
        ("FAST", "delivered", 4.0),
        ("FAST", "dropped", 1.0),
        ("RELIABLE", "duplicate", 1.0),
    ] {
        eventually(&format!("{count} {feature} {outcome}"), WAIT, async || {
            let metrics = node.metrics().await;
            let labels = [("feature", feature), ("outcome", outcome)];
            let base = before
                .iter()
                .find(|(of, with, _)| (*of, *with) == (feature, outcome))
                .map_or(0.0, |row| row.2);
            (metrics.sum("linker_messages_total", &labels).unwrap_or(0.0) - base >= count).then_some(())
        })
        .await;
    }
    let delivered = [("feature", "RELIABLE"), ("outcome", "delivered")];
    eventually("three RELIABLE ones are delivered", WAIT, async || {
        (node
            .metrics()
            .await
            .sum("linker_messages_total", &delivered)
            .unwrap_or(0.0)
            >= 3.0)
            .then_some(())
    })
    .await;
    let refused = node
        .metrics()
        .await
        .value("linker_messages_total", &[("outcome", "refused")]);
    assert!(refused >= 1.0, "{refused}");
}

fn outcomes(metrics: &Metrics) -> Vec<(&'static str, &'static str, f64)> {
    let mut rows = Vec::new();
    for feature in ["RELIABLE", "FAST"] {
        for outcome in ["stored", "delivered", "dropped", "duplicate"] {
            let labels = [("feature", feature), ("outcome", outcome)];
            rows.push((
                feature,
                outcome,
                metrics.sum("linker_messages_total", &labels).unwrap_or(0.0),
            ));
        }
    }
    rows
}

#[tokio::test]
async fn the_time_of_delivery_is_a_histogram_by_feature() {
    let node = Node::start().await;
    let _receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    sender.delivery_fence("ANZ-2", "r1").await;
    eventually("the delivery is in the histogram", WAIT, async || {
        let metrics = node.metrics().await;
        let labels = [("feature", "RELIABLE")];
        let count = metrics.sum("linker_delivery_seconds_count", &labels)?;
        let buckets = metrics.sum(
            "linker_delivery_seconds_bucket",
            &[("feature", "RELIABLE"), ("le", "+Inf")],
        )?;
        (count >= 1.0 && buckets >= 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn store_work_is_measured() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    eventually("the group commit is measured", WAIT, async || {
        let metrics = node.metrics().await;
        let batches = metrics.sum("linker_store_batch_size_count", &[])?;
        let commits = metrics.sum("linker_store_commit_seconds_count", &[])?;
        (batches >= 1.0 && commits >= 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pending_messages_come_back_to_zero() {
    let node = Node::start().await;
    let _receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..50 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    reaches(&node, "linker_pending_messages", &[], 0.0).await;
}

#[tokio::test]
async fn a_node_forgets_what_has_left_its_store_though_nothing_happens_any_more() {
    let node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references: Vec<String> = (0..20).map(|n| format!("r{n}")).collect();
    sender.store_for("ANZ-2", &references).await;
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for reference in &references {
        receiver.expect("MESSAGE").await;
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
    let known = node.metrics().await.value("linker_store_claims", &[]);
    assert!(known >= 20.0, "a page may show them yet: {known}");
    reaches(&node, "linker_store_claims", &[], 0.0).await;
}

#[tokio::test]
async fn logins_are_counted_by_outcome() {
    let node = Node::start().await;
    let _client = Client::login(&node, "ANZ-1").await;
    let mut wrong = auth("XYZ-1");
    wrong["data"]["appId"] = json!("app-id-343");
    Client::refused(&node, wrong).await;
    reaches(&node, "linker_auth_total", &[], 2.0).await;
    let page = node.admin_get("/metrics").await.body;
    let outcomes = page
        .lines()
        .filter(|line| line.starts_with("linker_auth_total{"))
        .count();
    assert!(outcomes >= 2, "one series an outcome:\n{page}");
}

#[tokio::test]
async fn every_name_of_the_contract_is_described_with_a_type() {
    let node = Node::start().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    client.delivery_fence("ANZ-1", "r1").await;
    client.store_for("ANZ-2", &["r2".to_owned()]).await;
    let page = node.admin_get("/metrics").await.body;
    for (name, kind) in [
        ("linker_sessions", "gauge"),
        ("linker_presence_entries", "gauge"),
        ("linker_messages_total", "counter"),
        ("linker_delivery_seconds", "histogram"),
        ("linker_pending_messages", "gauge"),
        ("linker_store_batch_size", "histogram"),
        ("linker_store_commit_seconds", "histogram"),
        ("linker_slow_consumers_total", "counter"),
        ("linker_stalled_sessions_total", "counter"),
        ("linker_auth_total", "counter"),
        ("linker_mailbox_full_total", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_cpu_seconds_total", "counter"),
    ] {
        assert!(
            page.contains(&format!("# TYPE {name} {kind}")),
            "{name} is not a {kind} in:\n{page}"
        );
    }
}

#[tokio::test]
async fn metrics_auth_asks_for_the_bearer_token() {
    let node = NodeConfig::new()
        .set("server.adminToken", "t0ken")
        .set("server.metricsAuth", true)
        .start()
        .await;
    assert_eq!(node.admin_get("/metrics").await.status, 401);
    let wrong = request(node.admin, "GET /metrics HTTP/1.1\r\nAuthorization: Bearer nope")
        .await
        .unwrap();
    assert_eq!(wrong.status, 401);
    let right = request(node.admin, "GET /metrics HTTP/1.1\r\nAuthorization: Bearer t0ken")
        .await
        .unwrap();
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let node = Node::start().await;
    let page = node.admin_get("/metrics").await;
    assert!(
        page.header("content-type").starts_with("text/plain"),
        "{}",
        page.header("content-type")
    );
}
