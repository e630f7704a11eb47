//! Clients that do not read, over wss.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Dial, NodeConfig, Pair, Raw, WAIT, eventually, referenced};

fn kilobyte(n: usize) -> String {
    format!("{n}:{}", "x".repeat(1000))
}

fn small() -> Dial {
    Dial {
        receive_buffer: Some(4096),
        ..Dial::default()
    }
}

#[tokio::test]
async fn a_slow_reader_falls_behind_and_gets_everything_in_order() {
    let node = NodeConfig::new()
        .with_tls(&Pair::new())
        .set("limits.maxUnprovenBytes", "32KiB")
        .start()
        .await;
    let mut slow = Raw::login_with(&node, "ANZ-2", json!({}), &small()).await;
    slow.answers_pings = true;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..500 {
        sender.send(referenced("ANZ-2", kilobyte(n), &format!("r{n}")));
    }
    eventually("it has fallen behind", WAIT, async || {
        let metrics = node.metrics().await;
        (metrics.sum("linker_slow_consumers_total", &[]) >= Some(1.0)).then_some(())
    })
    .await;
    for n in 0..500 {
        let frame = slow.expect("MESSAGE").await;
        assert_eq!(frame["reference"], format!("r{n}"), "{}", frame.text);
        if n % 50 == 0 {
            // That is how a slow reader is: the time is its own.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // Whoever is proven to has its confirmation.
    slow.text(&crate::harness::ping()).await;
    slow.expect("PONG").await;
    for n in 0..500 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

#[tokio::test]
async fn a_reader_that_stopped_is_cut_and_nothing_is_lost() {
    let node = NodeConfig::new()
        .with_tls(&Pair::new())
        .set("limits.maxUnprovenBytes", "16KiB")
        .set("limits.stallTimeout", "500ms")
        .start()
        .await;
    let _asleep = Raw::login_with(&node, "ANZ-2", json!({}), &small()).await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..500 {
        sender.send(referenced("ANZ-2", kilobyte(n), &format!("r{n}")));
    }
    for n in 0..500 {
        sender.expect_for("MESSAGE_ACCEPTED", &format!("r{n}")).await;
    }
    eventually("its session is gone", WAIT, async || {
        let metrics = node.metrics().await;
        (metrics.value("linker_sessions", &[]) == 1.0).then_some(())
    })
    .await;
    let mut back = Client::login(&node, "ANZ-2").await;
    assert_eq!(back.missing(), 500);
    let (page, left) = back.fetch(1000).await;
    assert_eq!((page.len(), left), (500, 0));
}
