//! Short questions to nodes (HTTP) and Redis.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Status and body of a `GET`.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not HTTP")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("not HTTP")?, body.to_owned()))
}

/// The metric of this name in Prometheus' text, over all labels that contain `label`.
pub(super) fn metric(text: &str, name: &str, label: &str) -> f64 {
    let value = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let whole = labels.is_empty() || labels.starts_with('{');
        (whole && labels.contains(label)).then(|| value.parse().ok())?
    };
    text.lines().filter_map(value).sum()
}

/// How often Redis has carried out each command.
pub(super) fn redis_calls(address: SocketAddr) -> Result<BTreeMap<String, u64>> {
    let mut stream = connect(address)?;
    stream.write_all(b"INFO commandstats\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 8192];
    loop {
        let count = stream.read(&mut part)?;
        answer.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n").unwrap_or_default();
        let length = head
            .strip_prefix('$')
            .and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| body.len() >= length) {
            return Ok(calls_in(body));
        }
        if count == 0 {
            bail!("Redis answers {head}");
        }
    }
}

fn calls_in(text: &str) -> BTreeMap<String, u64> {
    let calls = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let (count, _) = rest.split_once(',')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(calls).collect()
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// The address in a url like `redis://127.0.0.1:6379`, or with a path behind.
pub(super) fn address_in(url: &str) -> Result<SocketAddr> {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let host = authority.and_then(|authority| authority.rsplit('@').next());
    host.and_then(|host| host.parse().ok())
        .with_context(|| format!("no address in {url}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_the_labels_asked_for() {
        let text = "# TYPE linker_x counter\nlinker_x{outcome=\"stored\"} 3\nlinker_x{outcome=\"dropped\"} 4\n\
                    linker_x_more 100\nlinker_y 1.5\n";
        assert_eq!(metric(text, "linker_x", ""), 7.0);
        assert_eq!(metric(text, "linker_x", "stored"), 3.0);
        assert_eq!(metric(text, "linker_y", ""), 1.5);
        assert_eq!(metric(text, "linker_z", ""), 0.0);
    }

    #[test]
    fn calls_are_read_from_what_redis_says() {
        let text =
            "# Commandstats\r\ncmdstat_get:calls=21,usec=10,x=1\r\ncmdstat_client|id:calls=2,usec=1\r\n";
        let calls = calls_in(text);
        assert_eq!((calls["get"], calls["client|id"]), (21, 2));
    }

    #[test]
    fn the_address_is_found_in_every_service_url() {
        for url in [
            "redis://127.0.0.1:7",
            "amqp://guest:guest@127.0.0.1:7/%2F",
            "postgres://postgres@127.0.0.1:7",
        ] {
            assert_eq!(address_in(url).unwrap().port(), 7);
        }
        assert!(address_in("redis://somewhere").is_err());
    }
}
