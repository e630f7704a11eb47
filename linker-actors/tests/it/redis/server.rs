//! A Redis to talk to: the one that is there, or a private one to be ill-treated.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use tempfile::TempDir;

/// No step of these tests takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);
pub(crate) fn shared_url() -> String {
    std::env::var("LINKER_TEST_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into())
}

pub(crate) async fn raw(url: &str) -> MultiplexedConnection {
    let client = Client::open(url).expect("a url");
    client
        .get_multiplexed_async_connection()
        .await
        .unwrap_or_else(|error| panic!("these tests need a Redis at {url}: {error}"))
}

/// Removes every key of a domain.
pub(crate) async fn clear(url: &str, domain: &str) {
    let mut connection = raw(url).await;
    let mut cursor = 0;
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("linker:{{{domain}:*"));
        let scanned = scan.arg("COUNT").arg(5000).query_async(&mut connection);
        let (next, keys): (u64, Vec<String>) = scanned.await.expect("scanned");
        for key in keys {
            let mut remove = cmd("DEL");
            let removed = remove.arg(key).query_async::<()>(&mut connection);
            removed.await.expect("removed");
        }
        cursor = next;
        if cursor == 0 {
            return;
        }
    }
}

/// A Redis of the test's own, which keeps nothing.
pub(crate) struct PrivateRedis {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl PrivateRedis {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let mut redis = Self {
            folder: TempDir::new().expect("a folder"),
            port: 0,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            process: None,
        };
        // Somebody may take the port in between.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            redis.port = free.local_addr().expect("its number").port();
            drop(free);
            if redis.try_run() {
                return redis;
            }
        }
        panic!("no private Redis starts");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it again, and waits until it listens.
    pub(crate) fn run(&mut self) {
        assert!(self.try_run(), "the private Redis does not start");
    }

    fn try_run(&mut self) -> bool {
        let process = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn();
        let process = self
            .process
            .insert(process.expect("these tests need the program redis-server"));
        let since = Instant::now();
        while since.elapsed() < PATIENCE && matches!(process.try_wait(), Ok(None)) {
            if std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return matches!(process.try_wait(), Ok(None));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// With SIGKILL: nothing of it is left.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("killed");
        process.wait().expect("gone");
    }

    /// It neither answers nor closes anything.
    #[cfg(target_os = "linux")]
    pub(crate) fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// It goes on.
    #[cfg(target_os = "linux")]
    pub(crate) fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    #[cfg(target_os = "linux")]
    fn signal(&self, signal: rustix::process::Signal) {
        let process = self.process.as_ref().expect("it runs");
        let id = i32::try_from(process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("a process"), signal).expect("signalled");
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.kill());
            drop(process.wait());
        }
    }
}
