//! What the services are as processes of this run.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::debian::is_root;
use crate::local::{free_port, local};
use crate::private::{Private, Program};
use crate::steps::output_of;

use super::{ERL_EPMD_PORT, Service, probe, programs};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Service {
        service: Service,
        /// Of RabbitMQ.
        mapper_port: Option<u16>,
        /// Whether what PostgreSQL commits is on the disk.
        durable: bool,
    },
    PortMapper,
}

impl Program for Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Service { service, .. } => service.name(),
            Self::PortMapper => "epmd",
        }
    }

    fn command(self, folder: &Path, port: u16) -> Result<Command> {
        match self {
            Self::Service {
                service,
                mapper_port,
                durable,
            } => match service {
                Service::Postgres => postgres(folder, port, durable),
                Service::Redis => redis(folder, port),
                Service::RabbitMq => rabbitmq(folder, port, mapper_port),
            },
            Self::PortMapper => {
                let mut command = Command::new(programs::find("epmd")?);
                command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
                Ok(command)
            }
        }
    }

    fn answers_at(self, port: u16) -> bool {
        match self {
            Self::Service { service, .. } => service.answers_at(port),
            Self::PortMapper => probe::listens(local(port)),
        }
    }

    /// PostgreSQL has processes in groups of their own, which it ends by itself when told to leave at once. The others have nothing to lose.
    fn farewell(self) -> Signal {
        match self {
            Self::Service {
                service: Service::Postgres,
                ..
            } => Signal::QUIT,
            _ => Signal::KILL,
        }
    }
}

/// Starts Erlang's port mapper and waits until it is there. Where a broker does not find any it would start one that outlives it.
pub(super) fn start_port_mapper(ended: &AtomicBool) -> Result<Private<Kind>> {
    let mut mapper = Private::start(Kind::PortMapper)?;
    mapper.await_answer(ended)?;
    Ok(mapper)
}

/// Starts a service, without waiting for more than its process.
///
/// # Errors
/// Its program is missing, or fails before it serves anybody.
pub(super) fn start(service: Service, mapper_port: Option<u16>, durable: bool) -> Result<Private<Kind>> {
    Private::start(Kind::Service {
        service,
        mapper_port,
        durable,
    })
}

impl Private<Kind> {
    /// The variable under which tests look for it, and its url.
    pub(super) fn variable(&self) -> Option<(String, String)> {
        match self.program() {
            Kind::Service { service, .. } => {
                Some((service.variable().to_owned(), service.local_url(self.port())))
            }
            Kind::PortMapper => None,
        }
    }
}

/// Everybody on this machine may log in as everybody and, unless it is durable, nothing survives a power cut: it is for tests.
fn postgres(folder: &Path, port: u16, durable: bool) -> Result<Command> {
    let root = is_root()?;
    if root {
        output_of(Command::new("chown").arg("postgres").arg(folder))
            .context("PostgreSQL does not run as root, and there is no user postgres")?;
    }
    let as_nobody_special = |program: &str| -> Result<Command> {
        let program = programs::find(program)?;
        if !root {
            return Ok(Command::new(program));
        }
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(program);
        Ok(command)
    };
    let data = folder.join("data");
    let mut initdb = as_nobody_special("initdb")?;
    initdb
        .args(["--no-sync", "--auth=trust", "--username=postgres"])
        .args(["--encoding=UTF8", "--locale=C", "--pgdata"])
        .arg(&data)
        .current_dir(folder);
    output_of(&mut initdb)?;
    let mut command = as_nobody_special("postgres")?;
    command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        if durable { "fsync=on" } else { "fsync=off" },
        // Tests run side by side, each with connections of its own.
        "max_connections=500",
    ] {
        command.args(["-c", setting]);
    }
    Ok(command)
}

fn redis(folder: &Path, port: u16) -> Result<Command> {
    let mut command = Command::new(programs::find("redis-server")?);
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder);
    Ok(command)
}

/// With nothing of what the machine's own broker, if there is one, has or reads.
fn rabbitmq(folder: &Path, port: u16, mapper_port: Option<u16>) -> Result<Command> {
    std::fs::write(folder.join("enabled_plugins"), "[].\n")?;
    std::fs::write(folder.join("rabbitmq.conf"), "")?;
    let mut command = Command::new(programs::find("rabbitmq-server")?);
    command
        .env("HOME", folder)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("none.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_NODENAME", format!("linker-services-{port}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", free_port()?.to_string());
    if let Some(mapper_port) = mapper_port {
        command.env(ERL_EPMD_PORT, mapper_port.to_string());
    }
    Ok(command)
}
