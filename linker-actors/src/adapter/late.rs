//! A store that was away when the node started: away until it can be opened, and then as if it had always been there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, CountRequest, InsertOutcome, Page, PageRequest, Record, RecordWrite, Records, Repeatable,
    Store, StoreBatch, StoreError, TakeOver, Waiting,
};

use super::postgres::{PostgresOpenError, PostgresOptions, PostgresStore};

const TRY_EVERY: Duration = Duration::from_secs(1);

/// Opens a store in PostgreSQL, now or as soon as it answers; fails for what waiting cannot mend. To be called on the runtime it shall live on.
pub(crate) async fn open_postgres(
    url: String,
    options: PostgresOptions,
) -> Result<Arc<dyn Store>, PostgresOpenError> {
    let away = match PostgresStore::open(&url, options.clone()).await {
        Ok(store) => return Ok(Arc::new(store)),
        Err(error) if error.is_away() => error,
        Err(error) => return Err(error),
    };
    tracing::warn!(error = %away, "the store is away; the node is not ready until it is there");
    let late = LateStore::default();
    let place = Arc::clone(&late.0);
    tokio::spawn(async move {
        let mut told = String::new();
        loop {
            tokio::time::sleep(TRY_EVERY).await;
            // The node has stopped.
            if Arc::strong_count(&place) == 1 {
                return;
            }
            match PostgresStore::open(&url, options.clone()).await {
                Ok(store) => {
                    tracing::info!("the store is there");
                    let _ = place.set(Arc::new(store));
                    return;
                }
                Err(error) if error.is_away() => {}
                Err(error) => {
                    let text = error.to_string();
                    if text != told {
                        tracing::error!(error = %text, "the store cannot be opened; trying again every second");
                        told = text;
                    }
                }
            }
        }
    });
    Ok(Arc::new(late))
}

#[derive(Default)]
struct LateStore(Arc<OnceLock<Arc<dyn Store>>>);

impl LateStore {
    fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store = self.0.get().map(Arc::clone);
        store
            .ok_or_else(|| StoreError::Away("it was not there when this node started, and is not yet".into()))
    }
}

impl Records for LateStore {
    fn write_records(&self, writes: Vec<RecordWrite>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { self.store()?.write_records(writes).await })
    }

    fn read_records(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move { self.store()?.read_records(keys).await })
    }

    fn list_records(
        &self,
        prefix: String,
        after: String,
        max: u32,
    ) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move { self.store()?.list_records(prefix, after, max).await })
    }

    fn expire_records(&self, now_ms: u64, max: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { self.store()?.expire_records(now_ms, max).await })
    }
}

impl Store for LateStore {
    fn apply(&self, batch: StoreBatch) -> BoxFuture<'_, Result<Vec<InsertOutcome>, StoreError>> {
        Box::pin(async move { self.store()?.apply(batch).await })
    }

    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move { self.store()?.page(request).await })
    }

    fn find(&self, id: MessageId) -> BoxFuture<'_, Result<Option<Waiting>, StoreError>> {
        Box::pin(async move { self.store()?.find(id).await })
    }

    fn count(&self, requests: Vec<CountRequest>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(async move { self.store()?.count(requests).await })
    }

    fn take_over(&self, request: TakeOver) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move { self.store()?.take_over(request).await })
    }

    fn backlog(
        &self,
        spared: Vec<NodeInstance>,
    ) -> BoxFuture<'_, Result<Vec<(DomainName, u64)>, StoreError>> {
        Box::pin(async move { self.store()?.backlog(spared).await })
    }

    fn recipients(&self, after: Option<UserId>, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, StoreError>> {
        Box::pin(async move { self.store()?.recipients(after, max).await })
    }

    fn rehome(&self, users: Vec<(UserId, Option<DomainName>)>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.store()?.rehome(users).await })
    }

    fn expire(&self, before_ms: u64, max_rows: u32) -> BoxFuture<'_, Result<Vec<Arc<Envelope>>, StoreError>> {
        Box::pin(async move { self.store()?.expire(before_ms, max_rows).await })
    }

    fn repeatable_since(
        &self,
        since_ms: u64,
        max_rows: u32,
    ) -> BoxFuture<'_, Result<Vec<Repeatable>, StoreError>> {
        Box::pin(async move {
            match self.store() {
                Ok(store) => store.repeatable_since(since_ms, max_rows).await,
                // What waits there is still recognised when it is stored again.
                Err(_) => Ok(Vec::new()),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Ok(store) = self.store() {
                store.close().await;
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.store()?.probe().await })
    }
}

#[cfg(test)]
mod tests {
    use linker_core::testkit::sample::user;

    use super::*;
    use crate::adapter::memory::MemoryStore;

    async fn there() -> Box<LateStore> {
        let late = LateStore::default();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        assert!(late.0.set(store).is_ok());
        Box::new(late)
    }

    linker_core::store_conformance!(#[tokio::test] => there());

    #[tokio::test]
    async fn until_it_is_there_it_is_away() {
        let late = LateStore::default();
        let away = |error| matches!(error, Some(StoreError::Away(_)));
        assert!(away(late.backlog(vec![]).await.err()));
        assert!(away(late.recipients(None, 1).await.err()));
        assert!(away(late.rehome(vec![(user(1), None)]).await.err()));
        assert!(away(late.probe().await.err()));
    }
}
