//! Who may open a WebSocket.

use crate::harness::{Client, Dial, Node, NodeSpec, Raw, Transport, WAIT, eventually, upgrade_status};

async fn status_of(node: &Node, head: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(node.ws).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("it answers");
    String::from_utf8(status.to_vec()).expect("ASCII")
}

pub(super) async fn a_request_that_is_no_handshake_is_400(transport: Transport) {
    let node = Node::start(transport).await;
    let upgrade = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let no_key = format!("GET /ws HTTP/1.1\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n");
    assert_eq!(status_of(&node, &no_key).await, "HTTP/1.1 400");
    let old = format!("GET /ws HTTP/1.1\r\n{upgrade}{key}Sec-WebSocket-Version: 8\r\n\r\n");
    assert_eq!(status_of(&node, &old).await, "HTTP/1.1 400");
    let elsewhere = format!("GET /sw HTTP/1.1\r\n{upgrade}{key}Sec-WebSocket-Version: 13\r\n\r\n");
    assert_eq!(status_of(&node, &elsewhere).await, "HTTP/1.1 404");
    Client::login(&node, "ANZ-1").await.expect_quiet().await;
}

pub(super) async fn too_many_connections_from_an_address_are_429(transport: Transport) {
    let node = NodeSpec::new(transport)
        .config(|config| config.max_connections_per_address = 2)
        .start()
        .await;
    let first = Raw::connect(&node).await;
    let _second = Client::login(&node, "ANZ-1").await;
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 429);
    let elsewhere = Dial {
        host: Some(2),
        ..Dial::default()
    };
    let _other = Raw::dial(node.ws, &elsewhere).await;
    drop(first);
    eventually("there is room again", WAIT, async || {
        (upgrade_status(node.ws, &Dial::default()).await == 101).then_some(())
    })
    .await;
}

pub(super) async fn too_many_connections_are_503(transport: Transport) {
    let node = NodeSpec::new(transport)
        .config(|config| config.max_connections = 1)
        .start()
        .await;
    let only = Client::login(&node, "ANZ-1").await;
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 503);
    only.close().await;
    eventually("there is room again", WAIT, async || {
        (upgrade_status(node.ws, &Dial::default()).await == 101).then_some(())
    })
    .await;
}

pub(super) async fn an_origin_that_is_not_allowed_is_403(transport: Transport) {
    let node = NodeSpec::new(transport)
        .config(|config| config.allowed_origins = vec!["https://good.example".into()])
        .start()
        .await;
    for (origin, status) in [
        (None, 101),
        (Some("https://good.example"), 101),
        (Some("https://evil.example"), 403),
        (Some("https://good.example.evil.example"), 403),
        (Some("null"), 403),
    ] {
        let dial = Dial {
            origin: origin.map(str::to_owned),
            ..Dial::default()
        };
        assert_eq!(upgrade_status(node.ws, &dial).await, status, "{origin:?}");
    }
}
