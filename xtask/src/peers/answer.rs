//! Whether a peer takes WebSocket connections.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::local::connect;

/// A server on this machine answers within this, or is not ready.
const TIMEOUT: Duration = Duration::from_secs(3);
const HEAD_LEN_MAX: usize = 16 * 1024;

/// Upgrades a connection, and leaves.
///
/// # Errors
/// Nobody is there, or it does not upgrade.
pub(super) fn upgrades(address: SocketAddr, path: &str, subprotocol: Option<&str>) -> Result<()> {
    upgrade(connect(address, TIMEOUT)?, address, path, subprotocol)
}

fn upgrade(
    mut stream: impl Read + Write,
    address: SocketAddr,
    path: &str,
    subprotocol: Option<&str>,
) -> Result<()> {
    let subprotocol = subprotocol
        .map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"))
        .unwrap_or_default();
    // The key is that of RFC 6455's own example.
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut piece)?;
        ensure!(count > 0 && head.len() < HEAD_LEN_MAX, "no answer to the upgrade");
        head.extend_from_slice(piece.get(..count).context("a read of more than there was room")?);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "it does not upgrade");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

    use super::*;
    use crate::local::local;

    /// Says its part whatever it hears.
    struct Says(Cursor<&'static [u8]>);

    impl Read for Says {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Says {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_who_upgrades_is_ready() {
        let answer = |said: &'static [u8]| upgrade(Says(Cursor::new(said)), local(1), "/ws", Some("mqtt"));
        assert!(answer(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").is_ok());
        assert!(answer(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
        assert!(answer(b"HTTP/1.1 101 Switching").is_err());
        assert!(answer(b"").is_err());
    }
}
