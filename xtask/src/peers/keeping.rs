//! The keeper of peers: starts them, says where each is when it answers, and ends them with its standard input.

use std::io::Write;

use anyhow::{Context, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::keeper::{READY, end_of_input, wait_for};
use crate::private::Private;

use super::{Peer, chosen};

/// The command of this program that is the keeper. Of no use by hand.
pub(crate) const COMMAND: &str = "keep-peers";

/// Keeps the peers that are named until the standard input ends.
///
/// # Errors
/// One cannot be started. Those started before are ended.
pub(crate) fn keep(names: &[&str]) -> Result<()> {
    let ended = end_of_input();
    allow_files()?;
    // All at once: ejabberd takes its time.
    let mut kept: Vec<Private<Peer>> = Vec::new();
    for peer in chosen(names)? {
        kept.push(Private::start(peer)?);
    }
    for private in &mut kept {
        private.await_answer(&ended)?;
        tell(&ready_line(private.program(), private.port(), private.pid()))?;
    }
    tell(READY)?;
    wait_for(&ended);
    Ok(())
}

/// Lets what is started have as many connections as this machine allows.
fn allow_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// What the load tester waits for.
fn ready_line(peer: Peer, port: u16, pid: u32) -> String {
    let (name, path) = (peer.typed(), peer.path());
    format!("{name} ready ws=ws://127.0.0.1:{port}{path} pid={pid}")
}

fn tell(line: &str) -> Result<()> {
    // Not by `println!`, which panics when the other end is gone.
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")
        .and_then(|()| output.flush())
        .context("nobody listens any more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_peer_says_where_it_is_and_which_process() {
        assert_eq!(
            ready_line(Peer::Mosquitto, 4711, 42),
            "mosquitto ready ws=ws://127.0.0.1:4711/mqtt pid=42"
        );
    }
}
