//! A node's configuration: a working base with overrides, in a temporary home of its own.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Pair;
use super::node::{Ground, Node};

/// The master of the app `ANZ`.
pub(crate) const MASTER: &str = "ANZ-123223";

/// The master of the app `XYZ`.
pub(crate) const OTHER_MASTER: &str = "XYZ-1";

/// The `appId` that the harness gives to the app of this user.
pub(crate) fn app_id_of(user: &str) -> String {
    match user.split_once('-') {
        Some(("ANZ", _)) => "app-id-343".to_owned(),
        Some((app, _)) => format!("app-id-{app}"),
        None => user.to_owned(),
    }
}

/// A configuration file in the making, with the folder it lives in.
pub(crate) struct NodeConfig {
    tree: Value,
    home: TempDir,
    /// What the clients' port proves itself by.
    pub(crate) tls: Option<Pair>,
}

impl NodeConfig {
    /// Two apps without authentication, `ANZ` and `XYZ`, free ports and a data folder of its own.
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("linker-it-")
            .tempdir()
            .expect("a temporary folder");
        let tree = json!({
            "server": {
                "bind": "127.0.0.1:0",
                "adminBind": "127.0.0.1:0",
                "dataDir": home.path().join("data"),
                "workers": 2,
                "drainTimeout": "5s",
            },
            "clientApps": [
                {"appName": "ANZ", "appId": "app-id-343", "masterUserId": MASTER, "authEnabled": false},
                {"appName": "XYZ", "appId": "app-id-XYZ", "masterUserId": OTHER_MASTER, "authEnabled": false},
            ],
        });
        Self {
            tree,
            home,
            tls: None,
        }
    }

    /// Sets the value at a dotted path, making the levels above it.
    pub(crate) fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        self.put(path, value.into());
        self
    }

    /// As [`NodeConfig::set`], in place: for a node that is restarted with another setting.
    pub(crate) fn put(&mut self, path: &str, value: Value) {
        let mut at = &mut self.tree;
        for key in path.split('.') {
            if at.is_null() {
                *at = json!({});
            }
            at = &mut at[key];
        }
        *at = value;
    }

    /// TLS on the clients' port, by a pair of files in the node's home.
    pub(crate) fn with_tls(mut self, pair: &Pair) -> Self {
        self.write_pair(pair);
        self.tls = Some(pair.clone());
        self.set("server.tls.cert", "cert.pem")
            .set("server.tls.key", "key.pem")
    }

    /// What is spoken on the clients' port and on the admin port.
    pub(super) fn schemes(&self) -> (&'static str, &'static str) {
        let ws = if self.tls.is_some() { "wss" } else { "ws" };
        let admin = if self.tree["server"]["adminTls"].is_null() {
            "http"
        } else {
            "https"
        };
        (ws, admin)
    }

    /// Writes the pair of [`NodeConfig::with_tls`] anew.
    pub(crate) fn write_pair(&self, pair: &Pair) {
        self.write("cert.pem", &pair.cert);
        self.write("key.pem", &pair.key);
    }

    /// Takes a top-level section away.
    pub(crate) fn without(mut self, section: &str) -> Self {
        self.tree
            .as_object_mut()
            .expect("the file is a mapping")
            .remove(section);
        self
    }

    /// Adds a client app.
    pub(crate) fn app(mut self, app: Value) -> Self {
        self.tree["clientApps"]
            .as_array_mut()
            .expect("clientApps is a list")
            .push(app);
        self
    }

    /// Writes a file into the node's home, to be named by the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("the home is writable");
        path
    }

    /// The node's temporary folder.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The node's data folder.
    pub(crate) fn data_dir(&self) -> PathBuf {
        let path = self.tree["server"]["dataDir"].as_str().expect("dataDir is set");
        PathBuf::from(path)
    }

    /// Writes the file (JSON, which is YAML) and says where it is.
    pub(crate) fn save(&self) -> PathBuf {
        let text = serde_json::to_string_pretty(&self.tree).expect("a JSON value can be written");
        self.write("linker.yml", &text)
    }

    /// Starts a node and waits until it is ready.
    pub(crate) async fn start(self) -> Node {
        Node::launch(self, Ground::Firm).await
    }

    /// Starts a node whose data folder is a memory file system of this size in MiB, in a mount
    /// namespace of the node's own.
    pub(crate) async fn start_on_small_disk(self, size_mib: u32) -> Node {
        Node::launch(self, Ground::SmallDisk(size_mib)).await
    }

    /// Starts a node whose disk can be made to refuse every write: [`Node::refuse_writes`].
    pub(crate) async fn start_on_failing_disk(self) -> Node {
        Node::launch(self, Ground::FailingDisk).await
    }

    /// Starts a node that logs to this file.
    pub(crate) async fn start_with_log(self, log: File) -> Node {
        Node::launch(self, Ground::Log(log)).await
    }
}
