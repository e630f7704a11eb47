//! The servers that are compared.

use crate::steps::workspace_root;

/// A server that the load tester can start by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Linker,
    Echo,
    Mosquitto,
    Nats,
    SocketIo,
    Ejabberd,
}

impl Contender {
    /// All but Linker and the echo.
    pub(crate) const PEERS: [Self; 4] = [Self::Mosquitto, Self::Nats, Self::SocketIo, Self::Ejabberd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linker => "Linker",
            Self::Echo => "echo",
            Self::Mosquitto => "Mosquitto",
            Self::Nats => "NATS",
            Self::SocketIo => "Socket.IO",
            Self::Ejabberd => "ejabberd",
        }
    }

    /// What the load tester's `--target` calls it.
    pub(crate) const fn target(self) -> &'static str {
        match self {
            Self::Linker => "linker",
            Self::Echo => "echo",
            Self::Mosquitto => "mqtt",
            Self::Nats => "nats",
            Self::SocketIo => "socketio",
            Self::Ejabberd => "xmpp",
        }
    }

    /// What `cargo xtask peers` calls it.
    const fn peer(self) -> &'static str {
        match self {
            Self::Linker => "linker",
            Self::Echo => "echo",
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::SocketIo => "socketio",
            Self::Ejabberd => "ejabberd",
        }
    }

    /// Whether it knows messages that are acknowledged.
    pub(crate) const fn acknowledges(self) -> bool {
        !matches!(self, Self::Echo | Self::Nats)
    }

    /// The command by which the load tester starts it.
    pub(crate) fn command(self, programs: &Programs) -> String {
        match self {
            Self::Linker => programs.linker(&[]),
            Self::Echo => format!("{} --bind 127.0.0.1:0", programs.echo),
            peer => format!("{} peers {}", programs.xtask, peer.peer()),
        }
    }
}

/// The programs that are run, as one would type them in the workspace's root.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) load_tester: String,
    pub(crate) server: String,
    pub(crate) echo: String,
    pub(crate) store_limit: String,
    pub(crate) xtask: String,
}

impl Programs {
    /// A node of its own folder and ports; `variables` are settings by the environment.
    pub(crate) fn linker(&self, variables: &[(&str, &str)]) -> String {
        let settings: String = variables
            .iter()
            .map(|(name, value)| format!("{name}={value} "))
            .collect();
        let env = if settings.is_empty() { "" } else { "env " };
        format!(
            "{env}{settings}{} --bind 127.0.0.1:0 --admin-bind 127.0.0.1:0 --data-dir \"$(mktemp -d)\"",
            self.server
        )
    }
}

/// A path as it is typed in the workspace's root.
pub(crate) fn shown_path(path: &std::path::Path) -> String {
    path.strip_prefix(workspace_root())
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        let folder = |name: &str| format!("target/release/{name}");
        Programs {
            load_tester: folder("examples/load_tester"),
            server: folder("linker-server"),
            echo: folder("examples/echo_server"),
            store_limit: folder("examples/store_limit"),
            xtask: "target/debug/xtask".to_owned(),
        }
    }

    #[test]
    fn every_contender_is_started_by_a_command_that_can_be_typed() {
        let programs = programs();
        assert_eq!(
            Contender::Linker.command(&programs),
            "target/release/linker-server --bind 127.0.0.1:0 --admin-bind 127.0.0.1:0 --data-dir \"$(mktemp -d)\""
        );
        assert_eq!(
            Contender::Mosquitto.command(&programs),
            "target/debug/xtask peers mosquitto"
        );
        assert!(
            programs
                .linker(&[("LINKER__NODE__NAME", "a"), ("LINKER__BUS__URL", "amqp://h")])
                .starts_with("env LINKER__NODE__NAME=a LINKER__BUS__URL=amqp://h target/")
        );
    }

    #[test]
    fn paths_are_shown_from_the_root() {
        assert_eq!(shown_path(&workspace_root().join("target/x")), "target/x");
        assert_eq!(shown_path(std::path::Path::new("/opt/x")), "/opt/x");
    }
}
