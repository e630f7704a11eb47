//! Connections that are not what TLS expects.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::node;
use crate::harness::{Client, Node, NodeConfig, Pair, WAIT, eventually, request};

async fn count(node: &Node, outcome: &str) -> f64 {
    let metrics = node.metrics().await;
    metrics
        .sum("linker_tls_handshakes_total", &[("outcome", outcome)])
        .unwrap_or_default()
}

/// From 127.0.0.`host`.
async fn connect_from(host: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, host], 0))).unwrap();
    socket.connect(to).await.unwrap()
}

/// Reads to the end, whatever it is.
async fn ended(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(WAIT, stream.read_to_end(&mut said))
        .await
        .unwrap();
    said
}

#[tokio::test]
async fn plain_http_on_the_port_is_told_so_and_closed() {
    let (node, _) = node().await;
    for head in [
        "GET / HTTP/1.1",
        "GET /ws HTTP/1.1\r\nUpgrade: websocket",
        "POST /api/v1/login HTTP/1.1",
    ] {
        let answer = request(node.ws, head).await.unwrap();
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.contains("https://") && answer.body.contains("wss://"),
            "{}",
            answer.body
        );
    }
    Client::login(&node, "ANZ-1").await;
}

#[tokio::test]
async fn what_is_no_handshake_is_closed_and_nobody_else_notices() {
    let (node, _) = node().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    let record = |length: u16| {
        let mut bytes = vec![22, 3, 1];
        bytes.extend(length.to_be_bytes());
        bytes.extend(vec![0x55; usize::from(length)]);
        bytes
    };
    for bytes in [
        vec![0; 100],
        vec![0x16; 100],
        record(16_384),
        vec![0x80, 0x2e, 1, 0, 2],
        b"\r\n\r\n".to_vec(),
    ] {
        let mut stream = TcpStream::connect(node.ws).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        ended(&mut stream).await;
    }
    eventually("all have failed", WAIT, async || {
        (count(&node, "failed").await == 5.0).then_some(())
    })
    .await;
    user.expect_quiet().await;
}

#[tokio::test]
async fn a_client_that_offers_only_http2_is_refused_and_http11_is_agreed_on() {
    let (node, pair) = node().await;
    let connect = || TcpStream::connect(node.ws);
    let refused = pair.secure_offering(connect().await.unwrap(), &["h2"]).await;
    assert!(refused.is_err());
    let offered = ["h2", "http/1.1"];
    let agreed = pair
        .secure_offering(connect().await.unwrap(), &offered)
        .await
        .unwrap();
    assert_eq!(agreed.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_client_that_never_ends_its_handshake_is_cut() {
    let (node, _) = node().await;
    let mut silent = TcpStream::connect(node.ws).await.unwrap();
    let mut halting = TcpStream::connect(node.ws).await.unwrap();
    halting.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    ended(&mut silent).await;
    ended(&mut halting).await;
    assert_eq!(count(&node, "late").await, 2.0);
}

#[tokio::test]
async fn handshakes_under_way_count_to_their_address() {
    let node = NodeConfig::new()
        .with_tls(&Pair::new())
        .set("limits.maxConnectionsPerAddress", 3)
        .start()
        .await;
    let user = Client::login(&node, "ANZ-1").await;
    let silent = [connect_from(1, node.ws).await, connect_from(1, node.ws).await];
    let mut one_more = connect_from(1, node.ws).await;
    ended(&mut one_more).await;
    assert!(count(&node, "refused").await >= 1.0);
    // From elsewhere there is room.
    let elsewhere = connect_from(2, node.ws).await;
    node.tls().unwrap().secure(elsewhere).await.unwrap();
    drop(silent);
    drop(user);
    eventually("there is room again", WAIT, async || {
        let pair = node.tls()?;
        let mut again = Client::connect_trusting(&node, pair).await.ok()?;
        again.send(crate::harness::auth("ANZ-1"));
        Some(again.expect("AUTH_CLIENT_REPLY").await)
    })
    .await;
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_out() {
    let (node, _) = node().await;
    let mut silent = Vec::new();
    for n in 0..4500u32 {
        silent.push(connect_from((n % 200) as u8 + 10, node.ws).await);
    }
    let mut user = Client::login(&node, "ANZ-1").await;
    user.fence().await;
    for stream in &mut silent {
        ended(stream).await;
    }
    let (late, cut) = (count(&node, "late").await, count(&node, "cut").await);
    assert_eq!(late + cut, 4500.0, "{late}, {cut}");
    user.fence().await;
}
