//! The meta document: read from a file, made into a node's directory, served to the nodes of all domains.

mod directory;
mod document;
mod server;

pub(crate) use directory::{directory, own_apps};
pub(crate) use document::place;
pub(crate) use server::run;
