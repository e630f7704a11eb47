//! An authentication service as an operator might run one, with as little HTTP/1.1 as that takes, so that it can also misbehave.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) head: String,
    pub(super) body: String,
}

#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// A whole answer, after which the connection lives on.
    Answer {
        status: u16,
        headers: String,
        body: String,
    },
    /// This and nothing more, the connection left open.
    Part(String),
    /// A chunked body without end.
    Endless,
}

impl Reply {
    pub(super) fn json(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: "content-type: application/json\r\n".to_owned(),
            body: body.to_owned(),
        }
    }
}

pub(super) struct AuthServer {
    port: u16,
    questions: Arc<Mutex<Vec<Question>>>,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl AuthServer {
    pub(super) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Question) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Reply> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (all, count) = (Arc::clone(&questions), Arc::clone(&connections));
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (answer, all) = (answer.clone(), Arc::clone(&all));
                tokio::spawn(async move {
                    // A client that hangs up ends its connection, which is no fault of the server's.
                    let _ = serve(socket, answer, &all).await;
                });
            }
        });
        Self {
            port,
            questions,
            connections,
            accepting,
        }
    }

    pub(super) async fn replying(reply: Reply) -> Self {
        Self::start(move |_| std::future::ready(reply.clone())).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/auth", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn questions(&self) -> Vec<Question> {
        self.questions.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for AuthServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve<F, A>(mut socket: TcpStream, answer: F, all: &Mutex<Vec<Question>>) -> std::io::Result<()>
where
    F: Fn(Question) -> A,
    A: Future<Output = Reply>,
{
    while let Some(question) = read_question(&mut socket).await? {
        all.lock().unwrap().push(question.clone());
        match answer(question).await {
            Reply::Answer {
                status,
                headers,
                body,
            } => {
                let length = body.len();
                let text =
                    format!("HTTP/1.1 {status} Said\r\n{headers}content-length: {length}\r\n\r\n{body}");
                socket.write_all(text.as_bytes()).await?;
            }
            Reply::Part(text) => {
                socket.write_all(text.as_bytes()).await?;
                // Until the client gives up.
                socket.read_u8().await?;
            }
            Reply::Endless => {
                socket
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                loop {
                    socket
                        .write_all(format!("400\r\n{:1024}\r\n", ' ').as_bytes())
                        .await?;
                }
            }
        }
    }
    Ok(())
}

/// `None` when the client has hung up between two questions.
async fn read_question(socket: &mut TcpStream) -> std::io::Result<Option<Question>> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let body = body.to_owned();
                return Ok(Some(Question { head, body }));
            }
        }
        if socket.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
    }
}
