//! The `authUrl` of a client app: answers as a test says and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the app's server says.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The seed's JSON with the ids it was asked about.
    Seed { authenticated: bool },
    /// The seed's yes, this much later.
    LateYes(Duration),
    /// Any status and body.
    Body(u16, String),
    /// Nothing, and the connection stays open.
    Silence,
}

/// A request it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Request line and headers.
    pub(crate) head: String,
    /// The JSON body.
    pub(crate) body: Value,
}

/// A running auth server.
pub(crate) struct AuthServer {
    /// Its `authUrl`.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: JoinHandle<()>,
}

impl AuthServer {
    /// Answers every request in the same way.
    pub(crate) async fn saying(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/auth", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), Arc::clone(&seen)));
            }
        });
        Self {
            url,
            asked,
            accepting,
        }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .expect("no test panics while holding it")
            .clone()
    }

    /// A client app `AUT` that authenticates here.
    pub(crate) fn app(&self) -> Value {
        json!({"appName": "AUT", "appId": "app-id-AUT", "authEnabled": true, "authUrl": self.url, "authTimeout": "1s"})
    }
}

impl Drop for AuthServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<Asked>>>) {
    let Some(asked) = read_request(&mut stream).await else {
        return;
    };
    seen.lock()
        .expect("no test panics while holding it")
        .push(asked.clone());
    let yes = |authenticated: bool| {
        let body = &asked.body;
        json!({"appId": body["appId"], "userId": body["userId"], "isAuthenticated": authenticated})
            .to_string()
    };
    let (status, body) = match answer {
        Answer::Seed { authenticated } => (200, yes(authenticated)),
        Answer::LateYes(delay) => {
            tokio::time::sleep(delay).await;
            (200, yes(true))
        }
        Answer::Body(status, body) => (status, body),
        Answer::Silence => return std::future::pending().await,
    };
    let response = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // A node that has given up waiting is one of the things under test.
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        if let Some(asked) = parse_request(&bytes) {
            return Some(asked);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse_request(bytes: &[u8]) -> Option<Asked> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?.to_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse::<usize>().ok())?;
    let body = bytes.get(split + 4..split + 4 + length)?;
    Some(Asked {
        head,
        body: serde_json::from_slice(body).ok()?,
    })
}
