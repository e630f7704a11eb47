//! WebSocket itself: sizes, fragments, UTF-8, and frames that no client should write.

use crate::harness::{Client, Node, NodeConfig, Raw, Received, Wire, ping};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// A `MESSAGE` to `ANZ-1` of exactly this many bytes.
fn message_of(bytes: usize) -> String {
    let frame =
        |content: &str| format!(r#"{{"type":"MESSAGE","data":{{"to":"ANZ-1","content":"{content}"}}}}"#);
    let rest = bytes - frame("").len();
    frame(&"x".repeat(rest))
}

async fn node_with_frames_up_to_1000() -> Node {
    NodeConfig::new().set("limits.maxFrameBytes", 1000).start().await
}

#[tokio::test]
async fn a_frame_of_64_kib_is_accepted_and_one_byte_more_closes_with_1009() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send_text(message_of(65_536));
    let message = client.next().await;
    assert_eq!(message.kind(), "MESSAGE");
    assert!(message.text.len() > 65_536, "what the server sends may be larger");
    client.send_text(message_of(65_537));
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn a_smaller_limit_is_kept_to_the_byte() {
    let node = node_with_frames_up_to_1000().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send_text(message_of(1000));
    assert_eq!(client.next().await.kind(), "MESSAGE");
    client.send_text(message_of(1001));
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn a_limit_above_64_kib_is_kept_too() {
    let node = NodeConfig::new()
        .set("limits.maxFrameBytes", "1MiB")
        .start()
        .await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send_text(message_of(1024 * 1024));
    assert!(client.next().await.text.len() > 1024 * 1024);
    client.send_text(message_of(1024 * 1024 + 1));
    assert_eq!(client.closed().await, Some(1009));
}

#[tokio::test]
async fn the_limit_counts_over_all_fragments() {
    let node = node_with_frames_up_to_1000().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let exact = message_of(1000);
    let (start, rest) = exact.as_bytes().split_at(400);
    raw.wire(Wire::unfinished(TEXT, start)).await;
    raw.wire(Wire::new(CONTINUATION, rest)).await;
    raw.expect("MESSAGE").await;
    let larger = message_of(1001);
    let (start, rest) = larger.as_bytes().split_at(400);
    raw.wire(Wire::unfinished(TEXT, start)).await;
    raw.wire(Wire::new(CONTINUATION, rest)).await;
    assert_eq!(raw.closed().await, Some(1009));
}

#[tokio::test]
async fn a_frame_too_large_is_refused_by_its_header_before_it_is_all_there() {
    let node = Node::start().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    // Announces 2^40 bytes and sends none of them.
    let mut head = vec![0x80 | TEXT, 0x80 | 127];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([0; 4]);
    raw.bytes(&head).await;
    assert_eq!(raw.closed().await, Some(1009));
}

#[tokio::test]
async fn nothing_behind_a_frame_too_large_is_processed() {
    let node = node_with_frames_up_to_1000().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let mut bytes = Wire::new(TEXT, message_of(1001).as_bytes()).bytes();
    let next = r#"{"type":"MESSAGE","data":{"to":"ANZ-2","content":"too late"}}"#;
    bytes.extend(Wire::new(TEXT, next.as_bytes()).bytes());
    raw.bytes(&bytes).await;
    assert_eq!(raw.closed().await, Some(1009));
    let mut other = Client::login(&node, "ANZ-3").await;
    other.delivery_fence("ANZ-2", "fence").await;
    assert_eq!(receiver.next().await["data"]["content"], "fence");
}

#[tokio::test]
async fn a_binary_frame_closes_with_1003() {
    let node = Node::start().await;
    for payload in [&br#"{"type":"PING"}"#[..], b"", &[0; 70_000]] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(Wire::new(BINARY, payload)).await;
        let code = raw.closed().await;
        assert!(
            code == Some(1003) || (payload.len() > 65_536 && code == Some(1009)),
            "{code:?}"
        );
    }
}

#[tokio::test]
async fn a_binary_frame_before_the_login_closes_with_1003() {
    let node = Node::start().await;
    let mut raw = Raw::connect(&node).await;
    raw.wire(Wire::new(BINARY, b"x")).await;
    assert_eq!(raw.closed().await, Some(1003));
}

#[tokio::test]
async fn invalid_utf_8_closes_with_1007() {
    let node = Node::start().await;
    for bad in [
        &b"\xff"[..],
        b"{\"type\":\"PING\"}\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"abc\xc3",
    ] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(Wire::new(TEXT, bad)).await;
        assert_eq!(raw.closed().await, Some(1007), "{bad:x?}");
    }
}

#[tokio::test]
async fn utf_8_is_checked_over_the_whole_message() {
    let node = Node::start().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let text = r#"{"type":"MESSAGE","data":{"to":"ANZ-1","content":"😀"}}"#;
    let middle_of_the_character = text.find('😀').unwrap() + 2;
    let (start, rest) = text.as_bytes().split_at(middle_of_the_character);
    raw.wire(Wire::unfinished(TEXT, start)).await;
    raw.wire(Wire::new(CONTINUATION, rest)).await;
    assert_eq!(raw.expect("MESSAGE").await["data"]["content"], "😀");
    raw.wire(Wire::unfinished(TEXT, start)).await;
    raw.wire(Wire::new(CONTINUATION, b"\"}}")).await;
    assert_eq!(raw.closed().await, Some(1007));
}

#[tokio::test]
async fn a_message_in_many_fragments_is_one_message() {
    let node = Node::start().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let text = message_of(500);
    let mut bytes = Wire::unfinished(TEXT, b"").bytes();
    for byte in text.as_bytes() {
        bytes.extend(Wire::unfinished(CONTINUATION, std::slice::from_ref(byte)).bytes());
    }
    bytes.extend(Wire::new(CONTINUATION, b"").bytes());
    raw.bytes(&bytes).await;
    raw.expect("MESSAGE").await;
}

#[tokio::test]
async fn control_frames_may_come_between_fragments() {
    let node = Node::start().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    raw.wire(Wire::unfinished(TEXT, b"{\"type\"")).await;
    raw.wire(Wire::new(PING, b"between")).await;
    assert!(matches!(raw.receive().await, Received::Pong(echo) if echo == b"between"));
    raw.wire(Wire::new(CONTINUATION, b":\"PING\"}")).await;
    raw.expect("PONG").await;
}

#[tokio::test]
async fn a_frame_that_comes_byte_by_byte_is_a_frame() {
    let node = Node::start().await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    for byte in Wire::new(TEXT, ping().to_string().as_bytes()).bytes() {
        raw.bytes(&[byte]).await;
    }
    raw.expect("PONG").await;
}

#[tokio::test]
async fn what_breaks_the_websocket_protocol_ends_its_connection_and_no_other() {
    let node = Node::start().await;
    let mut bystander = Client::login(&node, "ANZ-2").await;
    let ping = ping().to_string();
    let ping = ping.as_bytes();
    let broken: [(&str, Vec<u8>); 9] = [
        (
            "an unmasked frame",
            Wire {
                masked: false,
                ..Wire::new(TEXT, ping)
            }
            .bytes(),
        ),
        (
            "a reserved bit",
            Wire {
                reserved: 4,
                ..Wire::new(TEXT, ping)
            }
            .bytes(),
        ),
        ("a reserved opcode", Wire::new(3, ping).bytes()),
        ("a reserved control opcode", Wire::new(11, b"").bytes()),
        ("a continuation of nothing", Wire::new(CONTINUATION, ping).bytes()),
        (
            "a message inside another",
            [
                Wire::unfinished(TEXT, b"{").bytes(),
                Wire::new(TEXT, ping).bytes(),
            ]
            .concat(),
        ),
        ("a fragmented ping", Wire::unfinished(PING, b"x").bytes()),
        ("a ping too long", Wire::new(PING, &[0; 126]).bytes()),
        ("plain HTTP", b"GET /ws HTTP/1.1\r\n\r\n".to_vec()),
    ];
    for (what, bytes) in broken {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.bytes(&bytes).await;
        let code = raw.closed().await;
        assert!(
            code.is_none_or(|code| code == 1002 || code == 1009),
            "{what}: {code:?}"
        );
        bystander.expect_quiet().await;
    }
}

#[tokio::test]
async fn a_close_frame_is_answered_and_the_connection_ends() {
    let node = Node::start().await;
    for payload in [&b""[..], &1000_u16.to_be_bytes(), b"\x03\xe9going away"] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(Wire::new(CLOSE, payload)).await;
        let received = raw.receive().await;
        assert!(matches!(received, Received::Close(_)), "{received:?}");
        assert!(matches!(raw.receive().await, Received::End));
    }
}

#[tokio::test]
async fn a_malformed_close_frame_is_answered_with_what_is_wrong_with_it() {
    let node = Node::start().await;
    for (payload, code) in [
        (&b"\x03"[..], 1002),
        (&1005_u16.to_be_bytes(), 1002),
        (&999_u16.to_be_bytes(), 1002),
        (b"\x03\xe8not \xff text", 1007),
    ] {
        let mut raw = Raw::login(&node, "ANZ-1").await;
        raw.wire(Wire::new(CLOSE, payload)).await;
        assert_eq!(raw.closed().await, Some(code), "{payload:?}");
    }
}

#[tokio::test]
async fn frames_pipelined_before_a_close_frame_are_processed() {
    let node = Node::start().await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let mut raw = Raw::login(&node, "ANZ-1").await;
    let mut bytes = Vec::new();
    for n in 0..50 {
        let frame = crate::harness::message("ANZ-2", n).to_string();
        bytes.extend(Wire::new(TEXT, frame.as_bytes()).bytes());
    }
    bytes.extend(Wire::new(CLOSE, &1000_u16.to_be_bytes()).bytes());
    raw.bytes(&bytes).await;
    for n in 0..50 {
        assert_eq!(receiver.next().await["data"]["content"], n);
    }
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_does_the_node_no_harm() {
    let node = Node::start().await;
    let mut bystander = Client::login(&node, "ANZ-2").await;
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"\r\n\r\n", b"GET", &[0xff; 9000]] {
        use tokio::io::AsyncWriteExt;
        let mut stream = tokio::net::TcpStream::connect(node.ws).await.unwrap();
        // The node may well end it in the middle.
        let _ = stream.write_all(garbage).await;
    }
    bystander.expect_quiet().await;
    Client::login(&node, "ANZ-3").await;
}
