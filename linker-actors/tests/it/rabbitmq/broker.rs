//! A broker of the test's own, to be killed and starved.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where Debian and the generic packages have the scripts that run as whoever calls them.
const SCRIPTS: [&str; 2] = ["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"];
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// RabbitMQ on ports and in a folder of its own. Gone when dropped.
pub(crate) struct Broker {
    folder: TempDir,
    port: u16,
    dist_port: u16,
    process: Option<Child>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("enabled_plugins"), "[].\n").expect("a file");
        std::fs::write(folder.path().join("rabbitmq.conf"), "").expect("a file");
        let [port, dist_port] = free_ports();
        let mut broker = Self {
            folder,
            port,
            dist_port,
            process: None,
        };
        broker.start_again().await;
        broker
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2F", self.port)
    }

    /// Starts what was killed, and waits until it can be told something.
    pub(crate) async fn start_again(&mut self) {
        let log = self.folder.path().join("output");
        let output = std::fs::File::create(&log).expect("a file");
        let mut command = self.command("rabbitmq-server");
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the same file"))
            .stderr(output);
        self.process = Some(command.spawn().expect("RabbitMQ starts"));
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .is_err()
        {
            let ended = self.process.as_mut().map(|child| child.try_wait());
            let text = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(matches!(ended, Some(Ok(None))), "RabbitMQ ended: {}", text());
            assert!(
                began.elapsed() < START_TIMEOUT,
                "RabbitMQ does not start: {}",
                text()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// As by a power cut.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let group = rustix::process::Pid::from_child(&child);
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
        }
    }

    /// Runs `rabbitmqctl` with these arguments.
    pub(crate) async fn control(&self, arguments: &[&str]) {
        let mut command = self.command("rabbitmqctl");
        command.args(["-n", &self.node_name()]).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("it does not panic").expect("rabbitmqctl starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {text}");
    }

    /// Unique by its port.
    fn node_name(&self) -> String {
        format!("linker-test-{}@localhost", self.port)
    }

    fn command(&self, script: &str) -> Command {
        let found = SCRIPTS.iter().map(|folder| Path::new(folder).join(script));
        let found = found.into_iter().find(|path| path.exists());
        let mut command = Command::new(found.expect("RabbitMQ is installed (Debian: rabbitmq-server)"));
        let at = |name: &str| self.folder.path().join(name);
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("none.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_NODENAME", self.node_name())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .current_dir(self.folder.path());
        command
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Free a moment ago.
fn free_ports() -> [u16; 2] {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listeners = [bind(), bind()];
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}
