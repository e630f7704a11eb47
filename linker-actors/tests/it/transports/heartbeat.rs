//! Liveness of idle connections.

use std::time::{Duration, Instant};

use crate::harness::{Client, Node, NodeSpec, Raw, Received, Transport};

async fn quick_heart(transport: Transport) -> Node {
    NodeSpec::new(transport)
        .config(|config| {
            config.session.heartbeat_interval = Duration::from_millis(300);
            config.session.heartbeat_timeout = Duration::from_millis(2500);
        })
        .start()
        .await
}

pub(super) async fn an_idle_connection_is_pinged(transport: Transport) {
    let node = quick_heart(transport).await;
    // From before it is there, so that no delay of the test itself is missing.
    let start = Instant::now();
    let mut raw = Raw::login(&node, "ANZ-1").await;
    raw.answers_pings = true;
    for _ in 0..6 {
        let received = raw.receive().await;
        assert!(matches!(received, Received::Ping(_)), "{received:?}");
    }
    let taken = start.elapsed();
    assert!(taken >= Duration::from_millis(1200), "six pings in {taken:?}");
}

pub(super) async fn a_silent_connection_is_closed_with_4008(transport: Transport) {
    let node = quick_heart(transport).await;
    let mut answering = Client::login(&node, "ANZ-2").await;
    let start = Instant::now();
    let mut silent = Raw::login(&node, "ANZ-1").await;
    assert_eq!(silent.closed().await, Some(4008));
    let taken = start.elapsed();
    assert!(
        taken >= Duration::from_millis(2000),
        "closed after {taken:?} already"
    );
    answering.expect_quiet().await;
}

pub(super) async fn a_connection_without_a_login_is_closed_with_4001(transport: Transport) {
    let node = NodeSpec::new(transport)
        .config(|config| config.session.auth_timeout = Duration::from_millis(300))
        .start()
        .await;
    let mut nobody = Raw::connect(&node).await;
    assert_eq!(nobody.closed().await, Some(4001));
}
