//! WebSocket framing (RFC 6455), right and wrong.

use crate::harness::{Client, Node, NodeSpec, Raw, Received, Transport, Wire, message, ping};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// A `MESSAGE` to `ANZ-1` of exactly this many bytes.
fn message_of(bytes: usize) -> String {
    let rest = bytes - message("ANZ-1", "").to_string().len();
    message("ANZ-1", "x".repeat(rest)).to_string()
}

async fn small_frames(transport: Transport) -> Node {
    NodeSpec::new(transport)
        .config(|config| config.max_frame_bytes = 1000)
        .start()
        .await
}

/// That the connection ends with this code, and that nobody else notices.
async fn assert_ends(node: &Node, raw: &mut Raw, code: u16) {
    assert_eq!(raw.closed().await, Some(code));
    let mut other = Client::login(node, "ANZ-3").await;
    other.delivery_fence("ANZ-3", "alive").await;
}

pub(super) async fn fragments_are_joined_around_control_frames(transport: Transport) {
    let node = Node::start(transport).await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let text = message("ANZ-1", "grüße").to_string();
    // In the middle of the two bytes of an umlaut, among others.
    let parts: Vec<&[u8]> = text.as_bytes().chunks(7).collect();
    let last = parts.len() - 1;
    for (index, part) in parts.into_iter().enumerate() {
        let opcode = if index == 0 { TEXT } else { CONTINUATION };
        let fin = index == last;
        raw.wire(Wire {
            fin,
            ..Wire::new(opcode, part)
        })
        .await;
        raw.wire(Wire::new(PING, b"between")).await;
    }
    assert_eq!(raw.expect("MESSAGE").await["data"]["content"], "grüße");
}

pub(super) async fn a_frame_to_the_byte_passes_and_one_more_closes_with_1009(transport: Transport) {
    for (limit, node) in [
        (65_536, Node::start(transport).await),
        (1000, small_frames(transport).await),
    ] {
        let mut client = Client::login(&node, "ANZ-1").await;
        client.send_text(message_of(limit));
        assert!(client.expect("MESSAGE").await.text.len() > limit);
        client.send_text(message_of(limit + 1));
        assert_eq!(client.closed().await, Some(1009));
    }
}

pub(super) async fn an_announced_size_is_refused_before_anything_of_it_came(transport: Transport) {
    let node = Node::start(transport).await;
    for announced in [65_537, 1 << 40, u64::MAX >> 1] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        let mut head = vec![0x80 | TEXT, 0x80 | 127];
        head.extend(u64::to_be_bytes(announced));
        head.extend([0; 4]);
        raw.bytes(&head).await;
        assert_ends(&node, &mut raw, 1009).await;
    }
}

pub(super) async fn fragments_too_large_together_close_with_1009(transport: Transport) {
    let node = small_frames(transport).await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    for bytes in [1000, 1001] {
        let text = message_of(bytes);
        let (start, rest) = text.as_bytes().split_at(700);
        raw.wire(Wire::unfinished(TEXT, start)).await;
        raw.wire(Wire::new(CONTINUATION, rest)).await;
        if bytes == 1000 {
            raw.expect("MESSAGE").await;
        }
    }
    assert_ends(&node, &mut raw, 1009).await;
}

pub(super) async fn a_binary_frame_closes_with_1003(transport: Transport) {
    let node = Node::start(transport).await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    raw.wire(Wire::new(BINARY, ping().to_string().as_bytes())).await;
    assert_ends(&node, &mut raw, 1003).await;
    let mut nobody = Raw::connect(&node).await;
    nobody.wire(Wire::new(BINARY, b"")).await;
    assert_ends(&node, &mut nobody, 1003).await;
}

pub(super) async fn invalid_utf_8_closes_with_1007(transport: Transport) {
    let node = Node::start(transport).await;
    for bad in [&b"\xff"[..], b"{\"type\":\"PING\"}\xc0\x80", b"abc\xc3"] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(Wire::new(TEXT, bad)).await;
        assert_ends(&node, &mut raw, 1007).await;
    }
}

pub(super) async fn an_unmasked_frame_closes_with_1002(transport: Transport) {
    let node = Node::start(transport).await;
    let text = ping().to_string();
    let unmasked = Wire {
        masked: false,
        ..Wire::new(TEXT, text.as_bytes())
    };
    let orphan = Wire::new(CONTINUATION, text.as_bytes());
    let long_ping = Wire::new(PING, &[0; 126]);
    let unknown = Wire::new(3, b"");
    for wire in [unmasked, orphan, long_ping, unknown] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(wire).await;
        assert_ends(&node, &mut raw, 1002).await;
    }
}

pub(super) async fn a_ping_is_answered_with_its_payload(transport: Transport) {
    let node = Node::start(transport).await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    for payload in [&b""[..], b"x", &[7; 125]] {
        raw.wire(Wire::new(PING, payload)).await;
        match raw.receive().await {
            Received::Pong(answer) => assert_eq!(answer, payload),
            other => panic!("{other:?} instead of a pong"),
        }
    }
}

pub(super) async fn a_close_frame_is_answered_and_the_connection_ends(transport: Transport) {
    let node = Node::start(transport).await;
    for payload in [&b""[..], &1000_u16.to_be_bytes(), b"\x0f\xa0as it pleases me"] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(Wire::new(CLOSE, payload)).await;
        let received = raw.receive().await;
        let echo = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
        assert!(
            matches!(received, Received::Close(code) if code == echo),
            "{received:?}"
        );
        let received = raw.receive().await;
        assert!(matches!(received, Received::End), "{received:?}");
    }
}

pub(super) async fn frames_before_a_close_frame_are_processed(transport: Transport) {
    let node = Node::start(transport).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let frames = (0..50).flat_map(|n| Wire::new(TEXT, message("ANZ-2", n).to_string().as_bytes()).bytes());
    let mut bytes: Vec<u8> = frames.collect();
    bytes.extend(Wire::new(CLOSE, &1000_u16.to_be_bytes()).bytes());
    raw.bytes(&bytes).await;
    for n in 0..50 {
        assert_eq!(receiver.next().await["data"]["content"], n);
    }
}
