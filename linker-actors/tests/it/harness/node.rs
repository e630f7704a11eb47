//! A node that is built by the public builder and served on one transport.

use std::net::SocketAddr;

use linker_actors::{Linker, LinkerBuilder, LinkerHandle, NodeConfig};
use linker_core::app::{AuthMethod, ClientApp};
use linker_core::id::UserId;

use super::{Server, Transport};

/// The master of the app `ANZ`; `XYZ` has none, and `LONE` is isolated.
pub(crate) const MASTER: &str = "ANZ-1000";

/// The id of a user's app: that of `ANZ` is `app-anz`, and so on.
pub(crate) fn app_id_of(user: &str) -> String {
    let name = user.split('-').next().unwrap_or_default();
    format!("app-{}", name.to_lowercase())
}

/// A user id that is one.
pub(crate) fn user(text: &str) -> UserId {
    text.parse().expect("a user id")
}

/// The client apps of all nodes here.
pub(crate) fn apps() -> [ClientApp; 3] {
    [("ANZ", Some(MASTER)), ("XYZ", None), ("LONE", None)].map(|(name, master)| ClientApp {
        app_name: name.parse().expect("an app name"),
        app_id: app_id_of(name),
        master: master.map(user),
        isolated: name == "LONE",
        auth: AuthMethod::None,
    })
}

/// A node to be.
pub(crate) struct NodeSpec {
    transport: Transport,
    config: NodeConfig,
    builder: LinkerBuilder,
}

impl NodeSpec {
    /// With defaults, and the apps of [`apps`].
    pub(crate) fn new(transport: Transport) -> Self {
        let builder = apps()
            .into_iter()
            .fold(Linker::builder(), LinkerBuilder::client_app);
        Self {
            transport,
            config: NodeConfig::default(),
            builder,
        }
    }

    /// With other settings.
    pub(crate) fn config(mut self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// With other parts.
    pub(crate) fn build(mut self, change: impl FnOnce(LinkerBuilder) -> LinkerBuilder) -> Self {
        self.builder = change(self.builder);
        self
    }

    pub(crate) async fn start(self) -> Node {
        let builder = self.builder.config(self.config);
        let linker = builder.start().await.expect("the node starts");
        let server = Server::start(self.transport, &linker.handle());
        Node {
            ws: server.address,
            handle: linker.handle(),
            linker,
            server,
        }
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) ws: SocketAddr,
    pub(crate) handle: LinkerHandle,
    pub(crate) linker: Linker,
    pub(crate) server: Server,
}

/// What a node here has none of: a host's TLS is the host's.
#[derive(Clone)]
pub(crate) enum Pair {}

impl Pair {
    pub(crate) async fn secure(&self, _: tokio::net::TcpStream) -> std::io::Result<tokio::net::TcpStream> {
        match *self {}
    }
}

impl Node {
    pub(crate) fn tls(&self) -> Option<&Pair> {
        None
    }

    /// With defaults.
    pub(crate) async fn start(transport: Transport) -> Self {
        NodeSpec::new(transport).start().await
    }
}
