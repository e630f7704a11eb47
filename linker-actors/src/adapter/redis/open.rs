//! How the registry is to be used, and what its url says.

use std::time::Duration;

use deadpool_redis::redis::io::tcp::TcpSettings;
use deadpool_redis::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use linker_core::id::DomainName;
use linker_core::port::{NODE_TIMEOUT, PresenceError};

/// How to open a [`RedisPresence`](super::RedisPresence).
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// Whose nodes these are: several domains may share a Redis.
    pub domain: DomainName,
    /// How many sessions a user may have, at least one. The same on all nodes.
    pub sessions_per_user: usize,
    /// A node that did not beat for so long is dead. Default [`NODE_TIMEOUT`]; the same on all nodes.
    pub node_timeout: Duration,
    /// How long to wait for an answer before Redis counts as away. Default 2 s.
    pub call_timeout: Duration,
}

impl RedisOptions {
    /// The defaults, for a domain and its limit of sessions.
    pub fn new(domain: DomainName, sessions_per_user: usize) -> Self {
        Self {
            domain,
            sessions_per_user,
            node_timeout: NODE_TIMEOUT,
            call_timeout: Duration::from_secs(2),
        }
    }
}

/// A url that has been taken apart, and where it leads, to be told to people.
pub(super) struct Target {
    pub(super) info: ConnectionInfo,
    pub(super) address: String,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, PresenceError> {
        let known = url.starts_with("redis://") || url.starts_with("rediss://");
        let refused = || {
            let how = "write redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS; all but the host may be left out";
            PresenceError::Refused(format!(
                "the url of the presence registry is not one of a Redis; {how}"
            ))
        };
        if !known || url.contains(['?', '#']) {
            return Err(refused());
        }
        // What redis says of it could repeat a part of it.
        let info = url.into_connection_info().map_err(|_| refused())?;
        let (host, port) = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => (host, *port),
            _ => return Err(refused()),
        };
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let settings = info.redis_settings().clone();
        let settings = settings
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Self { info, address })
    }
}

#[cfg(test)]
mod tests {
    use linker_core::port::PresenceError;

    use super::Target;

    #[test]
    fn urls_lead_to_addresses() {
        for (url, address) in [
            ("redis://127.0.0.1", "127.0.0.1:6379"),
            ("redis://:secret@cache.example:7000/3", "cache.example:7000"),
            ("rediss://user:se%40cret@cache.example", "cache.example:6379"),
            ("redis://[::1]:6380/", "[::1]:6380"),
        ] {
            let target = Target::parse(url).expect("a url");
            assert_eq!(target.address, address);
        }
    }

    #[test]
    fn what_is_no_url_of_a_redis_is_refused_without_repeating_it() {
        for url in [
            "",
            "memory",
            "http://user:secret@host",
            "redis+unix:///secret",
            "redis://user:secret@",
            "redis://user:secret@host:99999",
            "redis://:secret@host/database",
            "rediss://:secret@host#insecure",
            "redis://:secret@host?protocol=resp2",
        ] {
            let Err(PresenceError::Refused(sentence)) = Target::parse(url).map(|target| target.address)
            else {
                panic!("{url} is taken");
            };
            assert!(!sentence.contains("secret"), "{sentence}");
        }
    }
}
