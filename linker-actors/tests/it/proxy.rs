//! A TCP proxy between a node and a service, which does to their connections what networks do.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Every read is handed on so much later.
    Slow(Duration),
    /// Connections stay, and nothing passes.
    Stalled,
    /// Connections break, and new ones are closed at once.
    Cut,
}

/// Goes away with its connections when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    connections: watch::Receiver<u64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target`, as `host:port`, on a port of its own.
    pub(crate) async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let weather = watch::Sender::new(Weather::Fair);
        let target = target.to_owned();
        let seen = weather.subscribe();
        let (counter, connections) = watch::channel(0);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counter.send_modify(|count| *count += 1);
                tokio::spawn(carry(client, target.clone(), seen.clone()));
            }
        });
        Self {
            address,
            weather,
            connections,
            accepting,
        }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Once somebody has connected for the `nth` time.
    pub(crate) async fn reached(&self, nth: u64) {
        let mut connections = self.connections.clone();
        let reached = connections.wait_for(|count| *count >= nth).await;
        reached.expect("it accepts as long as it is there");
    }

    pub(crate) fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    pub(crate) fn stall(&self) {
        self.weather.send_replace(Weather::Stalled);
    }

    pub(crate) fn delay(&self, by: Duration) {
        self.weather.send_replace(Weather::Slow(by));
    }

    /// What was stalled passes now.
    pub(crate) fn heal(&self) {
        self.weather.send_replace(Weather::Fair);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// One connection, until either side closes it or it is cut.
async fn carry(client: TcpStream, target: String, mut weather: watch::Receiver<Weather>) {
    if *weather.borrow() == Weather::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    // What is small should not wait for more: delays are the proxy's to make.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let seen = weather.clone();
    tokio::select! {
        () = pump(from_client, to_server, seen.clone()) => {}
        () = pump(from_server, to_client, seen) => {}
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let now = weather.wait_for(|weather| *weather != Weather::Stalled).await;
        let now = now.map_or(Weather::Cut, |weather| *weather);
        if let Weather::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
