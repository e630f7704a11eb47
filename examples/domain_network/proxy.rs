//! One direction of a link: a TCP proxy before a neighbour's RabbitMQ, which can be cut, and which sees what passes.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::journal::{Journal, MARK_LEN, Mark};

/// Gone with its connections when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// Whose messages pass: from the first domain to the second.
type Direction = (usize, usize);

impl Proxy {
    /// A proxy to `target`, as `host:port`, on a port of its own.
    pub(crate) async fn new(target: String, direction: Direction, journal: Arc<Journal>) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let is_cut = watch::Sender::new(false);
        let seen = is_cut.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let journal = Arc::clone(&journal);
                tokio::spawn(carry(
                    client,
                    target.clone(),
                    seen.subscribe(),
                    direction,
                    journal,
                ));
            }
        });
        Ok(Self {
            address,
            is_cut,
            accepting,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks its connections, and lets nobody in until it is healed.
    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(crate) fn heal(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn carry(
    client: TcpStream,
    target: String,
    mut is_cut: watch::Receiver<bool>,
    direction: Direction,
    journal: Arc<Journal>,
) {
    if *is_cut.borrow() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // Times are shown, and a proxy should add little to them. Where it cannot be set they are a bit longer.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let watcher = Watcher {
        mark: journal.mark(),
        tail: Vec::new(),
    };
    let on_seen = |message| journal.passed(message, direction);
    tokio::select! {
        () = pump(from_client, to_server, Some((watcher, &on_seen))) => {}
        () = pump(from_server, to_client, None::<(Watcher, &fn(u32))>) => {}
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut seeing: Option<(Watcher, &impl Fn(u32))>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if let Some((watcher, on_seen)) = &mut seeing {
            watcher.read(&buffer[..len], *on_seen);
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}

/// Finds references of this run's messages in a stream of bytes.
struct Watcher {
    mark: Mark,
    /// The end of what was read, in which a reference may have begun.
    tail: Vec<u8>,
}

impl Watcher {
    fn read(&mut self, bytes: &[u8], on_seen: impl Fn(u32)) {
        self.tail.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&self.tail[from..], self.mark.prefix()) {
            let begin = from + at;
            let Some(reference) = self.tail.get(begin..begin + MARK_LEN) else {
                break;
            };
            if let Some(message) = self.mark.number_in(reference) {
                on_seen(message);
            }
            from = begin + self.mark.prefix().len();
        }
        let kept = self.tail.len().saturating_sub(MARK_LEN - 1).max(from);
        self.tail.drain(..kept);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_reference_is_seen_once_however_the_bytes_come() {
        let mark = Mark::new("0badcafe");
        let stream = [
            b"..way-",
            mark.reference(1).as_bytes(),
            b"--",
            mark.reference(0xff).as_bytes(),
        ]
        .concat();
        for len in 1..stream.len() {
            let mut watcher = Watcher {
                mark: mark.clone(),
                tail: Vec::new(),
            };
            let seen = RefCell::new(Vec::new());
            for piece in stream.chunks(len) {
                watcher.read(piece, |message| seen.borrow_mut().push(message));
            }
            assert_eq!(*seen.borrow(), [1, 0xff], "in pieces of {len}");
        }
    }
}
