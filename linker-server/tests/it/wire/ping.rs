//! `PING`, for browsers, and the ping of WebSocket itself.

use crate::harness::{Client, Node, Raw, Received, Wire, ping, with};

#[tokio::test]
async fn ping_is_answered_with_pong() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for frame in [
        ping(),
        with(ping(), "data", serde_json::json!({})),
        with(ping(), "reference", "p"),
    ] {
        client.send(frame);
        assert_eq!(client.next().await.kind(), "PONG");
    }
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_websocket_ping_is_answered_with_its_payload() {
    let node = Node::start().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    for payload in [&b""[..], b"hello", &[7; 125]] {
        raw.wire(Wire::new(9, payload)).await;
        let received = raw.receive().await;
        assert!(
            matches!(&received, Received::Pong(echo) if echo == payload),
            "{received:?}"
        );
    }
}

#[tokio::test]
async fn a_websocket_ping_before_the_login_is_answered() {
    let node = Node::start().await;
    let mut raw = Raw::connect(&node).await;
    raw.wire(Wire::new(9, b"early")).await;
    assert!(matches!(raw.receive().await, Received::Pong(echo) if echo == b"early"));
}
