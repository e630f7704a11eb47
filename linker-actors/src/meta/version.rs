//! A version of the document, looked at by one node.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use linker_core::directory::Directory;
use linker_core::meta::{MetaDocument, MetaUnfit};

use super::MetaServer;

/// A version that this node can work with.
pub(super) struct Version {
    pub(super) document: MetaDocument,
    pub(super) directory: Directory,
    pub(super) warnings: Vec<String>,
}

/// Why this node cannot work with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// All mistakes of the document, or what does not fit this node's configuration.
    Mistakes(Vec<String>),
    /// It may be sound, but the node's domain is not in it (any more).
    ForeignDomain(String),
}

impl Refusal {
    /// Each on a line of its own.
    pub(super) fn lines(&self) -> &[String] {
        match self {
            Self::Mistakes(lines) => lines,
            Self::ForeignDomain(line) => std::slice::from_ref(line),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        f.write_str(lines.first().map_or("", String::as_str))?;
        match lines.len() {
            0 | 1 => Ok(()),
            count => write!(f, " (and {} more mistakes)", count - 1),
        }
    }
}

/// Reads what the server has sent.
pub(super) fn read(body: &[u8]) -> Result<MetaDocument, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Mistakes(vec![format!("it is not a meta document in JSON: {error}")]))
}

/// What this node makes of the document.
pub(super) fn judge(document: MetaDocument, meta: &MetaServer) -> Result<Version, Refusal> {
    let checked = document
        .validate()
        .map_err(|problems| Refusal::Mistakes(problems.iter().map(ToString::to_string).collect()))?;
    let directory = checked.value.directory(&meta.domain, &meta.own_apps);
    let directory = directory.map_err(|unfit| match unfit {
        MetaUnfit::Directory(error) => Refusal::ForeignDomain(error.to_string()),
        unfit => Refusal::Mistakes(vec![unfit.to_string()]),
    })?;
    Ok(Version {
        document,
        directory,
        warnings: checked.warnings.iter().map(ToString::to_string).collect(),
    })
}

/// Tells versions apart, so that each is complained of once.
pub(super) fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
