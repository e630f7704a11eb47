//! From a valid document to what one node of it works with.

use std::collections::HashSet;
use std::sync::Arc;

use super::validate::MetaNetwork;
use crate::app::ClientApps;
use crate::directory::{Directory, DirectoryError};
use crate::id::DomainName;

/// Why a valid document is of no use to a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaUnfit {
    /// Which of the two would hold?
    #[error(
        "client apps stand in the meta document and in this node's own configuration; allowed: one of the two"
    )]
    AppsTwice,
    /// Nobody could log in.
    #[error(
        "no client app stands in the meta document or in this node's own configuration; allowed: at least one"
    )]
    NoApps,
    /// See [`DirectoryError`].
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl MetaNetwork {
    /// What a node of the domain `own` knows by this document, all links being up. `own_apps` are the client apps of its own configuration.
    ///
    /// # Errors
    /// [`MetaUnfit`].
    pub fn directory(self, own: &DomainName, own_apps: &Arc<ClientApps>) -> Result<Directory, MetaUnfit> {
        let apps = match (self.apps.is_empty(), own_apps.is_empty()) {
            (true, true) => return Err(MetaUnfit::NoApps),
            (false, false) => return Err(MetaUnfit::AppsTwice),
            (true, false) => Arc::clone(own_apps),
            (false, true) => Arc::new(self.apps),
        };
        let directory = Directory::new(
            own,
            apps,
            Arc::new(self.distributions),
            &Arc::new(self.topology),
            &HashSet::new(),
        )?;
        Ok(directory)
    }
}
