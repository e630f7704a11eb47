//! Requests to a node's API, many on one connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::local;

/// A push to a million users is looked through before it is answered.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// A connection that is kept.
pub(super) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let stream = local::connect(address, ANSWER_TIME_MAX)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address,
            stream: BufReader::new(stream),
        })
    }

    /// The JSON of a 2xx answer.
    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Value> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status: u16 = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("not HTTP")?;
        let length = body_length(&mut self.stream)?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }
}

/// Reads the headers that follow a first line; answers how long the body is.
pub(super) fn body_length(stream: &mut impl BufRead) -> Result<usize> {
    let mut length = 0;
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
        line.clear();
    }
    Ok(length)
}

/// Posts the same message on so many connections at once, for so long; answers how many were taken a second.
pub(super) fn messages_per_second(
    address: SocketAddr,
    body: &(dyn Fn(u32) -> String + Sync),
    connections: u32,
    seconds: u64,
) -> Result<f64> {
    let (taken, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let posting = (0..connections).map(|number| {
            let (taken, over) = (&taken, &over);
            scope.spawn(move || -> Result<()> {
                let mut connection = Connection::open(address)?;
                let body = body(number);
                while !over.load(Ordering::Relaxed) {
                    connection.ask("POST", "/api/v1/messages", &body)?;
                    taken.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        });
        let posting: Vec<_> = posting.collect();
        std::thread::sleep(Duration::from_secs(seconds));
        over.store(true, Ordering::Relaxed);
        for thread in posting {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread that posts failed"))??;
        }
        Ok(taken.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers two requests on one connection.
    fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            for status in ["202 Accepted", "404 Not Found"] {
                let mut line = String::new();
                while stream.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                let mut body = [0; 2];
                stream.read_exact(&mut body).unwrap();
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 8\r\n\r\n{{\"a\": 1}}");
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_connection_is_used_again_and_a_refusal_is_an_error() {
        let mut connection = Connection::open(server()).unwrap();
        let answer = connection.ask("POST", "/x", "{}").unwrap();
        assert_eq!(answer["a"], 1);
        let error = connection.ask("GET", "/y", "{}").unwrap_err().to_string();
        assert!(error.contains("404") && error.contains("/y"), "{error}");
    }
}
