//! The store and the presence registry that a host has chosen, opened.

use std::sync::Arc;

use linker_core::port::{Presence, Store};

use crate::adapter::memory::{MemoryPresence, MemoryStore};
use crate::error::StartError;
use crate::runtime::system::Backend;

/// Where messages wait.
pub(super) enum StoreChoice {
    Memory,
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf, crate::adapter::sqlite::OpenOptions),
    #[cfg(feature = "postgres")]
    Postgres(String, crate::adapter::postgres::PostgresOptions),
    Own(Arc<dyn Store>),
}

/// Where it is known who is where.
pub(super) enum PresenceChoice {
    Memory,
    #[cfg(feature = "redis")]
    Redis(String, crate::adapter::redis::RedisOptions),
    Own(Arc<dyn Presence>),
}

#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(unused_variables, reason = "only files are opened on the backend's runtime")
)]
pub(super) async fn open_store(backend: &Backend, choice: StoreChoice) -> Result<Arc<dyn Store>, StartError> {
    match choice {
        StoreChoice::Memory => Ok(Arc::new(MemoryStore::new())),
        StoreChoice::Own(store) => Ok(store),
        #[cfg(feature = "postgres")]
        StoreChoice::Postgres(url, options) => {
            let opened = backend
                .handle()
                .spawn(crate::adapter::late::open_postgres(url, options))
                .await;
            match opened {
                Ok(Ok(store)) => Ok(store),
                Ok(Err(error)) => Err(StartError::Store(error.to_string())),
                Err(error) => Err(StartError::Store(error.to_string())),
            }
        }
        #[cfg(feature = "sqlite")]
        StoreChoice::Sqlite(path, options) => {
            // Its connections live on the runtime that opens them.
            let opened = backend
                .handle()
                .spawn(async move { crate::adapter::sqlite::SqliteStore::open(&path, options).await })
                .await;
            match opened {
                Ok(Ok(store)) => Ok(Arc::new(store)),
                Ok(Err(error)) => Err(StartError::Store(error.to_string())),
                Err(error) => Err(StartError::Store(error.to_string())),
            }
        }
    }
}

pub(super) async fn open_presence(
    backend: &Backend,
    choice: PresenceChoice,
    sessions_per_user: usize,
) -> Result<Arc<dyn Presence>, StartError> {
    #[cfg(not(feature = "redis"))]
    let _ = backend;
    match choice {
        PresenceChoice::Memory => Ok(Arc::new(MemoryPresence::new(sessions_per_user))),
        PresenceChoice::Own(presence) => Ok(presence),
        #[cfg(feature = "redis")]
        PresenceChoice::Redis(url, options) => {
            // Its connections live on the runtime that opens them.
            let opened = backend
                .handle()
                .spawn(async move { crate::adapter::redis::RedisPresence::open(&url, options).await })
                .await;
            match opened {
                Ok(Ok(presence)) => Ok(Arc::new(presence)),
                Ok(Err(error)) => Err(StartError::Presence(error.to_string())),
                Err(error) => Err(StartError::Presence(error.to_string())),
            }
        }
    }
}
