//! From a TCP connection to one that speaks TLS.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_rt::net::TcpStream;
use linker_actors::LinkerHandle;
use socket2::SockRef;
use tokio_rustls::server::TlsStream;

use super::handshakes::Handshakes;
use super::{Tls, plain};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that speaks TLS.
pub(crate) type TlsSocket = TlsStream<TcpStream>;

/// Makes the handshakes of a port.
#[derive(Clone)]
pub(crate) struct Accept {
    tls: Tls,
    handshakes: Handshakes,
    /// Whose limit of connections from one address holds; `None`: nobody's.
    counted_by: Option<LinkerHandle>,
}

impl Accept {
    pub(crate) fn new(tls: Tls, counted_by: Option<LinkerHandle>) -> Self {
        show_counters();
        Self {
            tls,
            handshakes: Handshakes::default(),
            counted_by,
        }
    }

    /// The connection once it is safe, and where it comes from; or it is closed, and the text says why.
    pub(crate) async fn accept(self, io: TcpStream) -> std::io::Result<(TlsSocket, Option<SocketAddr>)> {
        let peer = io.peer_addr().ok();
        let _arriving = match (&self.counted_by, peer) {
            (Some(linker), Some(peer)) => Some(linker.arriving(peer.ip()).ok_or_else(|| {
                count("refused");
                Error::other("too many connections from this address")
            })?),
            _ => None,
        };
        let mut handshake = self.handshakes.begin(Instant::now()).ok_or_else(|| {
            count("refused");
            Error::other("too many handshakes at once")
        })?;
        let accepting = async {
            if plain::is_plain(&io).await? {
                plain::refuse(io).await;
                return Err(Error::new(ErrorKind::InvalidData, "plain HTTP"));
            }
            self.tls.acceptor.accept(io).await
        };
        let accepted = tokio::select! {
            // Boxed, so that a session's memory does not begin with a handshake's.
            accepted = tokio::time::timeout(PATIENCE, Box::pin(accepting)) => accepted,
            () = handshake.is_cut() => {
                count("cut");
                return Err(Error::other("cut for others: it takes too long"));
            }
        };
        match accepted {
            Ok(Ok(socket)) => {
                count("done");
                // The client's last words want no answer, so the system would wait for one to acknowledge them by: 40 ms in which a client with Nagle's algorithm does
                // not ask for anything.
                let _ = SockRef::from(socket.get_ref().0).set_tcp_quickack(true);
                Ok((socket, peer))
            }
            Ok(Err(error)) => {
                count("failed");
                tracing::debug!(peer = ?peer, %error, "a TLS handshake failed");
                Err(error)
            }
            Err(_) => {
                count("late");
                Err(ErrorKind::TimedOut.into())
            }
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("linker_tls_handshakes_total", "outcome" => outcome).increment(1);
}

/// What has not happened yet is shown too.
fn show_counters() {
    metrics::describe_counter!(
        "linker_tls_handshakes_total",
        "TLS handshakes, by what became of them"
    );
    for outcome in ["done", "failed", "late", "cut", "refused"] {
        metrics::counter!("linker_tls_handshakes_total", "outcome" => outcome).increment(0);
    }
}
