//! Following a meta server: its document is asked for again and again, what is new and sound becomes the node's directory, and the last good one is kept for
//! a start without the server.

mod fetch;
mod following;
mod kept;
mod pace;
mod version;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use linker_core::app::ClientApps;
use linker_core::id::DomainName;

pub(crate) use following::{Accepted, Following};

/// How often a meta server is asked where nothing else is said.
const REFRESH_DEFAULT: Duration = Duration::from_secs(5);

/// The meta server that a node follows; see [`LinkerBuilder::meta_server`](crate::LinkerBuilder::meta_server).
#[derive(Debug, Clone)]
pub struct MetaServer {
    url: String,
    domain: DomainName,
    refresh: Duration,
    own_apps: Arc<ClientApps>,
    keep_in: Option<PathBuf>,
}

impl MetaServer {
    /// The one at `url` (`http://HOST:PORT`), for a node of this domain.
    pub fn new(url: impl Into<String>, domain: DomainName) -> Self {
        Self {
            url: url.into(),
            domain,
            refresh: REFRESH_DEFAULT,
            own_apps: Arc::default(),
            keep_in: None,
        }
    }

    /// How often it is asked; 5 s by default.
    #[must_use]
    pub fn refresh(mut self, refresh: Duration) -> Self {
        self.refresh = refresh;
        self
    }

    /// The client apps, where the document has none.
    #[must_use]
    pub fn own_apps(mut self, apps: Arc<ClientApps>) -> Self {
        self.own_apps = apps;
        self
    }

    /// A folder for the last good document, from which the node starts while the server is away. By default none is kept.
    #[must_use]
    pub fn keep_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.keep_in = Some(folder.into());
        self
    }

    pub(crate) fn domain(&self) -> &DomainName {
        &self.domain
    }
}
