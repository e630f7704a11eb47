//! Connections to borrow: a bounded number, opened when needed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use linker_core::port::StoreError;
use sqlx::postgres::PgConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connect::{self, Connector};
use super::fault::away;

/// One that was used so lately is taken to be good; asking costs a round trip.
const TRUSTED_FOR: Duration = Duration::from_millis(500);

struct Idle {
    connection: PgConnection,
    since: Instant,
}

/// Some connections.
pub(super) struct Connections {
    connector: Connector,
    idle: Mutex<Vec<Idle>>,
    permits: Semaphore,
    wait_max: Duration,
}

/// A borrowed connection. Dropped before [`Borrowed::give_back`], after an error or by a caller who lost interest, it is closed: it may be in the
/// middle of something, which the server then undoes.
pub(super) struct Borrowed<'c> {
    owner: &'c Connections,
    pub(super) connection: PgConnection,
    _permit: SemaphorePermit<'c>,
}

impl Connections {
    pub(super) fn new(connector: Connector, count: usize, wait_max: Duration) -> Self {
        Self {
            connector,
            idle: Mutex::default(),
            permits: Semaphore::new(count.max(1)),
            wait_max,
        }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) async fn borrow(&self) -> Result<Borrowed<'_>, StoreError> {
        let permit = match tokio::time::timeout(self.wait_max, self.permits.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) => return Err(StoreError::Away("the store is closed".into())),
            Err(_) => {
                return Err(StoreError::Away(
                    "all connections to PostgreSQL are in use".into(),
                ));
            }
        };
        Ok(Borrowed {
            owner: self,
            connection: self.connection().await?,
            _permit: permit,
        })
    }

    async fn connection(&self) -> Result<PgConnection, StoreError> {
        loop {
            let newest = self.idle().pop();
            let Some(mut idle) = newest else { break };
            if idle.since.elapsed() < TRUSTED_FOR || self.connector.answers(&mut idle.connection).await {
                return Ok(idle.connection);
            }
        }
        self.connector.connect().await.map_err(|error| away(&error))
    }

    pub(super) fn adopt(&self, connection: PgConnection) {
        let since = Instant::now();
        self.idle().push(Idle { connection, since });
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for idle in idle {
            connect::close(idle.connection).await;
        }
    }
}

impl Borrowed<'_> {
    /// Nothing is under way on it, and nothing went wrong.
    pub(super) fn give_back(self) {
        if !self.owner.permits.is_closed() {
            self.owner.adopt(self.connection);
        }
    }

    /// Gives it back, unless something went wrong with it.
    pub(super) fn settle<T>(
        self,
        result: sqlx::Result<T>,
        meaning: impl FnOnce(&sqlx::Error) -> StoreError,
    ) -> Result<T, StoreError> {
        match result {
            Ok(value) => {
                self.give_back();
                Ok(value)
            }
            Err(error) => {
                // The others may be as dead as this one: they are to be tried before they are used.
                if let Some(long_ago) = Instant::now().checked_sub(TRUSTED_FOR) {
                    for idle in self.owner.idle().iter_mut() {
                        idle.since = long_ago;
                    }
                }
                Err(meaning(&error))
            }
        }
    }
}
