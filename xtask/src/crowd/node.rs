//! A node of the domain: a process of the release build, which ends with its owner whatever becomes of that one.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::local::get;

const READY_WITHIN: Duration = Duration::from_secs(120);
/// Below what the kernel gives to outgoing connections, of which there are many.
const PORTS: std::ops::Range<u16> = 21_000..32_000;
/// As much of a log as helps to understand why a node ended.
const LOG_LINES: usize = 15;

/// Where the services of the domain are, by their urls.
#[derive(Clone, Debug)]
pub(super) struct Urls {
    pub(super) presence: String,
    pub(super) bus: String,
    pub(super) store: String,
}

/// What the nodes of a domain have in common.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) name: String,
    pub(super) urls: Urls,
    pub(super) heartbeat: Duration,
    pub(super) drain: Duration,
    pub(super) program: PathBuf,
}

/// Its process is gone when this is dropped.
pub(super) struct Node {
    program: PathBuf,
    folder: PathBuf,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    process: Option<Child>,
}

impl Node {
    /// A node that does not run yet, with its folder.
    pub(super) fn new(domain: &Domain, name: &str, folder: &Path, port: u16) -> Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let config = config(domain, name, &folder, address);
        std::fs::write(folder.join("linker.yml"), format!("{config:#}\n"))?;
        Ok(Self {
            program: domain.program.clone(),
            folder,
            address,
            admin: address,
            process: None,
        })
    }

    /// Starts its process; [`Node::await_ready`] follows.
    pub(super) fn launch(&mut self) -> Result<Starting> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))?;
        let mut command = Command::new("setpriv");
        // So that it does not outlive this program even if that is killed.
        command
            .args(["--pdeathsig", "KILL"])
            .arg(&self.program)
            .arg("serve")
            .arg("--config")
            .arg(self.folder.join("linker.yml"));
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start a node by setpriv (util-linux)")?;
        let output = process.stdout.take().context("a node without output")?;
        self.process = Some(process);
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Read on when nobody listens any more, so that the node is never stopped by a full pipe.
                let _ = sender.send(line);
            }
        });
        Ok(Starting {
            lines,
            deadline: Instant::now() + READY_WITHIN,
        })
    }

    /// Waits until the node serves and has all it needs.
    pub(super) fn await_ready(&mut self, starting: &Starting) -> Result<()> {
        let left = starting.deadline.saturating_duration_since(Instant::now());
        let line = match starting.lines.recv_timeout(left) {
            Ok(line) => line,
            Err(_) => {
                // It says no more, or too late: its end is awaited, so that its words are all there.
                self.kill();
                bail!("a node is not ready:\n{}", self.said());
            }
        };
        let admin = line.split_once("admin=http://").map(|(_, admin)| admin);
        self.admin = admin
            .and_then(|admin| admin.trim().parse().ok())
            .with_context(|| format!("not a ready line: {line}"))?;
        while !matches!(get(self.admin, "/health/ready"), Ok((200, _))) {
            if Instant::now() >= starting.deadline || !self.lives() {
                bail!("a node is not ready:\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Whether its process, if it was started, is there.
    pub(super) fn lives(&mut self) -> bool {
        match &mut self.process {
            Some(process) => matches!(process.try_wait(), Ok(None)),
            None => false,
        }
    }

    pub(super) fn metrics(&self) -> Result<String> {
        self.ask("/metrics")
    }

    /// What it answers on its admin port.
    pub(super) fn ask(&self, path: &str) -> Result<String> {
        let (status, text) = get(self.admin, path)?;
        if status != 200 {
            bail!("a node answers {status} when asked for {path}");
        }
        Ok(text)
    }

    /// kill -9.
    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Tells it to end; [`Node::lives`] says when it has.
    pub(super) fn terminate(&self) -> Result<()> {
        let process = self.process.as_ref().context("the node does not run")?;
        Ok(kill_process(Pid::from_child(process), Signal::TERM)?)
    }

    /// The end of its log.
    pub(super) fn said(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A node that has been launched.
pub(super) struct Starting {
    lines: Receiver<String>,
    deadline: Instant,
}

fn config(domain: &Domain, name: &str, folder: &Path, address: SocketAddr) -> Value {
    let seconds = |duration: Duration| format!("{}s", duration.as_secs());
    json!({
        "node": {"domain": domain.name, "name": name},
        "server": {
            "bind": address.to_string(),
            "adminBind": "127.0.0.1:0",
            "dataDir": folder.join("data"),
            // Many nodes share few cores here.
            "workers": 1,
            "drainTimeout": seconds(domain.drain),
        },
        "presence": {"url": domain.urls.presence},
        "bus": {"url": domain.urls.bus},
        "store": {"url": domain.urls.store},
        "clientApps": [{"appName": "ANZ", "appId": "app-id-343", "authEnabled": false}],
        "heartbeat": {
            "interval": seconds(domain.heartbeat),
            "timeout": seconds(domain.heartbeat * 5 / 2),
        },
        // Dozens of processes take turns on few cores: a proof that comes after 50 ms is not late here, and the two transactions for its message would
        // only make the next ones later.
        "reliable": {"commitWindow": "200ms"},
        // A login waits its turn when very many come at once.
        "limits": {"authTimeout": "60s"},
        "telemetry": {"level": "warn", "format": "text"},
    })
}

/// Ports that are free now.
pub(super) fn free_ports(count: u32) -> Result<Vec<u16>> {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let found: Vec<u16> = PORTS.filter(free).take(count as usize).collect();
    if found.len() < count as usize {
        bail!("there are not enough free ports in {PORTS:?}");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_different_ones() {
        let mut ports = free_ports(20).unwrap();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }

    #[test]
    fn a_node_that_ends_at_once_is_told_with_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let urls = Urls {
            presence: String::new(),
            bus: String::new(),
            store: String::new(),
        };
        let domain = Domain {
            name: "d".into(),
            urls,
            heartbeat: Duration::from_secs(1),
            drain: Duration::from_secs(1),
            program: "ls".into(),
        };
        let mut node = Node::new(&domain, "n", folder.path(), 1).unwrap();
        let starting = node.launch().unwrap();
        let error = node.await_ready(&starting).unwrap_err().to_string();
        assert!(
            error.contains("not ready") && error.contains("--config"),
            "{error}"
        );
        assert!(!node.lives());
    }
}
