//! The SQLite adapter keeps the contract of its port.

use std::ops::Deref;

use linker_actors::adapter::sqlite::{OpenOptions, SqliteStore};
use tempfile::TempDir;

/// A store in a folder of its own, which goes with it.
struct Fixture {
    store: SqliteStore,
    _folder: TempDir,
}

impl Deref for Fixture {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

async fn empty() -> Fixture {
    let folder = TempDir::new().expect("a folder");
    let store = SqliteStore::open(folder.path().join("store.db"), OpenOptions::default())
        .await
        .expect("a new file");
    Fixture {
        store,
        _folder: folder,
    }
}

linker_core::store_conformance!(#[tokio::test] => empty());
