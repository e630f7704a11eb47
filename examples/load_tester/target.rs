//! The server under load: where it is, what it speaks, and whether this machine can carry what is asked for.

use std::net::{SocketAddr, ToSocketAddrs};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::{Common, TargetKind};
use crate::clients::ClientSettings;
use crate::error::LoadError;
use crate::process::find_listener;
use crate::wire::RunTag;

/// Files that the tester needs besides its connections.
const OTHER_FILES: u64 = 64;

/// A server under load.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) kind: TargetKind,
    pub(crate) address: SocketAddr,
    /// Further nodes, over which connections are spread.
    pub(crate) others: Vec<SocketAddr>,
    path: String,
    /// Its process, if it could be found.
    pub(crate) pid: Option<u32>,
}

impl Target {
    /// Understands `url`, and finds the process that serves it unless `pid` is given.
    ///
    /// # Errors
    /// If it is not a `ws://` url of this machine.
    pub(crate) fn new(kind: TargetKind, url: &str, pid: Option<u32>) -> Result<Self, LoadError> {
        let (address, path) = parse_url(url)?;
        Ok(Self {
            kind,
            address,
            others: Vec::new(),
            path,
            pid: pid.or_else(|| find_listener(address)),
        })
    }

    /// Spreads connections over these nodes too.
    ///
    /// # Errors
    /// As [`Target::new`].
    pub(crate) fn and_nodes(mut self, urls: &[String]) -> Result<Self, LoadError> {
        for url in urls {
            self.others.push(parse_url(url)?.0);
        }
        Ok(self)
    }

    /// What the clients of a run need to know.
    pub(crate) fn client_settings(&self, common: &Common, tag: RunTag) -> ClientSettings {
        ClientSettings {
            targets: [&[self.address], &self.others[..]].concat(),
            path: self.path.clone(),
            kind: self.kind,
            app_id: common.app_id.clone(),
            opening_max: (common.logins_at_once / common.threads).max(1),
            source_addresses: common.source_addresses,
            busy_poll: common.busy_poll,
            tag,
        }
    }
}

/// Address and path of a server on this machine.
pub(crate) fn parse_url(url: &str) -> Result<(SocketAddr, String), LoadError> {
    let usage = |what: &str| LoadError::Usage(format!("--url {url}: {what}"));
    let rest = url
        .strip_prefix("ws://")
        .ok_or_else(|| usage("it must begin with ws://"))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "ws"));
    let authority = if authority.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let address = authority
        .to_socket_addrs()
        .map_err(|error| usage(&error.to_string()))?
        .next()
        .ok_or_else(|| usage("it has no address"))?;
    if !address.ip().is_loopback() {
        return Err(usage(
            "this tester loads servers on its own machine only (127.0.0.0/8 or ::1)",
        ));
    }
    Ok((address, format!("/{path}")))
}

/// Makes room for `connections` open connections.
///
/// # Errors
/// If the operating system allows fewer.
pub(crate) fn allow_files(connections: u64) -> Result<(), LoadError> {
    let needed = connections + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(limit.current) {
        return Ok(());
    }
    if !enough(limit.maximum) {
        return Err(LoadError::TooFewFiles {
            connections,
            needed,
            allowed: limit.maximum.unwrap_or(0),
        });
    }
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(LoadError::io("raising the limit of open files"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_websocket_urls_of_this_machine_are_taken() {
        let target = Target::new(TargetKind::Linker, "ws://127.0.0.1:8088/a/b", Some(1)).unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (8088, "/a/b"));
        assert_eq!(
            Target::new(TargetKind::Linker, "ws://[::1]:9", Some(1))
                .unwrap()
                .path,
            "/ws"
        );
        for refused in [
            "http://127.0.0.1:8088/ws",
            "ws://192.0.2.1:8088/ws",
            "ws://127.0.0.1:x/ws",
            "ws://",
        ] {
            assert!(
                matches!(
                    Target::new(TargetKind::Linker, refused, Some(1)),
                    Err(LoadError::Usage(_))
                ),
                "{refused}"
            );
        }
    }

    #[test]
    fn too_many_connections_are_refused_before_the_first() {
        assert!(allow_files(1).is_ok());
        assert!(matches!(
            allow_files(u64::from(u32::MAX)),
            Err(LoadError::TooFewFiles { .. })
        ));
    }
}
