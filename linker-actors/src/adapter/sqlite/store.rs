//! The port, on the writer and the readers.

use std::path::{Path, absolute};
use std::sync::Arc;

use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, CountRequest, InsertOutcome, Page, PageRequest, Record, RecordWrite, Records, Repeatable,
    Store, StoreBatch, StoreError, TakeOver, Waiting,
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::connect::Connector;
use super::forwarding;
use super::open::{self, OpenError, OpenOptions};
use super::read::{self, Readers};
use super::records;
use super::writer::Writer;
use crate::adapter::sql::moving::Party;
use crate::adapter::sql::records::in_order;

/// [`Store`] in an SQLite file. Works on any tokio runtime that calls it.
///
/// Writes run to their end in a task of their own, also when nobody waits for the answer any more. After any failure the next call tries again
/// by itself, with a new connection where that may help: it is back as soon as the disk is.
pub struct SqliteStore {
    writer: Arc<Mutex<Writer>>,
    readers: Readers,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file at `path`, and makes it when there is none and `options` allow it; its folder must exist.
    ///
    /// The file must be this process's alone: lock its folder before.
    ///
    /// # Errors
    /// [`OpenError`] says in one sentence what is wrong and what to do.
    pub async fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let path = absolute(path).map_err(|error| OpenError::Other {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let connector = Connector::new(path, options.busy_timeout, options.pages_max);
        let connection = open::prepare(&connector, options.migrate).await?;
        let readers = Readers::new(connector.clone(), options.readers);
        let path = connector.path().to_owned();
        let writer = Writer::new(connector, connection)
            .await
            .map_err(|error| OpenError::of(&error, &path))?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            readers,
        })
    }

    /// Ends all connections, after the write that is under way, and moves the log into the file. Every later call is `Away`.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.lock().await.close().await;
    }

    /// Has `work` done by whoever may write, to its end, and answers as soon as it has an answer.
    async fn write<T, F>(
        &self,
        work: impl FnOnce(OwnedMutexGuard<Writer>, Answer<T>) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        let (answer, answered) = oneshot::channel();
        tokio::spawn(work(writer, answer));
        match answered.await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Uncertain("the store's task ended early".into())),
        }
    }
}

/// Where an answer goes; nobody may be there any more.
type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

impl Records for SqliteStore {
    fn write_records(&self, writes: Vec<RecordWrite>) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.write(|mut writer, answer| async move {
            let writes = in_order(writes);
            let _ = answer.send(writer.write_records(&writes).await);
        }))
    }

    fn read_records(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let read = records::read(&mut reader.connection, &keys).await;
            reader.settle(read)
        })
    }

    fn list_records(
        &self,
        prefix: String,
        after: String,
        max: u32,
    ) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let listed = records::list(&mut reader.connection, &prefix, &after, max).await;
            reader.settle(listed)
        })
    }

    fn expire_records(&self, now_ms: u64, max: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.write(move |mut writer, answer| async move {
            let _ = answer.send(writer.expire_records(now_ms, max).await);
        }))
    }
}

impl Store for SqliteStore {
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::close(self))
    }

    fn apply(&self, batch: StoreBatch) -> BoxFuture<'_, Result<Vec<InsertOutcome>, StoreError>> {
        Box::pin(self.write(|mut writer, answer| async move {
            let result = writer.apply(&batch).await;
            let failed = result.is_err();
            let _ = answer.send(result);
            if failed {
                writer.make_room().await;
            } else {
                writer
                    .sweep_surplus(batch.deletes.len() + batch.forwarded.len())
                    .await;
            }
        }))
    }

    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let page = read::page(&mut reader.connection, &request).await;
            reader.settle(page)
        })
    }

    fn take_over(&self, request: TakeOver) -> BoxFuture<'_, Result<Page, StoreError>> {
        Box::pin(self.write(|mut writer, answer| async move {
            let _ = answer.send(writer.take_over(&request).await);
        }))
    }

    fn backlog(
        &self,
        spared: Vec<NodeInstance>,
    ) -> BoxFuture<'_, Result<Vec<(DomainName, u64)>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let backlog = forwarding::backlog(&mut reader.connection, &spared).await;
            reader.settle(backlog)
        })
    }

    fn recipients(&self, after: Option<UserId>, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let recipients = forwarding::recipients(&mut reader.connection, after.as_ref(), max).await;
            reader.settle(recipients)
        })
    }

    /// A little at a time: whoever waits to write comes in between.
    fn rehome(&self, users: Vec<(UserId, Option<DomainName>)>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            for mut party in Party::all_of(users) {
                let mut more = true;
                while more {
                    (party, more) = self
                        .write(|mut writer, answer| async move {
                            let moved = writer.rehome(&mut party).await;
                            let _ = answer.send(moved.map(|more| (party, more)));
                        })
                        .await?;
                }
            }
            Ok(())
        })
    }

    fn find(&self, id: MessageId) -> BoxFuture<'_, Result<Option<Waiting>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let found = read::find(&mut reader.connection, &id).await;
            reader.settle(found)
        })
    }

    fn count(&self, requests: Vec<CountRequest>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let counts = read::count(&mut reader.connection, &requests).await;
            reader.settle(counts)
        })
    }

    /// Also deletes for good what was removed, a little at a time.
    fn expire(&self, before_ms: u64, max_rows: u32) -> BoxFuture<'_, Result<Vec<Arc<Envelope>>, StoreError>> {
        Box::pin(async move {
            let shared = Arc::clone(&self.writer);
            self.write(move |mut writer, answer| async move {
                let _ = answer.send(writer.expire(before_ms, max_rows).await);
                let mut more = writer.is_worth_sweeping();
                while more && writer.sweep().await.is_ok() {
                    more = writer.has_removed();
                    // Whoever waits to write goes first: the lock is fair.
                    drop(writer);
                    writer = Arc::clone(&shared).lock_owned().await;
                }
            })
            .await
        })
    }

    fn repeatable_since(
        &self,
        since_ms: u64,
        max_rows: u32,
    ) -> BoxFuture<'_, Result<Vec<Repeatable>, StoreError>> {
        Box::pin(async move {
            let mut reader = self.readers.borrow().await?;
            let told = read::repeatable_since(&mut reader.connection, since_ms, max_rows).await;
            reader.settle(told)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.write(|mut writer, answer| async move {
            let result = writer.probe().await;
            let failed = result.is_err();
            let _ = answer.send(result);
            if failed {
                writer.make_room().await;
            } else {
                writer.rest().await;
            }
        }))
    }
}
