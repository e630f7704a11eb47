//! A server that lives through several loads, to see what they leave behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::local;
use crate::steps::workspace_root;

use super::load::SERVER_CORE;
use super::process::{Memory, memory_of};

const STOP_TIME_MAX: Duration = Duration::from_secs(40);

/// A Linker node; stopped when dropped, and when this program ends in whatever way.
pub(crate) struct Server {
    process: Child,
    /// Where clients connect.
    pub(crate) url: String,
    admin: String,
}

impl Server {
    /// Starts it by a command, as the load tester does, and waits until it is ready. `pinned`: to the core for servers.
    ///
    /// # Errors
    /// It cannot be started, or ends before it is ready.
    pub(crate) fn start(command: &str, temporary: &Path, pinned: bool) -> Result<Self> {
        let mut start = Command::new("setpriv");
        start.args(["--pdeathsig", "TERM", "--"]);
        if pinned {
            start.args(["taskset", "--cpu-list", SERVER_CORE]);
        }
        let mut process = start
            .args(["sh", "-c", &format!("exec {command}")])
            .env("TMPDIR", temporary)
            .current_dir(workspace_root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run setpriv (util-linux)")?;
        let output = process.stdout.take();
        let mut server = Self {
            process,
            url: String::new(),
            admin: String::new(),
        };
        for line in BufReader::new(output.context("the server has no output")?).lines() {
            let line = line?;
            if let Some((_, words)) = line.split_once(" ready ") {
                let word = |key: &str| words.split(' ').find_map(|word| word.strip_prefix(key));
                server.url = word("ws=").context("it does not say where it is")?.to_owned();
                server.admin = word("admin=http://").unwrap_or_default().to_owned();
                return Ok(server);
            }
        }
        bail!("`{command}` ended before it was ready")
    }

    /// Host and port of health, metrics and the API.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// # Errors
    /// It is not there any more.
    pub(crate) fn memory(&self) -> Result<Memory> {
        memory_of(self.pid()).context("the server has ended")
    }

    /// Waits until its memory is at most `bytes`, for `time_max`, and answers with what it is then and how long that took.
    ///
    /// # Errors
    /// It is not there any more.
    pub(crate) fn await_memory(&self, bytes: u64, time_max: Duration) -> Result<(Memory, Duration)> {
        let began = Instant::now();
        loop {
            let memory = self.memory()?;
            if memory.resident <= bytes || began.elapsed() >= time_max {
                return Ok((memory, began.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A counter or gauge, over all labels that contain `label`.
    ///
    /// # Errors
    /// The node does not answer.
    pub(crate) fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let address = self
            .admin
            .parse()
            .context("the node has no address for operators")?;
        let (_, text) = local::get(address, "/metrics")?;
        Ok(local::metric(&text, name, label))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let deadline = Instant::now() + STOP_TIME_MAX;
        while Instant::now() < deadline {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_line_and_ends_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let command = "sh -c 'echo x ready ws=ws://127.0.0.1:9/ws admin=http://127.0.0.1:8; exec sleep 600'";
        let server = Server::start(command, folder.path(), true).unwrap();
        assert_eq!(
            (server.url.as_str(), server.admin.as_str()),
            ("ws://127.0.0.1:9/ws", "127.0.0.1:8")
        );
        let pid = server.pid();
        let (memory, _) = server.await_memory(0, Duration::ZERO).unwrap();
        assert!(memory.resident > 0);
        drop(server);
        assert_eq!(memory_of(pid), None);
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Server::start("true", folder.path(), false)
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("before it was ready")));
    }
}
