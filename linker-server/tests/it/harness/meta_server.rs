//! One `linker-server meta` process and the file that it serves.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::node::{BINARY, clean_command, read_lossy};
use super::{Response, WAIT, eventually, get, request};

/// A running (or killed) meta server.
pub(crate) struct MetaServer {
    /// Where it listens, also after it was started again.
    pub(crate) address: SocketAddr,
    child: Child,
    launches: u32,
    home: TempDir,
}

impl MetaServer {
    /// Serves this document on a free port.
    pub(crate) async fn start(document: impl ToString) -> Self {
        Self::start_with(document, &["--bind", "127.0.0.1:0"]).await
    }

    /// As [`MetaServer::start`], with these flags.
    pub(crate) async fn start_with(document: impl ToString, flags: &[&str]) -> Self {
        let home = tempfile::Builder::new()
            .prefix("linker-meta-")
            .tempdir()
            .expect("a temporary folder");
        std::fs::write(home.path().join("meta.yml"), document.to_string()).expect("the home is writable");
        let child = spawn(&home, 1, flags);
        let mut server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            launches: 1,
            home,
        };
        server.await_ready().await;
        server
    }

    /// Starts the process anew on the same file and port; it must have ended before.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.exit_code().is_some(), "the meta server still runs");
        self.launches += 1;
        self.child = spawn(&self.home, self.launches, &["--bind", &self.address.to_string()]);
        self.await_ready().await;
    }

    /// What nodes follow.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The served file.
    pub(crate) fn file(&self) -> PathBuf {
        self.home.path().join("meta.yml")
    }

    /// Replaces the file at one stroke, as careful editors do.
    pub(crate) fn replace(&self, document: impl ToString) {
        let new = self.home.path().join("meta.yml.new");
        std::fs::write(&new, document.to_string()).expect("the home is writable");
        std::fs::rename(new, self.file()).expect("the home is writable");
    }

    /// Replaces the file and waits until that is served.
    pub(crate) async fn serve(&self, document: impl ToString) {
        let before = self.etag().await;
        self.replace(document);
        eventually("the new version is served", WAIT, async || {
            (self.etag().await != before).then_some(())
        })
        .await;
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().expect("SIGKILL can be sent to a child");
        self.child.wait().expect("a killed child can be reaped");
    }

    /// Sends a signal by name and answers with the exit code.
    pub(crate) async fn end_by(&mut self, signal: &str) -> i32 {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(pid).status();
        assert!(
            sent.expect("kill can be run").success(),
            "SIG{signal} could not be sent"
        );
        eventually("the meta server ends", WAIT, async || self.exit_code()).await
    }

    /// `GET` of a path.
    pub(crate) async fn get(&self, path: &str) -> Response {
        get(self.address, path).await.expect("the meta server answers")
    }

    /// `GET /meta` with this `If-None-Match`.
    pub(crate) async fn get_unless(&self, known: &str) -> Response {
        let head = format!("GET /meta HTTP/1.1\r\nIf-None-Match: {known}");
        request(self.address, &head)
            .await
            .expect("the meta server answers")
    }

    /// The etag of what is served, as in the header.
    pub(crate) async fn etag(&self) -> String {
        self.get("/meta").await.header("etag").to_owned()
    }

    /// Everything it wrote to standard error, over all its starts.
    pub(crate) fn log(&self) -> String {
        let of = |launch| read_lossy(&self.home.path().join(format!("stderr-{launch}.log")));
        (1..=self.launches).map(of).collect()
    }

    /// Everything it wrote to standard output since its last start.
    pub(crate) fn stdout(&self) -> String {
        read_lossy(&self.home.path().join(format!("stdout-{}.log", self.launches)))
    }

    /// Waits for a line of the log that has all of these words.
    pub(crate) async fn logged(&self, words: &[&str]) -> String {
        let what = format!("a line with {words:?} in the meta server's log");
        eventually(&what, WAIT, async || {
            let log = self.log();
            let mut lines = log.lines();
            lines
                .find(|line| words.iter().all(|word| line.contains(word)))
                .map(str::to_owned)
        })
        .await
    }

    fn exit_code(&mut self) -> Option<i32> {
        let status = self.child.try_wait().expect("a child can be asked");
        status.map(|status| status.code().unwrap_or(-1))
    }

    async fn await_ready(&mut self) {
        let line = eventually("the meta server's ready line", WAIT, async || {
            if let Some(code) = self.exit_code() {
                panic!("the meta server ended with {code}:\n{}", self.log());
            }
            self.stdout().split_once('\n').map(|(line, _)| line.to_owned())
        })
        .await;
        let address = line.strip_prefix("linker meta ready http://");
        self.address = address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("not a ready line: {line}"));
    }
}

impl Drop for MetaServer {
    fn drop(&mut self) {
        // Both fail only where the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the meta server's log ---\n{}\n--- end ---", self.log());
        }
    }
}

fn spawn(home: &TempDir, launch: u32, flags: &[&str]) -> Child {
    let output = |name: &str| {
        let path = home.path().join(format!("{name}-{launch}.log"));
        Stdio::from(File::create(path).expect("the home is writable"))
    };
    clean_command(BINARY.as_ref())
        .args(["meta", "--config"])
        .arg(home.path().join("meta.yml"))
        .args(flags)
        .current_dir(home.path())
        .stdout(output("stdout"))
        .stderr(output("stderr"))
        .spawn()
        .expect("the meta server's process starts")
}
