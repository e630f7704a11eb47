//! The graph's actor: makes the directory that sessions and routers look things up in. They hold its snapshot, so the hot path sends it nothing.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message};
use linker_core::app::ClientApps;
use linker_core::code::CloseCode;
use linker_core::directory::Directory;
use linker_core::id::UserId;

use crate::authenticators::{Authenticators, PreparedAuthenticators};
use crate::error::SetDirectoryError;
use crate::node::Node;
use crate::runtime::guard;

/// The host or the meta server: apps, users or domains have changed. On `Full` it is refused to the caller.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Publish {
    directory: Arc<Directory>,
    authenticators: PreparedAuthenticators,
}

/// Publishes directories.
pub(crate) struct GraphActor {
    node: Arc<Node>,
}

impl GraphActor {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

impl Actor for GraphActor {
    type Context = Context<Self>;
}

impl Handler<Publish> for GraphActor {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) {
        guard::catch("graph", || self.put_in_force(publish));
    }
}

impl GraphActor {
    fn put_in_force(&self, publish: Publish) {
        let Publish {
            directory,
            authenticators,
        } = publish;
        // An app is known only when its logins can be checked.
        self.node.authenticators.put_in_force(authenticators);
        let former = self.node.set_directory(Arc::clone(&directory));
        self.node.links.directory_changed();
        self.node.admission.let_in();
        let closed = self.close_sessions(&former, &directory);
        tracing::info!(
            domain.name = %directory.own_domain(),
            domains = directory.topology().domains().len(),
            apps = directory.apps().iter().len(),
            sessions.closed = closed,
            "a new directory is in force"
        );
    }

    /// Those who could not log in here any more come again, and are told where to go. Who logs in at this moment is looked at by the session itself, after it
    /// is in the table.
    fn close_sessions(&self, former: &Directory, directory: &Directory) -> usize {
        let must_go = |user: &UserId| {
            let app = former.app_of(user.app());
            !app.is_some_and(|app| directory.admits(user, app))
        };
        let sessions = self.node.sessions.of_users(must_go);
        for session in &sessions {
            crate::presence::close(session, CloseCode::GoingAway);
        }
        sessions.len()
    }
}

/// Makes what checks the logins of these apps.
pub(crate) async fn prepare(
    authenticators: &Arc<Authenticators>,
    apps: &ClientApps,
) -> Result<PreparedAuthenticators, SetDirectoryError> {
    let (authenticators, apps) = (Arc::clone(authenticators), apps.clone());
    // Reading a key file blocks.
    let prepared = tokio::task::spawn_blocking(move || authenticators.prepare(&apps)).await;
    prepared
        .map_err(|_| SetDirectoryError::Stopping)?
        .map_err(SetDirectoryError::Authenticator)
}

/// Puts a directory in force; answers when it is.
pub(crate) async fn put_in_force(
    node: &Node,
    directory: Directory,
    authenticators: PreparedAuthenticators,
) -> Result<(), SetDirectoryError> {
    let graph = node.graph.get().ok_or(SetDirectoryError::Stopping)?;
    let publish = Publish {
        directory: Arc::new(directory),
        authenticators,
    };
    graph.send(publish).await.map_err(|_| SetDirectoryError::Stopping)
}
