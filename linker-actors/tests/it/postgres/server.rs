//! A PostgreSQL of a test's own.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub(crate) const SECRET: &str = "pr1vate-pw";

pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

/// Where Debian puts the server's programs; elsewhere they are in the path.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| name.into())
}

/// PostgreSQL refuses to run as root.
fn command(name: &str, folder: &Path) -> Command {
    let root = std::fs::metadata(folder).expect("a folder").uid() == 0 || is_root();
    let mut command = Command::new(if root { "setpriv".into() } else { program(name) });
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        command.arg(program(name));
    }
    command
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

impl Server {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, SECRET).expect("written");
        if is_root() {
            let owned = Command::new("chown")
                .args(["-R", "postgres"])
                .arg(folder.path())
                .status();
            assert!(owned.is_ok_and(|status| status.success()), "chown");
        }
        let made = command("initdb", folder.path())
            .args(["--no-sync", "-A", "scram-sha-256", "-U", "linker", "--pwfile"])
            .arg(&secret)
            .arg("-D")
            .arg(folder.path().join("data"))
            .status();
        assert!(made.is_ok_and(|status| status.success()), "initdb of PostgreSQL");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self {
            folder,
            port: port.expect("a port").port(),
            child: None,
        }
    }

    pub(crate) fn start(&mut self) {
        let child = command("postgres", self.folder.path())
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string()])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .spawn();
        self.child = Some(child.expect("PostgreSQL's server is installed"));
    }

    /// Without any farewell, as when the machine fails.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it has ended by itself, as it does while processes of the one before are still there.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some()))
    }

    pub(crate) fn url(&self, password: &str) -> String {
        format!("postgres://linker:{password}@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
