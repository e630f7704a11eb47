//! What one node traces, and what it does not.

use serde_json::json;

use crate::harness::{Api, Client, Collector, Node, NodeConfig, Span, WAIT, eventually, message, referenced};

fn traced(collector: &Collector, ratio: impl Into<serde_json::Value>) -> NodeConfig {
    NodeConfig::new()
        .set("telemetry.otlpUrl", collector.url())
        .set("telemetry.traceRatio", ratio)
}

fn of_kind(spans: &[Span], kind: &str) -> usize {
    let root = |span: &&Span| span.name == "message" && span.get("linker.kind") == kind;
    spans.iter().filter(root).count()
}

/// Sends so many RELIABLE messages, each of which is confirmed.
async fn confirmed(node: &Node, count: usize) {
    let _receiver = Client::login(node, "ANZ-2").await;
    let mut sender = Client::login(node, "ANZ-1").await;
    for n in 0..count {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..count {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

#[tokio::test]
async fn a_ratio_of_0_sends_nothing() {
    let collector = Collector::start().await;
    let mut node = traced(&collector, 0).start().await;
    confirmed(&node, 50).await;
    let traceparent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let body = json!({"to": "ANZ-3", "content": "x"});
    let sent = Api::of(&node)
        .post_with("/api/v1/messages", traceparent, &body)
        .await;
    assert_eq!(sent.status, 202);
    assert_eq!(node.terminate().await, 0);
    assert_eq!(collector.heads(), [""; 0]);
}

#[tokio::test]
async fn a_share_is_traced_and_confirmations_with_their_messages() {
    let collector = Collector::start().await;
    let mut node = traced(&collector, 0.25).start().await;
    confirmed(&node, 1000).await;
    // A stop sends what is left.
    assert_eq!(node.terminate().await, 0);
    let spans = collector.spans();
    let messages = of_kind(&spans, "message");
    // Six standard deviations.
    assert!((168..=332).contains(&messages), "{messages}");
    assert_eq!(of_kind(&spans, "confirmation"), messages);
    let ids = spans
        .iter()
        .map(|span| &span.id)
        .collect::<std::collections::HashSet<_>>();
    assert_eq!(ids.len(), spans.len());
}

#[tokio::test]
async fn users_can_be_left_out_and_headers_come_from_a_file() {
    let collector = Collector::start().await;
    let config = traced(&collector, 1).set("telemetry.traceUsers", false);
    let file = config.write("headers", "Authorization: Bearer c0llector\n");
    let config = config
        .set("telemetry.otlpHeadersFile", file.to_str().unwrap())
        // Not even then.
        .set("telemetry.level", "trace");
    let mut node = config.start().await;
    confirmed(&node, 5).await;
    assert_eq!(node.terminate().await, 0);
    assert!(of_kind(&collector.spans(), "message") >= 5);
    assert!(!collector.was_sent("ANZ-"));
    for head in collector.heads() {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let lower = head.to_lowercase();
        assert!(lower.contains("content-type: application/x-protobuf"), "{head}");
        assert!(lower.contains("authorization: bearer c0llector"), "{head}");
    }
    assert!(!node.log().contains("c0llector"));
}

#[tokio::test]
async fn what_is_said_is_in_no_span() {
    let collector = Collector::start().await;
    let mut node = traced(&collector, 1).start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut frame = crate::harness::auth("ANZ-1");
    frame["data"]["token"] = json!("t0ken-of-a-user");
    frame["data"]["options"] = json!({"accepted": true});
    let mut sender = Client::login_by(&node, frame).await;
    sender.send(referenced("ANZ-2", "wh1sper", "referenc3"));
    receiver.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "referenc3").await;
    sender.store_for("ANZ-3", &["referenc4".to_owned()]).await;
    sender.send(message("NOPE-1", "wh1sper"));
    sender.expect_error("UNKNOWN_USER").await;
    assert_eq!(node.terminate().await, 0);
    assert!(of_kind(&collector.spans(), "message") >= 2);
    for secret in ["wh1sper", "t0ken", "referenc"] {
        assert!(!collector.was_sent(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_call_of_the_api_is_traced_with_its_caller() {
    let collector = Collector::start().await;
    // So few that it is for the caller's sake that it is traced.
    let node = traced(&collector, 0.0001).start().await;
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let body = json!({"to": "ANZ-3", "content": "x"});
    let send = async |flags: &str| {
        let header = format!("traceparent: 00-{trace}-{span}-{flags}\r\n");
        let sent = Api::of(&node).post_with("/api/v1/messages", &header, &body).await;
        assert_eq!(sent.status, 202, "{}", sent.body);
        sent.json()["id"].as_str().unwrap().to_owned()
    };
    let id = send("01").await;
    let spans = collector
        .await_trace(&id, |spans| {
            ["message", "call.send", "store.insert"]
                .iter()
                .all(|name| spans.iter().any(|span| span.name == *name))
        })
        .await;
    let called = spans.iter().find(|span| span.name == "call.send").unwrap();
    assert_eq!(called.links, [(trace.to_owned(), span.to_owned())]);
    let of_caller = collector.await_trace(trace, |spans| !spans.is_empty()).await;
    assert_eq!(
        (&*of_caller[0].parent, &*of_caller[0].name),
        (span, "linker.send")
    );
    assert_eq!(of_caller[0].links, [(id.replace('-', ""), called.id.clone())]);
    assert_eq!(of_caller[0].get("messaging.message.id"), id);

    let unsampled = send("00").await;
    let sent = Api::of(&node)
        .post_with("/api/v1/messages", "traceparent: nonsense\r\n", &body)
        .await;
    assert_eq!(sent.status, 202, "what is none is passed over");
    let last = send("01").await;
    collector.await_trace(&last, |spans| !spans.is_empty()).await;
    assert!(collector.trace_of(&unsampled).is_empty());
}

#[tokio::test]
async fn what_was_sent_is_counted() {
    let collector = Collector::start().await;
    let node = traced(&collector, 1).start().await;
    confirmed(&node, 5).await;
    eventually("what the collector has is counted", WAIT, async || {
        let counted = node.metrics().await.value("linker_trace_spans_total", &[]);
        let has = collector.spans().len() as f64;
        (has > 10.0 && counted >= has).then_some(())
    })
    .await;
    let dropped = node
        .metrics()
        .await
        .value("linker_trace_spans_dropped_total", &[]);
    assert!(dropped < 0.5, "{dropped}");
}
