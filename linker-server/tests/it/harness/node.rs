//! One `linker-server` process: start, kill, stop, start again, and what it said.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Metrics, NodeConfig, Pair, Response, WAIT, eventually, get};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_linker-server");

/// Lines of the node's log that a failing test shows.
const LOG_LINES_SHOWN: usize = 80;

/// A running (or killed) node and everything it needs to run again.
pub(crate) struct Node {
    /// Where WebSocket clients connect.
    pub(crate) ws: SocketAddr,
    /// Where health and metrics are.
    pub(crate) admin: SocketAddr,
    /// Settings for the next start.
    pub(crate) config: NodeConfig,
    child: Child,
    launches: u32,
    ground: Ground,
}

/// What a node runs on.
#[derive(Debug, Default)]
pub(crate) enum Ground {
    /// The machine as it is.
    #[default]
    Firm,
    /// A data folder on a memory file system of this size in MiB, in a mount namespace of its own.
    SmallDisk(u32),
    /// Files that [`Node::refuse_writes`] can forbid to write.
    FailingDisk,
    /// The machine as it is, with this file as standard error.
    Log(File),
}

impl Node {
    /// A node with the harness's base configuration.
    pub(crate) async fn start() -> Self {
        NodeConfig::new().start().await
    }

    pub(super) async fn launch(config: NodeConfig, ground: Ground) -> Self {
        let child = spawn_node(&config, 1, &ground);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut node = Self {
            ws: nowhere,
            admin: nowhere,
            config,
            child,
            launches: 1,
            ground,
        };
        node.await_ready().await;
        node
    }

    /// Starts the process anew on the same data folder; it must have ended before.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.exit_code().is_some(), "the node still runs");
        self.launches += 1;
        self.child = spawn_node(&self.config, self.launches, &self.ground);
        self.await_ready().await;
    }

    /// What its clients' port is expected to prove itself by.
    pub(crate) fn tls(&self) -> Option<&Pair> {
        self.config.tls.as_ref()
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().expect("SIGKILL can be sent to a child");
        self.child.wait().expect("a killed child can be reaped");
    }

    /// Sends a signal by name (`TERM`, `INT`) without waiting for anything.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(
            sent.expect("kill can be run").success(),
            "SIG{name} could not be sent"
        );
    }

    /// Waits until the process has ended by itself; its exit code, or -1 where a signal ended it.
    pub(crate) async fn ended(&mut self) -> i32 {
        eventually("the node ends", WAIT, async || self.exit_code()).await
    }

    /// SIGTERM, then the exit code.
    pub(crate) async fn terminate(&mut self) -> i32 {
        self.signal("TERM");
        self.ended().await
    }

    /// A clean stop and a new start: whatever was under way is decided afterwards.
    pub(crate) async fn restart(&mut self) {
        let code = self.terminate().await;
        assert_eq!(code, 0, "a clean stop exits with 0");
        self.start_again().await;
    }

    /// The exit code of a process that has ended; -1 where a signal ended it.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a child can be asked");
        status.map(|status| status.code().unwrap_or(-1))
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From now on every write of the process to a file fails, its log included: what a disk does that has turned
    /// read-only under open files.
    pub(crate) fn refuse_writes(&self) {
        self.limit_file_size("0:unlimited");
    }

    /// The end of [`Node::refuse_writes`].
    pub(crate) fn allow_writes(&self) {
        self.limit_file_size("unlimited:unlimited");
    }

    fn limit_file_size(&self, soft_and_hard: &str) {
        let limited = Command::new("prlimit")
            .arg(format!("--pid={}", self.pid()))
            .arg(format!("--fsize={soft_and_hard}"))
            .status();
        assert!(
            limited.expect("prlimit can be run").success(),
            "RLIMIT_FSIZE could not be set to {soft_and_hard}"
        );
    }

    /// Everything the node wrote to standard error, over all its starts.
    pub(crate) fn log(&self) -> String {
        (1..=self.launches)
            .map(|launch| read_lossy(&stderr_of(self.config.home(), launch)))
            .collect()
    }

    /// Everything the node wrote to standard output since its last start.
    pub(crate) fn stdout(&self) -> String {
        read_lossy(&stdout_of(self.config.home(), self.launches))
    }

    /// `GET` on the admin port.
    pub(crate) async fn admin_get(&self, path: &str) -> Response {
        get(self.admin, path).await.expect("the admin port answers")
    }

    /// The metrics as they are now.
    pub(crate) async fn metrics(&self) -> Metrics {
        let response = self.admin_get("/metrics").await;
        assert_eq!(response.status, 200, "/metrics: {}", response.body);
        Metrics::parse(&response.body)
    }

    /// The most memory the process has had resident so far, in KiB.
    pub(crate) fn peak_resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("/proc is there");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .expect("a process has VmHWM");
        let figure = line.split_whitespace().nth(1).expect("VmHWM has a figure");
        figure.parse().expect("VmHWM is a number")
    }

    /// The data folder as seen by the node, which may have it in a mount namespace of its own.
    pub(crate) fn data_dir_inside(&self) -> PathBuf {
        let data_dir = self.config.data_dir();
        let inside = data_dir.strip_prefix("/").expect("dataDir is absolute");
        PathBuf::from(format!("/proc/{}/root", self.pid())).join(inside)
    }

    async fn await_ready(&mut self) {
        let line = eventually("the ready line", Duration::from_secs(40), async || {
            if let Some(code) = self.exit_code() {
                panic!(
                    "the node ended with {code} instead of getting ready:\n{}",
                    self.log()
                );
            }
            let said = self.stdout();
            let (line, _) = said.split_once('\n')?;
            Some(line.to_owned())
        });
        let line = line.await;
        (self.ws, self.admin) =
            parse_ready(&line, self.config.schemes()).unwrap_or_else(|| panic!("not a ready line: {line}"));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only where the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!(
                "--- the node's log, last lines ---\n{}\n--- end ---",
                shown.join("\n")
            );
        }
    }
}

/// How a command that ends by itself ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; -1 where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Both outputs, for what may stand in either.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The line of either output that has all of these words.
    pub(crate) fn line_with(&self, words: &[&str]) -> String {
        let said = self.said();
        let found = said
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        found
            .unwrap_or_else(|| panic!("no line with {words:?} in:\n{said}"))
            .to_owned()
    }
}

/// Runs the binary with these arguments until it ends.
pub(crate) async fn run(args: &[&str]) -> Finished {
    run_with(args, |_| {}).await
}

/// As [`run`], with a say in folder and environment.
pub(crate) async fn run_with(args: &[&str], adjust: impl FnOnce(&mut Command)) -> Finished {
    let mut command = clean_command(Path::new(BINARY));
    command.args(args);
    let home = tempfile::tempdir().expect("a temporary folder");
    command.current_dir(home.path());
    adjust(&mut command);
    finish(command).await
}

/// As [`run`], where the folder is on a disk that cannot be written, not even by root.
pub(crate) async fn run_on_read_only_disk(folder: &Path, args: &[&str]) -> Finished {
    let mut command = on_disk(folder, "ro,size=1m");
    command.args(args);
    finish(command).await
}

async fn finish(mut command: Command) -> Finished {
    let home = tempfile::tempdir().expect("a temporary folder");
    let (out, err) = (home.path().join("out"), home.path().join("err"));
    command
        .stdout(File::create(&out).expect("writable"))
        .stderr(File::create(&err).expect("writable"));
    let mut child = Reaped(command.spawn().expect("the binary starts"));
    let what = format!("{command:?} ends by itself");
    let code = eventually(&what, WAIT, async || {
        child
            .0
            .try_wait()
            .expect("a child can be asked")
            .map(|status| status.code().unwrap_or(-1))
    });
    let code = code.await;
    Finished {
        code,
        stdout: read_lossy(&out),
        stderr: read_lossy(&err),
    }
}

/// Ends its process when the test gives up on it.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn_node(config: &NodeConfig, launch: u32, ground: &Ground) -> Child {
    let file = config.save();
    let mut command = match ground {
        Ground::Firm | Ground::Log(_) => clean_command(Path::new(BINARY)),
        Ground::SmallDisk(mib) => on_disk(&config.data_dir(), &format!("size={mib}m")),
        Ground::FailingDisk => without_file_size_signal(),
    };
    command
        .args(["serve", "--config"])
        .arg(file)
        .current_dir(config.home());
    let stderr = match ground {
        Ground::Log(file) => file.try_clone().expect("a file can be shared"),
        _ => File::create(stderr_of(config.home(), launch)).expect("the home is writable"),
    };
    command.stdout(File::create(stdout_of(config.home(), launch)).expect("the home is writable"));
    command.stderr(stderr);
    command.spawn().expect("the node's process starts")
}

/// The binary, to which a file that may not grow is an error of the write and not a signal.
fn without_file_size_signal() -> Command {
    let mut command = clean_command(Path::new("sh"));
    command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#, BINARY]);
    command
}

/// The binary in a mount namespace where this folder is a tmpfs of its own: the mount ends with the
/// process. Where neither root nor user namespaces are allowed, `unshare` says so in the log and the
/// test fails with it.
fn on_disk(folder: &Path, options: &str) -> Command {
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let script = format!(r#"mount -t tmpfs -o {options} tmpfs "$0" && exec "$@""#);
    let mut command = clean_command(Path::new("unshare"));
    command
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .arg(folder)
        .arg(BINARY);
    command
}

/// A command without anything in its environment that would configure the node.
pub(super) fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy().to_uppercase();
        if name.starts_with("LINKER__") || name == "RUST_LOG" {
            command.env_remove(key);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn stdout_of(home: &Path, launch: u32) -> PathBuf {
    home.join(format!("stdout-{launch}.log"))
}

fn stderr_of(home: &Path, launch: u32) -> PathBuf {
    home.join(format!("stderr-{launch}.log"))
}

pub(super) fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// `linker ready ws=ws://HOST:PORT/ws admin=http://HOST:PORT`, with these schemes.
fn parse_ready(line: &str, (ws, admin): (&str, &str)) -> Option<(SocketAddr, SocketAddr)> {
    let rest = line.strip_prefix(&format!("linker ready ws={ws}://"))?;
    let (ws, admin) = rest.split_once(&format!("/ws admin={admin}://"))?;
    Some((ws.parse().ok()?, admin.trim_end().parse().ok()?))
}
