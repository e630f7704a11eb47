//! Small records that the nodes of a domain share, besides messages: jobs, and what was revoked.

use bytes::Bytes;

use super::{BoxFuture, StoreError};

/// The longest key, in bytes.
pub const RECORD_KEY_LEN_MAX: usize = 200;

/// A record as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name: visible ASCII.
    pub key: String,
    /// 1 when it was made, and one more with every write.
    pub version: u64,
    /// What it says; whoever writes it knows what it means.
    pub body: Bytes,
    /// From when on it may be removed, ms since the epoch.
    pub expires_ms: u64,
}

/// What a write wants to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Anything,
    /// No record of this key.
    Nothing,
    /// This version.
    Version(u64),
}

/// A record to write or to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    /// Its name: visible ASCII, 1 to [`RECORD_KEY_LEN_MAX`] bytes.
    pub key: String,
    /// What has to be there.
    pub expected: Expected,
    /// What it is to say; `None` removes it.
    pub body: Option<Bytes>,
    /// From when on it may be removed, ms since the epoch.
    pub expires_ms: u64,
}

/// Keeps records. All methods may be called at once, by any number of nodes.
pub trait Records: Send + Sync + 'static {
    /// Makes all of these changes, or none where one finds another thing than it expected: then `false`. No key comes twice. On disk once it is answered.
    fn write_records(&self, writes: Vec<RecordWrite>) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Those of these keys that are there, expired ones included, in the order of their keys.
    fn read_records(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Record>, StoreError>>;

    /// The next `max` records whose keys begin with `prefix` and come behind `after`, in the order of their keys, expired ones included. An empty `after` is before all.
    fn list_records(
        &self,
        prefix: String,
        after: String,
        max: u32,
    ) -> BoxFuture<'_, Result<Vec<Record>, StoreError>>;

    /// Removes up to `max` records that expired before `now_ms`; answers how many.
    fn expire_records(&self, now_ms: u64, max: u32) -> BoxFuture<'_, Result<u64, StoreError>>;
}
