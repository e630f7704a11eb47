//! `heartbeat`: pings on idle connections and the end of silent ones.

use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Client, MASTER, Node, NodeConfig, Raw, Received};

async fn quick_heart() -> Node {
    NodeConfig::new()
        .set("heartbeat.interval", "300ms")
        .set("heartbeat.timeout", "2500ms")
        .start()
        .await
}

#[tokio::test]
async fn an_idle_connection_is_pinged() {
    let node = NodeConfig::new()
        .set("heartbeat.interval", "200ms")
        .set("heartbeat.timeout", "20s")
        .start()
        .await;
    // From before it is there, so that no delay of the test itself is missing.
    let start = Instant::now();
    let mut raw = Raw::login(&node, "ANZ-1").await;
    raw.answers_pings = true;
    for _ in 0..3 {
        let received = raw.receive().await;
        assert!(matches!(received, Received::Ping(_)), "{received:?}");
    }
    assert!(
        start.elapsed().as_millis() >= 400,
        "three pings in {:?}: no interval kept",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_connection_that_sends_nothing_is_closed_with_4008() {
    let node = quick_heart().await;
    let start = Instant::now();
    let mut raw = Raw::login(&node, "ANZ-1").await;
    assert_eq!(raw.closed().await, Some(4008));
    assert!(
        start.elapsed().as_millis() >= 2000,
        "closed after {:?} already",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_connection_that_answers_pings_stays() {
    let node = quick_heart().await;
    let mut answering = Client::login(&node, "ANZ-1").await;
    // Two silent ones, one after the other, are a clock of twice the timeout.
    for _ in 0..2 {
        assert_eq!(Raw::login(&node, "ANZ-2").await.closed().await, Some(4008));
    }
    answering.expect_quiet().await;
}

#[tokio::test]
async fn a_connection_that_talks_but_answers_no_ping_stays() {
    let node = quick_heart().await;
    let mut talking = Raw::login(&node, "ANZ-1").await;
    let mut silent = Raw::login(&node, "ANZ-2").await;
    let clock = async {
        assert_eq!(silent.closed().await, Some(4008));
        assert_eq!(Raw::login(&node, "ANZ-2").await.closed().await, Some(4008));
    };
    let talk = async {
        loop {
            talking.fence().await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = clock => {}
        () = talk => {}
    }
    talking.fence().await;
}

#[tokio::test]
async fn the_master_is_told_of_a_user_who_fell_silent_and_its_messages_are_kept() {
    let node = quick_heart().await;
    let mut master = Client::login(&node, MASTER).await;
    let mut silent = Raw::login(&node, "ANZ-1").await;
    assert_eq!(master.next().await.kind(), "USER_CONNECTED");
    let mut sender = Client::login_with(&node, "XYZ-2", json!({"accepted": true})).await;
    sender.store_for("ANZ-1", &["kept".to_owned()]).await;
    assert_eq!(silent.closed().await, Some(4008));
    let gone = master.next().await;
    assert_eq!(
        (gone.kind(), &gone["data"]["userId"]),
        ("USER_DISCONNECTED", &json!("ANZ-1"))
    );
    let mut back = Client::login_with(&node, "ANZ-1", json!({"replay": true})).await;
    assert_eq!(back.expect("MESSAGE").await["reference"], "kept");
}

#[tokio::test]
async fn a_connection_that_never_reads_is_gone_after_the_timeout() {
    let node = quick_heart().await;
    let mut master = Client::login(&node, MASTER).await;
    // Nothing is unproven here: only the heartbeat can end it.
    let _asleep = Raw::login(&node, "ANZ-1").await;
    assert_eq!(master.next().await.kind(), "USER_CONNECTED");
    assert_eq!(master.next().await.kind(), "USER_DISCONNECTED");
}
