//! Servers that the tester starts and stops itself, and the cores everything runs on.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::error::LoadError;
use crate::process::lives;

/// Longest a server may take until it is ready, and until it has stopped.
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A server started by the tester; stopped when dropped.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    /// Where it said that it takes WebSocket connections.
    pub(crate) url: String,
    /// The process that serves them, where it is another one.
    serving: Option<u32>,
}

impl ServerProcess {
    /// Starts `command` (by the shell, which it replaces), pinned to `core`, and waits until it says that it is ready.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not say so within a minute.
    pub(crate) fn start(command: &str, core: Option<usize>) -> Result<Self, LoadError> {
        let shell = format!("exec {command}");
        // Not to outlive the tester, even where that is killed.
        let mut start = Command::new("setpriv");
        start.args(["--pdeathsig", "TERM", "--"]);
        if let Some(core) = core {
            start.args(["taskset", "--cpu-list", &core.to_string()]);
        }
        start.args(["sh", "-c", &shell]);
        let mut child = start
            // It ends with the tester, however that ends: what keeps a server for others watches this.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| LoadError::Server(format!("cannot start `{command}`: {error}")))?;
        let lines = child.stdout.take().map(read_lines);
        // From here on the child is stopped whatever happens.
        let mut server = Self {
            child,
            url: String::new(),
            serving: None,
        };
        let ready = await_ready(lines, command)?;
        server.url = ready.url;
        server.serving = ready.pid;
        Ok(server)
    }

    /// The process that serves: what was started, unless that named another.
    pub(crate) fn pid(&self) -> u32 {
        self.serving.unwrap_or_else(|| self.child.id())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None)) && !self.serving.is_some_and(lives)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + STOPPED_WITHIN;
        while Instant::now() < deadline {
            if self.has_ended() {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        eprintln!(
            "the server did not stop within {} s and is killed",
            STOPPED_WITHIN.as_secs()
        );
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(pid) = self
            .serving
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Hands on the lines of a server's standard output, and goes on reading when nobody wants them any more, so that the
/// server is never stopped by a full pipe. The thread ends with the server.
fn read_lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

fn await_ready(lines: Option<Receiver<String>>, command: &str) -> Result<Ready, LoadError> {
    let deadline = Instant::now() + READY_WITHIN;
    let Some(lines) = lines else {
        return Err(LoadError::Server(format!("`{command}` has no output")));
    };
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(ready) = Ready::read(&line) {
                    return Ok(ready);
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let seconds = READY_WITHIN.as_secs();
                return Err(LoadError::Server(format!(
                    "`{command}` was not ready within {seconds} s"
                )));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(LoadError::Server(format!(
                    "`{command}` ended before it was ready"
                )));
            }
        }
    }
}

/// What a server says of itself when it is ready.
#[derive(Debug, PartialEq, Eq)]
struct Ready {
    url: String,
    pid: Option<u32>,
}

impl Ready {
    /// Reads a line like `linker ready ws=ws://127.0.0.1:8088/ws admin=http://127.0.0.1:8090`.
    fn read(line: &str) -> Option<Self> {
        let (_, after) = line.split_once(" ready ")?;
        let value = |key: &str| {
            after
                .split_ascii_whitespace()
                .find_map(|word| word.strip_prefix(key))
        };
        Some(Self {
            url: value("ws=")?.to_owned(),
            pid: value("pid=").and_then(|pid| pid.parse().ok()),
        })
    }
}

/// The cores this process may use.
///
/// # Errors
/// If the operating system does not say.
pub(crate) fn usable_cores() -> Result<Vec<usize>, LoadError> {
    let set = sched_getaffinity(None).map_err(LoadError::io("asking for the cores"))?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Keeps this thread, and all threads it starts, off `core`, where there is another.
///
/// # Errors
/// If `core` is not one this process may use.
pub(crate) fn keep_off(core: usize) -> Result<(), LoadError> {
    let cores = usable_cores()?;
    if !cores.contains(&core) {
        return Err(LoadError::Usage(format!(
            "--server-cpu {core}: this process may use the cores {cores:?}"
        )));
    }
    let mut set = CpuSet::new();
    for other in cores.into_iter().filter(|other| *other != core) {
        set.set(other);
    }
    if set.count() == 0 {
        return Ok(());
    }
    sched_setaffinity(None, &set).map_err(LoadError::io("pinning the tester"))
}

/// Idle-priority spinners, one a core; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Spinners(Vec<Child>);

impl Spinners {
    /// Starts one on each of `cores`.
    ///
    /// # Errors
    /// If `setsid`, `chrt` or `taskset` (util-linux) are missing.
    pub(crate) fn start(cores: &[usize]) -> Result<Self, LoadError> {
        let program = std::env::current_exe().map_err(LoadError::io("finding this program"))?;
        let mut spinners = Self(Vec::new());
        for core in cores {
            // In a session of their own: see [`spin`].
            let child = Command::new("setsid")
                .args(["chrt", "--idle", "0", "taskset", "--cpu-list", &core.to_string()])
                .arg(&program)
                .arg("--spin")
                // It ends when this pipe does, however the tester ends.
                .stdin(Stdio::piped())
                .spawn()
                .map_err(|error| LoadError::Server(format!("cannot start `setsid`: {error}")))?;
            spinners.0.push(child);
        }
        Ok(spinners)
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Keeps a core busy until standard input ends.
pub(crate) fn spin() {
    // Where the scheduler groups processes by session, a session with nothing but idle ones counts as much as any other: brokers and databases stood still for seconds.
    let _ = std::fs::write("/proc/self/autogroup", "19");
    let ended = thread::spawn(|| {
        let mut line = String::new();
        while std::io::stdin().read_line(&mut line).is_ok_and(|count| count > 0) {
            line.clear();
        }
    });
    let mut turns = 0_u64;
    while !turns.is_multiple_of(1_000_000) || !ended.is_finished() {
        // Not `spin_loop`: on a virtual machine its hint makes the host take the core away.
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_of_every_server_is_understood() {
        let ready = |url: &str, pid| {
            Some(Ready {
                url: url.to_owned(),
                pid,
            })
        };
        let line = "linker ready ws=ws://127.0.0.1:8088/ws admin=http://127.0.0.1:8090";
        assert_eq!(Ready::read(line), ready("ws://127.0.0.1:8088/ws", None));
        let line = "mosquitto ready ws=ws://127.0.0.1:1/mqtt pid=77";
        assert_eq!(Ready::read(line), ready("ws://127.0.0.1:1/mqtt", Some(77)));
        assert_eq!(Ready::read("INFO ws=ws://127.0.0.1:1/ws"), None);
    }

    #[test]
    fn a_started_server_is_known_by_its_line_and_process_and_ends_with_its_owner() {
        let server = ServerProcess::start(
            "sh -c 'echo x ready ws=ws://127.0.0.1:9/ws; exec sleep 600'",
            None,
        )
        .unwrap();
        assert_eq!(server.url, "ws://127.0.0.1:9/ws");
        let process = format!("/proc/{}", server.pid());
        assert!(std::fs::exists(&process).unwrap());
        drop(server);
        assert!(!std::fs::exists(&process).unwrap());
    }

    #[test]
    fn a_server_that_another_process_keeps_is_waited_for() {
        // The one that keeps it dies of the signal; the server ends when its input does, as does its keeper's.
        let keeper = "sh -c 'exec 3<&0; (read x <&3; sleep 0.2) >/dev/null & echo x ready ws=ws://127.0.0.1:9/ws pid=$!; wait'";
        let server = ServerProcess::start(keeper, None).unwrap();
        assert_ne!(server.pid(), server.child.id());
        let pid = server.pid();
        assert!(lives(pid));
        drop(server);
        assert!(!lives(pid));
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error() {
        assert!(matches!(
            ServerProcess::start("false", None),
            Err(LoadError::Server(_))
        ));
    }
}
