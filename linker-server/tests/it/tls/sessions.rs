//! Sessions over wss.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::node;
use crate::harness::{
    Client, NodeConfig, Pair, Raw, Received, WAIT, Wire, auth, eventually, message, referenced, with,
};

const TEXT: u8 = 1;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;

#[tokio::test]
async fn a_reliable_message_is_delivered_proven_and_confirmed() {
    let (node, _) = node().await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    for n in 0..100 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    receiver.expect_in_order(0..100).await;
    for n in 0..100 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    let metrics = node.metrics().await;
    assert_eq!(
        metrics.value("linker_tls_handshakes_total", &[("outcome", "done")]),
        2.0
    );
}

#[tokio::test]
async fn what_is_as_large_as_allowed_comes_whole_both_ways() {
    let pair = Pair::new();
    let node = NodeConfig::new()
        .with_tls(&pair)
        .set("limits.maxFrameBytes", "4MiB")
        .set("limits.maxUnprovenBytes", "16MiB")
        .start()
        .await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    let content = "x".repeat(4 * 1024 * 1024 - 1000);
    for _ in 0..3 {
        sender.send(message("ANZ-2", content.as_str()));
    }
    for _ in 0..3 {
        let frame = receiver.expect("MESSAGE").await;
        assert!(
            frame["data"]["content"] == content.as_str(),
            "{} bytes",
            frame.text.len()
        );
    }
}

#[tokio::test]
async fn fragments_are_joined_however_they_are_cut_into_records() {
    let (node, _) = node().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut sender = Raw::login(&node, "ANZ-1").await;
    sender.answers_pings = true;
    let content = "abc".repeat(15_000);
    let text = message("ANZ-2", content.as_str()).to_string();
    let parts: Vec<&[u8]> = text.as_bytes().chunks(7_001).collect();
    let last = parts.len() - 1;
    for (n, part) in parts.iter().enumerate() {
        let opcode = if n == 0 { TEXT } else { CONTINUATION };
        let wire = if n == last {
            Wire::new(opcode, part)
        } else {
            Wire::unfinished(opcode, part)
        };
        // Each byte of the frame's beginning is a record of its own.
        let bytes = wire.bytes();
        for byte in &bytes[..16.min(bytes.len())] {
            sender.bytes(&[*byte]).await;
        }
        sender.bytes(&bytes[16.min(bytes.len())..]).await;
    }
    assert!(receiver.expect("MESSAGE").await["data"]["content"] == content.as_str());
    assert!(sender.fence().await.is_empty());
}

#[tokio::test]
async fn many_frames_in_one_write_are_all_handled_though_more_is_decrypted_than_read() {
    let (node, _) = node().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    raw.answers_pings = true;
    let frames: Vec<u8> = (0..5_000)
        .flat_map(|n| {
            let frame = with(json!({"type": "NONE"}), "reference", format!("p{n}"));
            Wire::new(TEXT, frame.to_string().as_bytes()).bytes()
        })
        .collect();
    assert!(raw.bytes(&frames).await);
    for n in 0..5_000 {
        let error = raw.expect("ERROR").await;
        assert_eq!(error["reference"], format!("p{n}"), "{}", error.text);
    }
}

#[tokio::test]
async fn a_stop_closes_with_1001_and_ends_the_stream_as_tls_does() {
    let (mut node, _) = node().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    let mut raw = Raw::login(&node, "ANZ-2").await;
    node.signal("TERM");
    assert_eq!(user.closed().await, Some(1001));
    loop {
        if let Received::Close(code) = raw.receive().await {
            assert_eq!(code, Some(1001));
            break;
        }
    }
    raw.wire(Wire::new(CLOSE, &1001u16.to_be_bytes())).await;
    assert!(raw.ended_cleanly().await, "without close_notify");
    assert_eq!(node.ended().await, 0);
}

#[tokio::test]
async fn a_client_that_closes_is_answered_whether_it_ends_its_tls_or_only_its_socket() {
    let (node, pair) = node().await;
    Client::login(&node, "ANZ-1").await.close().await;
    let mut raw = Raw::login(&node, "ANZ-2").await;
    raw.wire(Wire::new(CLOSE, &1000u16.to_be_bytes())).await;
    assert_eq!(raw.closed().await, Some(1000));
    // The socket's writing half is shut without TLS being told; the session gives back what it had, and is gone.
    let tcp = TcpStream::connect(node.ws).await.unwrap();
    let mut secured = pair.secure(tcp).await.unwrap();
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        node.ws
    );
    secured.write_all(handshake.as_bytes()).await.unwrap();
    let login = Wire::new(TEXT, auth("ANZ-3").to_string().as_bytes()).bytes();
    secured.write_all(&login).await.unwrap();
    eventually("three sessions have come and two gone", WAIT, async || {
        (node.metrics().await.value("linker_sessions", &[]) == 1.0).then_some(())
    })
    .await;
    secured.get_mut().0.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(WAIT, secured.read_to_end(&mut rest))
        .await
        .unwrap();
    eventually("the last session is gone", WAIT, async || {
        (node.metrics().await.value("linker_sessions", &[]) == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_session_over_tls_gives_back_what_it_has_not_proven() {
    let (node, _) = node().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut deaf = Raw::login(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-2", "first", "r1"));
    deaf.expect("MESSAGE").await;
    drop(deaf);
    sender.expect_for("MESSAGE_ACCEPTED", "r1").await;
    let mut back = Client::login(&node, "ANZ-2").await;
    let (page, left) = back.fetch(10).await;
    assert_eq!((page.len(), left), (1, 0));
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
}
