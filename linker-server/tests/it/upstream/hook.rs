//! The application as an HTTP server of the test's own: answers as the test says, can die and come back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::{NodeConfig, WAIT, eventually};

pub(super) const SECRET: &str = "a secret that both sides have";

/// A request it was sent.
#[derive(Clone, Debug)]
pub(super) struct Post {
    head: String,
    pub(super) raw: Vec<u8>,
    pub(super) body: Value,
    /// What it was answered.
    pub(super) status: u16,
}

impl Post {
    pub(super) fn header(&self, name: &str) -> &str {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.head)).1
    }
}

type Said = (u16, Duration);
type Answer = Arc<Mutex<dyn FnMut(&Value) -> Said + Send>>;

/// The application.
pub(super) struct Hook {
    address: SocketAddr,
    answer: Answer,
    posts: Arc<Mutex<Vec<Post>>>,
    serving: Option<JoinSet<()>>,
}

impl Hook {
    /// Answers each body with this status, after this time.
    pub(super) async fn saying(answer: impl FnMut(&Value) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut hook = Self {
            address: listener.local_addr().expect("bound"),
            answer: Arc::new(Mutex::new(answer)),
            posts: Arc::default(),
            serving: None,
        };
        hook.serve(listener);
        hook
    }

    /// Answers with this status whatever has the content `"bad"`, and takes everything else.
    pub(super) async fn answering_bad_with(status: u16) -> Self {
        Self::saying(move |body| {
            let status = if body["content"] == "bad" { status } else { 200 };
            (status, Duration::ZERO)
        })
        .await
    }

    /// Takes everything at once.
    pub(super) async fn willing() -> Self {
        Self::saying(|_| (200, Duration::ZERO)).await
    }

    fn serve(&mut self, listener: TcpListener) {
        let (answer, posts) = (Arc::clone(&self.answer), Arc::clone(&self.posts));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // Ended with this task.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&answer), Arc::clone(&posts)));
            }
        });
        self.serving = Some(serving);
    }

    /// Nothing listens any more, and connections are cut.
    pub(super) async fn die(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.shutdown().await;
        }
    }

    /// At the same address.
    pub(super) async fn come_back(&mut self) {
        let address = self.address;
        let listener = eventually("the port is free", WAIT, async || {
            TcpListener::bind(address).await.ok()
        })
        .await;
        self.serve(listener);
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/linker?key=1", self.address)
    }

    /// Settings of a node whose application it is.
    pub(super) fn config(&self) -> NodeConfig {
        NodeConfig::new()
            .set("upstream.url", self.url())
            .set("upstream.secret", SECRET)
    }

    /// All requests so far.
    pub(super) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The requests, once it has taken so many.
    pub(super) async fn taken(&self, count: usize) -> Vec<Post> {
        eventually("it has taken enough", WAIT, async || {
            let taken: Vec<Post> = self
                .posts()
                .into_iter()
                .filter(|post| post.status == 200)
                .collect();
            (taken.len() >= count).then_some(taken)
        })
        .await
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, posts: Arc<Mutex<Vec<Post>>>) {
    let mut bytes = Vec::new();
    loop {
        let Some((head, raw, used)) = parse(&bytes) else {
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        bytes.drain(..used);
        let body: Value = serde_json::from_slice(&raw).expect("a JSON body");
        let (status, after) = (answer.lock().unwrap())(&body);
        posts.lock().unwrap().push(Post {
            head,
            raw,
            body,
            status,
        });
        tokio::time::sleep(after).await;
        let response = format!("HTTP/1.1 {status} Said\r\nContent-Length: 2\r\n\r\nok");
        if stream.write_all(response.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Head, body and length of a request that is there as a whole.
fn parse(bytes: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?.to_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse::<usize>().ok())?;
    let end = split + 4 + length;
    let body = bytes.get(split + 4..end)?.to_vec();
    Some((head, body, end))
}
