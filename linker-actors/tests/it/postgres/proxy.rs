//! Bytes to PostgreSQL and back, until one is told what to do at a certain statement.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What happens to the connection that carries the statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut {
    /// It ends before the server has the statement.
    Before,
    /// It ends when the server has answered, and the answer is lost.
    After,
    /// Nothing goes in any direction any more.
    Stall,
}

type Plan = Arc<Mutex<Option<(&'static str, Cut)>>>;

pub(super) struct Proxy {
    port: u16,
    plan: Plan,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let plan = Plan::default();
        let shared = Arc::clone(&plan);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("PostgreSQL");
                connections.spawn(forward(client, server, Arc::clone(&shared)));
            }
        });
        Self {
            port,
            plan,
            accepting,
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// At the next statement that contains `text`, once.
    pub(super) fn cut_at(&self, text: &'static str, cut: Cut) {
        *self.plan.lock().expect("no panic") = Some((text, cut));
    }

    /// Whether what was planned has happened.
    pub(super) fn has_cut(&self) -> bool {
        self.plan.lock().expect("no panic").is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn due(plan: &Plan, bytes: &[u8]) -> Option<Cut> {
    let mut plan = plan.lock().expect("no panic");
    let (text, cut) = (*plan)?;
    let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
    found.then(|| plan.take())?;
    Some(cut)
}

async fn forward(mut client: TcpStream, mut server: TcpStream, plan: Plan) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(1..) = read else { return };
                let bytes = &asked[..read.unwrap_or_default()];
                match due(&plan, bytes) {
                    Some(Cut::Before) => return,
                    Some(Cut::Stall) => return std::future::pending().await,
                    Some(Cut::After) => {
                        let sent = server.write_all(bytes).await;
                        assert!(sent.is_ok() && server.read(&mut answered).await.is_ok());
                        return;
                    }
                    None => {
                        if server.write_all(bytes).await.is_err() {
                            return;
                        }
                    }
                }
            }
            read = server.read(&mut answered) => {
                let Ok(1..) = read else { return };
                if client.write_all(&answered[..read.unwrap_or_default()]).await.is_err() {
                    return;
                }
            }
        }
    }
}
