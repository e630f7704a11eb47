//! A few pooled connections for work on many entries: a login must not wait behind it.

use std::time::Duration;

use deadpool_redis::redis::{AsyncConnectionConfig, ConnectionInfo};
use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime};
use linker_core::port::PresenceError;

use super::fault;

/// A sweep and a reconciliation at the same time.
const CONNECTIONS: usize = 2;

#[derive(Debug)]
pub(super) struct Bulk {
    pool: Pool,
    address: String,
    call_timeout: Duration,
}

impl Bulk {
    pub(super) fn new(
        info: ConnectionInfo,
        address: String,
        call_timeout: Duration,
    ) -> Result<Self, PresenceError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(call_timeout))
            .set_response_timeout(Some(call_timeout));
        let unusable = || PresenceError::Refused(format!("{address} cannot be used as a presence registry"));
        let manager = Manager::new_with_config(info, config).map_err(|_| unusable())?;
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| unusable())?;
        Ok(Self {
            pool,
            address,
            call_timeout,
        })
    }

    pub(super) async fn connection(&self) -> Result<Connection, PresenceError> {
        match tokio::time::timeout(self.call_timeout, self.pool.get()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(PoolError::Backend(error))) => Err(fault::of_opening(&error, &self.address)),
            _ => Err(fault::silent(&self.address)),
        }
    }
}
