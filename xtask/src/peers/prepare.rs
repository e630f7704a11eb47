//! Sees to it that what a peer consists of is here.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::debian;
use crate::steps::{cargo, run, target_folder};

use super::{Peer, ejabberd, programs, socketio};

impl Peer {
    /// The programs it needs, and the Debian package that has each.
    const fn needs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Mosquitto => &[("mosquitto", "mosquitto")],
            Self::Nats => &[("nats-server", "nats-server")],
            Self::SocketIo => &[("node", "nodejs"), ("npm", "npm")],
            Self::Ejabberd => &[("erl", "ejabberd"), ("ejabberdctl", "ejabberd")],
            Self::Echo => &[],
        }
    }
}

/// Finds, installs or builds what `peer` consists of.
///
/// # Errors
/// Something cannot be had; says what to install by hand.
pub(super) fn prepare(peer: Peer) -> Result<()> {
    let mut packages: Vec<&str> = Vec::new();
    for (program, package) in peer.needs() {
        if programs::find(program).is_err() && !packages.contains(package) {
            packages.push(package);
        }
    }
    if !packages.is_empty() {
        let by_hand = format!("apt-get install {}", packages.join(" "));
        debian::install(&packages).with_context(|| format!("on Debian: {by_hand}"))?;
    }
    match peer {
        Peer::SocketIo => socketio::install(),
        Peer::Ejabberd => ejabberd::find().map(drop),
        Peer::Echo => build_echo(),
        Peer::Mosquitto | Peer::Nats => Ok(()),
    }
}

/// The echo example, where [`prepare`] builds it.
pub(super) fn echo_program() -> PathBuf {
    target_folder().join("release/examples/echo_server")
}

fn build_echo() -> Result<()> {
    run(cargo()
        .args(["build", "--quiet", "--release", "--package", "linker-actors"])
        .args(["--example", "echo_server"]))
}
