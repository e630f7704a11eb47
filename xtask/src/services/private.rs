//! A service as a process of this run: on a port and in a folder of its own, nothing of which is left.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::debian::is_root;
use crate::steps::output_of;

use super::{ERL_EPMD_PORT, Service, local, probe, programs};

/// RabbitMQ takes half a minute on a machine that has nothing else to do.
const START_TIME_MAX: Duration = Duration::from_secs(180);
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// Somebody may take a port between the look for a free one and the start.
const ATTEMPTS: u32 = 3;
/// As much of what a process said as helps to understand why it ended.
const OUTPUT_LINES: usize = 30;

/// A process that is gone when this is dropped, with its folder.
pub(super) struct Private {
    kind: Kind,
    port: u16,
    process: Child,
    folder: TempDir,
    attempts_left: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Service {
        service: Service,
        /// Of RabbitMQ.
        mapper_port: Option<u16>,
        /// Whether what PostgreSQL commits is on the disk.
        durable: bool,
    },
    PortMapper,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Service { service, .. } => service.name(),
            Self::PortMapper => "epmd",
        }
    }

    /// The command that is the process, with what it needs in the folder.
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
pub(super) fn start_port_mapper(ended: &AtomicBool) -> Result<Private> {
    let mut mapper = Private::spawn(Kind::PortMapper)?;
    mapper.await_answer(ended)?;
    Ok(mapper)
}

impl Private {
    /// Starts it, without waiting for more than its process.
    ///
    /// # Errors
    /// Its program is missing, or fails before it serves anybody.
    pub(super) fn start(service: Service, mapper_port: Option<u16>, durable: bool) -> Result<Self> {
        let kind = Kind::Service {
            service,
            mapper_port,
            durable,
        };
        Self::spawn(kind).with_context(|| service.name())
    }

    fn spawn(kind: Kind) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("linker-{}-", kind.name()))
            .tempdir()?;
        let port = free_port()?;
        let process = run(kind, folder.path(), port)?;
        Ok(Self {
            kind,
            port,
            process,
            folder,
            attempts_left: ATTEMPTS - 1,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The variable under which tests look for it, and its url.
    pub(super) fn variable(&self) -> Option<(String, String)> {
        match self.kind {
            Kind::Service { service, .. } => {
                Some((service.variable().to_owned(), service.local_url(self.port)))
            }
            Kind::PortMapper => None,
        }
    }

    /// Waits until it does what it is for.
    ///
    /// # Errors
    /// It ends, takes too long, or is not wanted any more.
    pub(super) fn await_answer(&mut self, ended: &AtomicBool) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while !self.kind.answers_at(self.port) {
            if ended.load(Ordering::Acquire) {
                bail!("{}: not wanted any more", self.kind.name());
            }
            if let Some(status) = self.process.try_wait()? {
                let said = self.said();
                if self.attempts_left == 0 {
                    bail!("{} ended ({status}):\n{said}", self.kind.name());
                }
                let attempts_left = self.attempts_left - 1;
                *self = Self::spawn(self.kind)?;
                self.attempts_left = attempts_left;
            }
            if Instant::now() >= deadline {
                bail!("{} does not start:\n{}", self.kind.name(), self.said());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn said(&self) -> String {
        let output = std::fs::read(self.folder.path().join(OUTPUT)).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n")
    }

    fn has_ended_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        // It may have ended by itself.
        let _ = kill_process_group(group, self.kind.farewell());
        if !self.has_ended_within(STOP_TIME_MAX) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.process.wait();
        }
    }
}

const OUTPUT: &str = "output";

fn run(kind: Kind, folder: &Path, port: u16) -> Result<Child> {
    let mut command = kind.command(folder, port)?;
    let output = File::create(folder.join(OUTPUT))?;
    command
        // To be ended with all its children, and not by an interrupt from the terminal.
        .process_group(0)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    command
        .spawn()
        .with_context(|| format!("cannot start {}", kind.name()))
}

/// Free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_folder_are_gone_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let mut command = Command::new("sh");
        // With a child that would outlive it.
        command.args(["-c", "sleep 3600 & wait"]).process_group(0);
        let process = command.spawn().unwrap();
        let group = Pid::from_child(&process);
        drop(Private {
            kind: Kind::PortMapper,
            port: 1,
            process,
            folder,
            attempts_left: 0,
        });
        assert!(!path.exists());
        // The child's entry stays until whoever inherits orphans has looked.
        let deadline = Instant::now() + Duration::from_secs(20);
        while kill_process_group(group, Signal::CONT).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(kill_process_group(group, Signal::CONT).is_err());
    }

    #[test]
    fn what_ends_at_once_is_told_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(OUTPUT), "first\nno such option\n").unwrap();
        let mut failed = Private {
            kind: Kind::PortMapper,
            port: free_port().unwrap(),
            process: Command::new("false").spawn().unwrap(),
            folder,
            attempts_left: 0,
        };
        failed.process.wait().unwrap();
        let error = failed
            .await_answer(&AtomicBool::new(false))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("epmd ended") && error.contains("no such option"),
            "{error}"
        );
    }
}
