//! A store that fails when told to, for the tests of whoever uses one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, CountRequest, InsertOutcome, Page, PageRequest, Record, RecordWrite, Records, Repeatable,
    Store, StoreBatch, StoreError, TakeOver, Waiting,
};
use tokio::sync::watch;

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Every call answers [`StoreError::Away`] and does nothing.
    Away,
    /// Every call takes so much longer.
    Slow(Duration),
    /// No call begins before another fault, or none, is set.
    Held,
    /// `apply` is done, and answers [`StoreError::Uncertain`].
    UncertainAfterCommit,
    /// `apply` is not done, and answers [`StoreError::Uncertain`].
    UncertainBeforeCommit,
}

/// Sets the fault of a [`FaultyStore`], from anywhere.
#[derive(Debug, Clone)]
pub struct FaultSwitch {
    fault: watch::Sender<Fault>,
    applied: Arc<AtomicU64>,
}

impl FaultSwitch {
    /// From now on, calls that [`Fault::Held`] holds included.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How many batches were really applied.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// The fault to act on, once it is not [`Fault::Held`].
    async fn get(&self) -> Fault {
        let mut watching = self.fault.subscribe();
        let released = watching.wait_for(|fault| *fault != Fault::Held).await;
        // The sender lives as long as `self`.
        let fault = released.map_or(Fault::None, |fault| *fault);
        if let Fault::Slow(longer) = fault {
            tokio::time::sleep(longer).await;
        }
        fault
    }

    async fn begin(&self) -> Result<Fault, StoreError> {
        match self.get().await {
            Fault::Away => Err(StoreError::Away("as the test wants it".into())),
            fault => Ok(fault),
        }
    }
}

/// Any store, behind a [`FaultSwitch`].
#[derive(Debug)]
pub struct FaultyStore<S> {
    store: S,
    switch: FaultSwitch,
}

impl<S> FaultyStore<S> {
    /// Nothing is wrong yet.
    pub fn new(store: S) -> (Self, FaultSwitch) {
        let switch = FaultSwitch {
            fault: watch::Sender::new(Fault::None),
            applied: Arc::default(),
        };
        let faulty = Self {
            store,
            switch: switch.clone(),
        };
        (faulty, switch)
    }

    /// The store itself, which no fault stands before.
    pub fn store(&self) -> &S {
        &self.store
    }
}

impl<S: Store> Records for FaultyStore<S> {
    fn write_records(&self, writes: Vec<RecordWrite>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.write_records(writes).await
        })
    }

    fn read_records(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.read_records(keys).await
        })
    }

    fn list_records(
        &self,
        prefix: String,
        after: String,
        max: u32,
    ) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.list_records(prefix, after, max).await
        })
    }

    fn expire_records(&self, now_ms: u64, max: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.expire_records(now_ms, max).await
        })
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn apply(&self, batch: StoreBatch) -> BoxFuture<'_, Result<Vec<InsertOutcome>, StoreError>> {
        Box::pin(async move {
            let fault = self.switch.begin().await?;
            let lost = || StoreError::Uncertain("as the test wants it".into());
            if fault == Fault::UncertainBeforeCommit {
                return Err(lost());
            }
            let outcomes = self.store.apply(batch).await?;
            self.switch.applied.fetch_add(1, Ordering::Relaxed);
            match fault {
                Fault::UncertainAfterCommit => Err(lost()),
                _ => Ok(outcomes),
            }
        })
    }

    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.page(request).await
        })
    }

    fn take_over(&self, request: TakeOver) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.take_over(request).await
        })
    }

    fn backlog(
        &self,
        spared: Vec<NodeInstance>,
    ) -> BoxFuture<'_, Result<Vec<(DomainName, u64)>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.backlog(spared).await
        })
    }

    fn recipients(&self, after: Option<UserId>, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.recipients(after, max).await
        })
    }

    fn rehome(&self, users: Vec<(UserId, Option<DomainName>)>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.rehome(users).await
        })
    }

    fn find(&self, id: MessageId) -> BoxFuture<'_, Result<Option<Waiting>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.find(id).await
        })
    }

    fn count(&self, requests: Vec<CountRequest>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.count(requests).await
        })
    }

    fn expire(&self, before_ms: u64, max_rows: u32) -> BoxFuture<'_, Result<Vec<Arc<Envelope>>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.expire(before_ms, max_rows).await
        })
    }

    fn repeatable_since(
        &self,
        since_ms: u64,
        max_rows: u32,
    ) -> BoxFuture<'_, Result<Vec<Repeatable>, StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.repeatable_since(since_ms, max_rows).await
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.store.close()
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.switch.begin().await?;
            self.store.probe().await
        })
    }
}
