//! Key files, and how opening them fails.

use std::fs;
use std::path::{Path, PathBuf};

use linker_actors::adapter::auth::JwtConfigError;
use linker_core::app::{JwtAlgorithm, JwtKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::signer::Checker;

/// A file in a folder of its own, replaced as a careful operator does: by renaming.
pub(super) struct KeyFile {
    _folder: TempDir,
    path: PathBuf,
}

impl KeyFile {
    pub(super) fn new(content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Self {
            path: folder.path().join("keys"),
            _folder: folder,
        };
        file.replace(content);
        file
    }

    pub(super) fn jwks(keys: &[Value]) -> Self {
        Self::new(json!({ "keys": keys }).to_string())
    }

    pub(super) fn replace(&self, content: impl AsRef<[u8]>) {
        let draft = self.path.with_extension("draft");
        fs::write(&draft, content).unwrap();
        fs::rename(&draft, &self.path).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open_key(&self, algorithm: JwtAlgorithm) -> Result<Checker, JwtConfigError> {
        Checker::open(algorithm, JwtKey::KeyFile(self.path.clone()))
    }

    pub(super) fn open_jwks(&self, algorithm: JwtAlgorithm) -> Result<Checker, JwtConfigError> {
        Checker::open(algorithm, JwtKey::JwksFile(self.path.clone()))
    }
}

/// The sentence with which construction fails.
#[track_caller]
pub(super) fn fault(opened: Result<Checker, JwtConfigError>) -> String {
    match opened {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}
