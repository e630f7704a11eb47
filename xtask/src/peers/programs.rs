//! What the peers are as processes: their configuration is what is fast and fair, and keeps nothing on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::local::local;
use crate::private::Program;
use crate::programs;

use super::{Peer, answer, ejabberd, prepare, socketio};

/// Where Debian has servers; not on the path of everybody.
const SERVER_FOLDER: &str = "/usr/sbin";

impl Program for Peer {
    fn name(self) -> &'static str {
        self.typed()
    }

    fn command(self, folder: &Path, port: u16) -> Result<Command> {
        match self {
            Self::Mosquitto => mosquitto(folder, port),
            Self::Nats => nats(folder, port),
            Self::SocketIo => socketio::command(port),
            Self::Ejabberd => ejabberd::command(folder, port),
            Self::Echo => {
                let mut command = Command::new(prepare::echo_program());
                command.args(["--bind", &local(port).to_string()]);
                Ok(command)
            }
        }
    }

    fn answers_at(self, port: u16) -> bool {
        answer::upgrades(local(port), self.path(), self.subprotocol()).is_ok()
    }
}

/// A peer's program: on the path, or where Debian has servers.
///
/// # Errors
/// It is not here.
pub(super) fn find(program: &str) -> Result<PathBuf> {
    programs::find(program, &[Path::new(SERVER_FOLDER)])
        .with_context(|| format!("there is no {program} here"))
}

fn mosquitto(folder: &Path, port: u16) -> Result<Command> {
    let file = folder.join("mosquitto.conf");
    fs::write(&file, mosquitto_settings(folder, port))?;
    let mut command = Command::new(find("mosquitto")?);
    command.arg("-c").arg(file);
    Ok(command)
}

/// Without bounds on what a client may have under way or waiting, since the others have none either. The second listener is for
/// Mosquitto 2.0.11, which ends when it has none but WebSocket's.
fn mosquitto_settings(folder: &Path, port: u16) -> String {
    let socket = folder.join("socket");
    format!(
        "user root\n\
         per_listener_settings false\n\
         allow_anonymous true\n\
         persistence false\n\
         log_type none\n\
         connection_messages false\n\
         set_tcp_nodelay true\n\
         max_inflight_messages 0\n\
         max_queued_messages 0\n\
         max_queued_bytes 0\n\
         listener {port} 127.0.0.1\n\
         protocol websockets\n\
         listener 0 {}\n",
        socket.display()
    )
}

fn nats(folder: &Path, port: u16) -> Result<Command> {
    let file = folder.join("nats.conf");
    fs::write(&file, nats_settings(port))?;
    let mut command = Command::new(find("nats-server")?);
    command.arg("--config").arg(file);
    Ok(command)
}

/// Its own port is any that is free: everybody comes by WebSocket.
fn nats_settings(port: u16) -> String {
    format!(
        "listen: \"127.0.0.1:-1\"\n\
         max_connections: 1000000\n\
         websocket {{\n  host: \"127.0.0.1\"\n  port: {port}\n  no_tls: true\n  compression: false\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_name_the_port_and_this_machine_only() {
        let mosquitto = mosquitto_settings(Path::new("/f"), 4711);
        assert!(mosquitto.contains("\nlistener 4711 127.0.0.1\nprotocol websockets\n"));
        let nats = nats_settings(4711);
        assert!(
            nats.contains("\n  host: \"127.0.0.1\"\n  port: 4711\n  no_tls: true\n"),
            "{nats}"
        );
    }
}
