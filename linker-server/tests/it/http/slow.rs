//! Clients that take their time, on both ports, with TLS and without.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::harness::{
    Answer, Api, AuthServer, Client, Node, NodeConfig, Pair, Socket, WAIT, auth, message, request_over,
};

/// How a client lets the node wait.
#[derive(Clone, Copy, Debug)]
struct Slow {
    name: &'static str,
    /// Said at once.
    first: &'static str,
    /// Then said byte by byte, one a second, from the beginning again when it is over.
    then: &'static str,
    /// After how many seconds it must not be over yet, and has to be over.
    ends: (u64, u64),
    /// What the node says at last, where it has to say something.
    told: &'static str,
}

const HEAD: &str = "GET /asyncapi.json HTTP/1.1\r\nHost: a\r\n";
const WHOLE: &str = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
const AND_THE_NEXT: &str = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\nGET /no";
const LOGIN: &str = "POST /api/v1/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
const CHUNKED: &str = "POST /api/v1/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
const UNREAD: &str = "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

#[rustfmt::skip]
const ALL: [Slow; 10] = [
    Slow { name: "says nothing", first: "", then: "", ends: (9, 25), told: "408" },
    Slow { name: "half a head", first: HEAD, then: "", ends: (9, 25), told: "408" },
    Slow { name: "a head that trickles", first: HEAD, then: "a: b\r\n", ends: (9, 25), told: "408" },
    Slow { name: "a second head that trickles", first: WHOLE, then: "Get-", ends: (9, 25), told: "404" },
    Slow { name: "half a second head", first: AND_THE_NEXT, then: "", ends: (4, 25), told: "404" },
    Slow { name: "no body", first: LOGIN, then: "", ends: (9, 25), told: "408" },
    Slow { name: "a body that trickles", first: LOGIN, then: " ", ends: (28, 45), told: "408" },
    Slow { name: "no chunk", first: CHUNKED, then: "", ends: (9, 25), told: "408" },
    Slow { name: "chunks that trickle", first: CHUNKED, then: "1\r\n \r\n", ends: (28, 45), told: "408" },
    Slow { name: "a body that nobody reads", first: UNREAD, then: "1\r\n \r\n", ends: (0, 30), told: "404" },
];

async fn connect(address: SocketAddr, pair: Option<&Pair>) -> Box<dyn Socket> {
    let socket = TcpSocket::new_v4().unwrap();
    // For who does not read: little is under way.
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    match pair {
        None => Box::new(stream),
        Some(pair) => Box::new(pair.secure(stream).await.unwrap()),
    }
}

async fn is_ended(slow: Slow, address: SocketAddr, pair: Option<&Pair>) {
    let (mut reading, mut writing) = tokio::io::split(connect(address, pair).await);
    let since = Instant::now();
    writing.write_all(slow.first.as_bytes()).await.unwrap();
    let saying = async {
        for byte in slow.then.bytes().cycle() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            let _ = writing.flush().await;
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    let ended = async {
        // A reset is an end too.
        let _ = tokio::time::timeout(WAIT, reading.read_to_end(&mut said))
            .await
            .unwrap_or_else(|_| panic!("{} goes on", slow.name));
    };
    tokio::select! {
        () = saying => {}
        () = ended => {}
    }
    let (secs, (earliest, latest)) = (since.elapsed().as_secs(), slow.ends);
    assert!(
        (earliest..=latest).contains(&secs),
        "{} ended after {secs} s",
        slow.name
    );
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.starts_with(&format!("HTTP/1.1 {}", slow.told)),
        "{}: {said}",
        slow.name
    );
}

/// Asks without end and takes no answer.
async fn who_takes_no_answer_is_ended(address: SocketAddr, pair: Option<&Pair>) {
    let mut stream = connect(address, pair).await;
    let asking = async {
        while stream.write_all(HEAD.as_bytes()).await.is_ok() && stream.write_all(b"\r\n").await.is_ok() {}
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), asking).await;
    assert!(ended.is_ok(), "it is waited for");
}

async fn all_are_ended(node: &Node, pair: Option<&Pair>) {
    let ports = [node.ws, node.admin];
    let all = ports
        .iter()
        .flat_map(|port| ALL.map(|slow| is_ended(slow, *port, pair)));
    let unread = ports.map(|port| who_takes_no_answer_is_ended(port, pair));
    tokio::join!(join_all(all), join_all(unread));
}

#[tokio::test]
async fn a_request_that_trickles_in_ends_and_sessions_do_not_notice() {
    let late = AuthServer::saying(Answer::LateYes(Duration::from_secs(15))).await;
    let mut app = late.app();
    app["authTimeout"] = json!("40s");
    let node = NodeConfig::new().app(app).start().await;
    let mut stays = Client::login(&node, "ANZ-1").await;
    // The answer may take as long as it takes: it is not the client who is slow.
    let patient = async {
        let body = json!({"appId": "app-id-AUT", "userId": "AUT-1", "token": "t"});
        assert_eq!(Api::of(&node).post("/api/v1/login", &body).await.status, 200);
    };
    tokio::join!(
        all_are_ended(&node, None),
        a_large_body_may_take_its_time(&node),
        patient
    );
    stays.send(message("ANZ-1", "still here"));
    assert_eq!(stays.expect("MESSAGE").await["data"]["content"], "still here");
}

#[tokio::test]
async fn a_request_that_trickles_in_by_tls_ends_and_sessions_do_not_notice() {
    let pair = Pair::new();
    let node = NodeConfig::new()
        .with_tls(&pair)
        .set("server.adminTls", json!({"cert": "cert.pem", "key": "key.pem"}))
        .start()
        .await;
    let mut stays = Client::login_by(&node, auth("ANZ-1")).await;
    all_are_ended(&node, Some(&pair)).await;
    stays.send(message("ANZ-1", "still here"));
    assert_eq!(stays.expect("MESSAGE").await["data"]["content"], "still here");
    let health = request_over(&pair, node.admin, "GET /health/live HTTP/1.1", "").await;
    assert_eq!(health.unwrap().status, 200);
}

/// 8 MiB in pieces with pauses between them, in more time than a small body has.
async fn a_large_body_may_take_its_time(node: &Node) {
    const PIECE: usize = 1024 * 1024;
    let mut stream = connect(node.admin, None).await;
    let head = format!(
        "POST /api/v1/messages HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        node.admin,
        8 * PIECE
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stream.write_all(&vec![b' '; PIECE]).await.unwrap();
    }
    let mut answer = String::new();
    tokio::time::timeout(WAIT, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("INVALID_JSON"), "{answer}");
}
