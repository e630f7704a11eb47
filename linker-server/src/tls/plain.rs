//! A client that speaks plain HTTP where TLS is spoken: it is told, in its own words.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The first byte of a TLS connection: a handshake record.
const HANDSHAKE: u8 = 22;
/// How much of its request is read, and how long for, so that the answer is not lost in a reset.
const REQUEST_MAX: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(1);

const TEXT: &str = "this port speaks TLS: use https:// and wss://\n";

/// Whether what the client says first is a request of plain HTTP. Waits for its first byte.
pub(super) async fn is_plain(io: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0];
    let count = io.peek(&mut first).await?;
    Ok(count == 1 && first[0] != HANDSHAKE && first[0].is_ascii_uppercase())
}

/// Answers, and closes.
pub(super) async fn refuse(mut io: TcpStream) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{TEXT}",
        TEXT.len()
    );
    let telling = async {
        io.write_all(answer.as_bytes()).await?;
        io.shutdown().await?;
        let mut scrap = [0; 1024];
        let mut read = 0;
        while read < REQUEST_MAX {
            match io.read(&mut scrap).await? {
                0 => break,
                count => read += count,
            }
        }
        std::io::Result::Ok(())
    };
    // Who does not listen has lost nothing.
    let _ = tokio::time::timeout(PATIENCE, telling).await;
}
