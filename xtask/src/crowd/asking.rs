//! What Redis has done, and where services are.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::local::connect;

const TIMEOUT: Duration = Duration::from_secs(10);

/// How often Redis has carried out each command.
pub(super) fn redis_calls(address: SocketAddr) -> Result<BTreeMap<String, u64>> {
    let mut stream = connect(address, TIMEOUT)?;
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
