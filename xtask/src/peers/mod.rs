//! The servers that Linker is compared with, each as the load tester wants it: found or installed, configured for speed, on a free port.
//!
//! As with the services for the tests, what is started belongs to a keeper, which ends it when its standard input ends.

mod answer;
mod ejabberd;
pub(crate) mod keeping;
mod prepare;
mod programs;
mod socketio;

use std::io::Read;

use anyhow::{Context, Result, bail};

use crate::keeper::Keeper;

/// A server to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Mosquitto,
    Nats,
    SocketIo,
    Ejabberd,
    /// The repository's own bare echo.
    Echo,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] = [
        Self::Mosquitto,
        Self::Nats,
        Self::SocketIo,
        Self::Ejabberd,
        Self::Echo,
    ];

    /// As it is typed.
    pub(crate) const fn typed(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::SocketIo => "socketio",
            Self::Ejabberd => "ejabberd",
            Self::Echo => "echo",
        }
    }

    /// Where it takes WebSocket connections.
    const fn path(self) -> &'static str {
        match self {
            Self::Mosquitto => "/mqtt",
            Self::Nats => "/",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
            Self::Ejabberd | Self::Echo => "/ws",
        }
    }

    const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Mosquitto => Some("mqtt"),
            Self::Ejabberd => Some("xmpp"),
            Self::Nats | Self::SocketIo | Self::Echo => None,
        }
    }
}

/// The peers that are named, or all.
fn chosen(names: &[&str]) -> Result<Vec<Peer>> {
    if names.is_empty() {
        return Ok(Peer::ALL.to_vec());
    }
    let mut peers = Vec::new();
    for name in names {
        let Some(peer) = Peer::ALL.into_iter().find(|peer| peer.typed() == *name) else {
            let known = Peer::ALL.map(Peer::typed).join(", ");
            bail!("there is no peer {name}; there are {known}");
        };
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    Ok(peers)
}

/// Starts peers, says where each is, and keeps them until the standard input ends or this program is interrupted.
///
/// # Errors
/// A name means nothing, a peer cannot be installed or does not start; says which and why.
pub(crate) fn hold(names: &[&str]) -> Result<()> {
    let peers = chosen(names)?;
    for peer in &peers {
        prepare::prepare(*peer).with_context(|| peer.typed())?;
    }
    let wanted: Vec<String> = peers.iter().map(|peer| peer.typed().to_owned()).collect();
    let _keeper = Keeper::start(keeping::COMMAND, &wanted, |line| println!("{line}"))
        .context("the peers could not be started")?;
    let mut ignored = [0; 64];
    while matches!(std::io::stdin().read(&mut ignored), Ok(1..)) {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_chosen_by_name_once_each_and_all_without_names() {
        assert_eq!(chosen(&[]).unwrap(), Peer::ALL);
        assert_eq!(
            chosen(&["nats", "mosquitto", "nats"]).unwrap(),
            [Peer::Nats, Peer::Mosquitto]
        );
        let error = chosen(&["rabbit"]).unwrap_err().to_string();
        assert!(error.contains("rabbit") && error.contains("mosquitto"), "{error}");
    }
}
