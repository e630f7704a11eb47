//! Handshakes as clients and proxies write them.

use crate::harness::{Node, auth, handshake};

/// The upgrade succeeds and the connection is a session's like any other.
async fn assert_upgrades(node: &Node, path: &str, headers: &str) {
    let mut raw = handshake(node.ws, path, headers)
        .await
        .unwrap_or_else(|answer| panic!("{path} {headers:?}: {answer}"));
    raw.text(&auth("ANZ-1")).await;
    let reply = raw.expect("AUTH_CLIENT_REPLY").await;
    assert_eq!(reply["data"]["isAuthenticated"], true, "{headers:?}");
}

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";

#[tokio::test]
async fn what_browsers_and_proxies_add_does_no_harm() {
    let node = Node::start().await;
    for headers in [
        // As Firefox writes it.
        "Upgrade: websocket\r\nConnection: keep-alive, Upgrade",
        "upgrade: WebSocket\r\nconnection: upgrade",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: 10.0.0.1\r\nCookie: a=b; c=d",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nOrigin: null",
    ] {
        assert_upgrades(&node, "/ws", &format!("{headers}\r\n{KEY}")).await;
    }
    let plain = format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{KEY}");
    assert_upgrades(&node, "/ws?transport=websocket", &plain).await;
}

#[tokio::test]
async fn extensions_that_are_offered_are_not_taken() {
    let node = Node::start().await;
    let headers = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\n{KEY}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    );
    // Frames that come after it are plain: the harness's reader knows no others.
    assert_upgrades(&node, "/ws", &headers).await;
}

#[tokio::test]
async fn other_paths_are_no_websockets() {
    let node = Node::start().await;
    let plain = format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{KEY}");
    for path in ["/", "/wss", "/ws/other", "/api/ws"] {
        let answer = handshake(node.ws, path, &plain).await.err();
        let answer = answer.unwrap_or_else(|| panic!("{path} is a WebSocket"));
        assert!(!answer.starts_with("HTTP/1.1 101"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_handshake_in_pieces_is_a_handshake_and_frames_may_come_with_it() {
    let node = Node::start().await;
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{KEY}\r\n\r\n"
    );
    let mut raw = crate::harness::Raw::open(node.ws).await;
    let (begin, end) = head.as_bytes().split_at(40);
    raw.bytes(begin).await;
    // The login does not wait for the answer to the handshake.
    let login = auth("ANZ-1").to_string();
    let mut rest = end.to_vec();
    rest.extend(crate::harness::Wire::new(1, login.as_bytes()).bytes());
    raw.bytes(&rest).await;
    let answer = raw.read_head().await.expect("cut during the handshake");
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let reply = raw.expect("AUTH_CLIENT_REPLY").await;
    assert_eq!(reply["data"]["isAuthenticated"], true);
}
