//! A few lines of HTTP/1.1, enough to look at a node's pages, health and metrics.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Pair, Socket, WAIT};

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

impl Response {
    /// A header's value, empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

/// `GET`, without headers of interest.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<Response> {
    request(address, &format!("GET {path} HTTP/1.1")).await
}

/// A request without a body; `head` is the request line and, after `\r\n`, more headers.
pub(crate) async fn request(address: SocketAddr, head: &str) -> io::Result<Response> {
    request_with(address, head, "").await
}

/// As [`request`], with a body.
pub(crate) async fn request_with(address: SocketAddr, head: &str, body: &str) -> io::Result<Response> {
    let connecting = TcpStream::connect(address);
    exchange(address, connecting, head, body).await
}

/// As [`request_with`], by TLS, trusting this certificate alone.
pub(crate) async fn request_over(
    pair: &Pair,
    address: SocketAddr,
    head: &str,
    body: &str,
) -> io::Result<Response> {
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        pair.secure(stream).await
    };
    exchange(address, connecting, head, body).await
}

async fn exchange<S: Socket>(
    address: SocketAddr,
    connecting: impl Future<Output = io::Result<S>>,
    head: &str,
    body: &str,
) -> io::Result<Response> {
    let length = match body {
        "" => String::new(),
        body => format!("\r\nContent-Length: {}", body.len()),
    };
    let exchange = async {
        let mut stream = connecting.await?;
        let text = format!("{head}\r\nHost: {address}\r\nConnection: close{length}\r\n\r\n{body}");
        stream.write_all(text.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok(bytes)
    };
    let bytes: io::Result<Vec<u8>> = match tokio::time::timeout(WAIT, exchange).await {
        Ok(done) => done,
        Err(_) => panic!("no answer to {head} within {WAIT:?}"),
    };
    parse(&bytes?).ok_or_else(|| io::Error::other("not an HTTP answer"))
}

fn parse(bytes: &[u8]) -> Option<Response> {
    let split = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..split]).ok()?;
    let (status_line, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status_line.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = rest
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let mut response = Response {
        status,
        body: String::new(),
        headers,
    };
    let body = String::from_utf8_lossy(&bytes[split + 4..]).into_owned();
    response.body = if response.header("transfer-encoding") == "chunked" {
        unchunk(&body)?
    } else {
        body
    };
    Some(response)
}

fn unchunk(body: &str) -> Option<String> {
    let mut whole = String::new();
    let mut rest = body;
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(after.get(..size)?);
        rest = after.get(size + 2..)?;
    }
}

/// The samples of a Prometheus page.
pub(crate) struct Metrics {
    samples: Vec<(String, f64)>,
    page: String,
}

impl Metrics {
    pub(crate) fn parse(page: &str) -> Self {
        let samples = page
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(series, value)| Some((series.to_owned(), value.parse().ok()?)))
            .collect();
        Self {
            samples,
            page: page.to_owned(),
        }
    }

    /// The sum over the series of this name whose labels have all of these values, in any case;
    /// nothing where there is no such series.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\"").to_lowercase())
            .collect();
        let mut found = self.samples.iter().filter(|(series, _)| {
            let (of, with) = series.split_once('{').unwrap_or((series, ""));
            let with = with.to_lowercase();
            of == name && wanted.iter().all(|label| with.contains(label))
        });
        let first = found.next()?.1;
        Some(found.fold(first, |sum, (_, value)| sum + value))
    }

    /// As [`Metrics::sum`], where the series must be there.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.sum(name, labels)
            .unwrap_or_else(|| panic!("no {name} with {labels:?} in:\n{}", self.page))
    }
}
