//! A collector that does not take what it is sent costs nothing but that.

use std::time::{Duration, Instant};

use crate::harness::{Client, Collector, Manner, Node, NodeConfig, WAIT, eventually, referenced};

/// Sends so many messages, and answers how long it took until all were confirmed.
async fn confirmed(node: &Node, count: usize) -> Duration {
    let _receiver = Client::login(node, "ANZ-2").await;
    let mut sender = Client::login(node, "ANZ-1").await;
    let began = Instant::now();
    for n in 0..count {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in 0..count {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    began.elapsed()
}

async fn dropped(node: &Node) -> f64 {
    node.metrics()
        .await
        .value("linker_trace_spans_dropped_total", &[])
}

fn warnings(node: &Node) -> usize {
    let log = node.log();
    log.lines()
        .filter(|line| line.contains("the collector takes no traces"))
        .count()
}

#[tokio::test]
async fn one_that_is_away_is_told_of_once_and_counted() {
    let mut node = NodeConfig::new()
        // Nobody listens there.
        .set("telemetry.otlpUrl", "http://127.0.0.1:9")
        .set("telemetry.traceRatio", 1)
        .start()
        .await;
    // More than the queue has room for.
    confirmed(&node, 3000).await;
    eventually("what cannot be sent is counted", WAIT, async || {
        (dropped(&node).await >= 500.0).then_some(())
    })
    .await;
    confirmed(&node, 10).await;
    let stopping = Instant::now();
    assert_eq!(node.terminate().await, 0);
    assert!(stopping.elapsed() < Duration::from_secs(10));
    assert_eq!(warnings(&node), 1, "{}", node.log());
}

#[tokio::test]
async fn one_that_does_not_answer_holds_up_nothing_and_no_stop() {
    let collector = Collector::start().await;
    collector.answers(Manner::IsSilent);
    let mut node = NodeConfig::new()
        .set("telemetry.otlpUrl", collector.url())
        .set("telemetry.traceRatio", 1)
        .start()
        .await;
    let took = confirmed(&node, 3000).await;
    // As one that waited for it, even once, could not be.
    assert!(took < Duration::from_secs(60), "{took:?}");
    eventually("what does not fit into the queue is counted", WAIT, async || {
        (dropped(&node).await >= 1.0).then_some(())
    })
    .await;
    let stopping = Instant::now();
    assert_eq!(node.terminate().await, 0);
    assert!(
        stopping.elapsed() < Duration::from_secs(12),
        "{:?}",
        stopping.elapsed()
    );
}

#[tokio::test]
async fn one_that_refuses_gets_traces_again_when_it_takes_them() {
    let collector = Collector::start().await;
    collector.answers(Manner::Refuses(503));
    let node = NodeConfig::new()
        .set("telemetry.otlpUrl", collector.url())
        .set("telemetry.traceRatio", 1)
        .start()
        .await;
    confirmed(&node, 20).await;
    eventually("it is told of", WAIT, async || {
        (warnings(&node) == 1).then_some(())
    })
    .await;
    collector.answers(Manner::Takes);
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut sent = 0;
    eventually("traces come again", WAIT, async || {
        sent += 1;
        sender.delivery_fence("ANZ-1", &format!("again{sent}")).await;
        (!collector.spans().is_empty()).then_some(())
    })
    .await;
    eventually("that is told too", WAIT, async || {
        node.log()
            .contains("the collector takes traces again")
            .then_some(())
    })
    .await;
    assert_eq!(warnings(&node), 1);
}
