//! The port, on connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};
use linker_core::port::{
    BoxFuture, CountRequest, InsertOutcome, Page, PageRequest, Record, RecordWrite, Records, Repeatable,
    Store, StoreBatch, StoreError, TakeOver, Waiting,
};
use sqlx::Executor;
use tokio::sync::Mutex;

use super::batch::{self, Ids, LET_GO, Memory, REMOVE_IDS};
use super::connect::{self, Connector};
use super::connections::Connections;
use super::fault::{away, gave_way, is_there_already, uncertain_unless_refused};
use super::forwarding;
use super::halves::Halves;
use super::open::{self, PostgresOpenError, PostgresOptions};
use super::read;
use super::records;
use super::row::{DedupeKey, uuid_of};
use super::taking;
use crate::adapter::sql::inbox_counts::InboxCounts;
use crate::adapter::sql::moving::Party;
use crate::adapter::sql::records::in_order;

/// What was counted is counted anew after so long: other nodes add rows too.
const COUNTS_KEPT_FOR: Duration = Duration::from_secs(10);
/// How often a transaction that had to give way to another one is tried again at once.
const ATTEMPTS: usize = 5;
/// Rows that were added speak for the server for so long: an idle node is not to write all day only to see that it can.
const PROVEN_FOR: Duration = Duration::from_secs(30);

const PROBE: &str = "UPDATE linker_probe SET n = n + 1";

/// What whoever applies knows.
struct Writer {
    memory: Memory,
    counted_at: Instant,
    /// When rows were last added, unless something has failed since.
    proven_at: Option<Instant>,
}

/// [`Store`] in a PostgreSQL database, which any number of nodes may share. Works on any tokio runtime that calls it.
///
/// After any failure the next call tries again by itself, with a new connection where that may help: it is back as soon as the server is. A caller who
/// drops a call leaves it undone, or done as a whole; of a large one that only adds rows, also half of it.
pub struct PostgresStore {
    writer: Mutex<Writer>,
    /// Those that batches are written on, one or both halves of one at a time.
    writing: Connections,
    others: Connections,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let endpoint = self.others.connector().endpoint();
        f.debug_struct("PostgresStore")
            .field("endpoint", &endpoint)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Whether a url is one of a database; nothing is connected.
    ///
    /// # Errors
    /// [`PostgresOpenError::Url`], which does not repeat the url.
    pub fn check_url(url: &str) -> Result<(), PostgresOpenError> {
        connect::parse_url(url).map(drop)
    }

    /// Connects to the database at `url` (`postgres://user:password@host:port/database`), and makes the tables when there are none and `options`
    /// allow it. Any number of nodes may do so at once.
    ///
    /// # Errors
    /// [`PostgresOpenError`] says in one sentence what is wrong and what to do; [`PostgresOpenError::is_away`] tells whether waiting may help.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, PostgresOpenError> {
        let connector = Connector::new(url, &options)?;
        let mut connection = open::prepare(&connector, options.migrate).await?;
        let dedupe_key = DedupeKey::load(&mut connection)
            .await
            .map_err(|error| PostgresOpenError::of(&error, &connector))?;
        // One call may use its time to the full before the next gets its turn.
        let wait_max = options.statement_timeout + options.connect_timeout;
        let writing = Connections::new(connector.clone(), 2, wait_max);
        writing.adopt(connection);
        let memory = Memory {
            dedupe_key,
            counts: std::sync::Mutex::default(),
        };
        Ok(Self {
            writer: Mutex::new(Writer {
                memory,
                counted_at: Instant::now(),
                proven_at: None,
            }),
            writing,
            others: Connections::new(connector, options.readers, wait_max),
        })
    }

    /// Ends all connections. Every later call is `Away`.
    pub async fn close(&self) {
        self.others.close().await;
        self.writing.close().await;
    }

    async fn apply(&self, batch: &StoreBatch) -> Result<Vec<InsertOutcome>, StoreError> {
        let mut writer = self.writer.lock().await;
        if writer.counted_at.elapsed() > COUNTS_KEPT_FOR {
            *writer.memory.counts() = InboxCounts::default();
            writer.counted_at = Instant::now();
        }
        let result = match only_change(batch) {
            Some((sql, ids)) => self.change(sql, ids).await.map(|()| Vec::new()),
            None => self.write(&writer.memory, batch).await,
        };
        match &result {
            Ok(outcomes) if !outcomes.is_empty() => writer.proven_at = Some(Instant::now()),
            Ok(_) => {}
            Err(_) => writer.proven_at = None,
        }
        result
    }

    /// One statement is a transaction by itself.
    async fn change(&self, sql: &'static str, ids: Vec<uuid::Uuid>) -> Result<(), StoreError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut borrowed = self.writing.borrow().await?;
            let changing = batch::change(&mut borrowed.connection, sql, ids.clone());
            let changed = self.writing.connector().answer(changing).await;
            match changed {
                Err(error) if gave_way(&error) && attempts < ATTEMPTS => borrowed.give_back(),
                changed => return borrowed.settle(changed, uncertain_unless_refused),
            }
        }
    }

    async fn write(&self, memory: &Memory, batch: &StoreBatch) -> Result<Vec<InsertOutcome>, StoreError> {
        let Some(halves) = Halves::of(batch) else {
            return self.write_whole(memory, batch).await;
        };
        let [first, second] = &halves.batches;
        let (first, second) = tokio::join!(self.write_whole(memory, first), self.write_whole(memory, second));
        halves.join([first, second])
    }

    async fn write_whole(
        &self,
        memory: &Memory,
        batch: &StoreBatch,
    ) -> Result<Vec<InsertOutcome>, StoreError> {
        let mut attempts = 0;
        let mut ids = Ids::New;
        loop {
            attempts += 1;
            match self.transact(memory, batch, ids).await? {
                Transacted::WereThere if attempts < ATTEMPTS => ids = Ids::MayBeThere,
                Transacted::WereThere => return Err(StoreError::Away("ids come and go".into())),
                Transacted::Committed(outcomes, added) => {
                    for (user, rows) in added {
                        memory.counts().add(&user, rows);
                    }
                    return Ok(outcomes);
                }
                Transacted::GaveWay(_) if attempts < ATTEMPTS => {}
                Transacted::GaveWay(error) => return Err(away(&error)),
            }
        }
    }

    async fn transact(
        &self,
        memory: &Memory,
        batch: &StoreBatch,
        ids: Ids,
    ) -> Result<Transacted, StoreError> {
        let connector = self.writing.connector();
        let mut borrowed = self.writing.borrow().await?;
        let connection = &mut borrowed.connection;
        let begun = connector.answer(batch::begin(connection, batch)).await;
        let written = match begun {
            Ok(()) => batch::write(connection, memory, batch, ids),
            Err(error) => return borrowed.settle(Err(error), away),
        };
        let (outcomes, added) = match connector.answer(written).await {
            Ok(written) => written,
            // Dropped in the middle of its transaction, the connection closes, and the server undoes it.
            Err(error) if gave_way(&error) => return Ok(Transacted::GaveWay(error)),
            Err(error) if ids == Ids::New && is_there_already(&error) => {
                let undone = async { borrowed.connection.execute("ROLLBACK").await };
                let undone = connector.answer(undone).await.map(|_| ());
                borrowed.settle(undone, away)?;
                return Ok(Transacted::WereThere);
            }
            Err(error) => return borrowed.settle(Err(error), away),
        };
        let committing = async { borrowed.connection.execute("COMMIT").await };
        let committed = connector.answer(committing).await.map(|_| ());
        borrowed.settle(committed, uncertain_unless_refused)?;
        Ok(Transacted::Committed(outcomes, added))
    }
}

impl PostgresStore {
    /// One statement of it, which is a transaction by itself; answers whether there may be more.
    async fn rehome_some(&self, party: &mut Party) -> Result<bool, StoreError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut borrowed = self.others.borrow().await?;
            let moving = forwarding::move_some(&mut borrowed.connection, party);
            match self.others.connector().answer(moving).await {
                Err(error) if gave_way(&error) && attempts < ATTEMPTS => borrowed.give_back(),
                moved => {
                    let (found, last) = borrowed.settle(moved, uncertain_unless_refused)?;
                    return Ok(party.follow(found, &last));
                }
            }
        }
    }
}

enum Transacted {
    Committed(Vec<InsertOutcome>, HashMap<UserId, u64>),
    /// To another transaction; nothing was changed.
    GaveWay(sqlx::Error),
    /// Rows have ids that were taken to be new; nothing was changed.
    WereThere,
}

/// The statement that does all a batch asks for, if one does.
fn only_change(batch: &StoreBatch) -> Option<(&'static str, Vec<uuid::Uuid>)> {
    let more = !batch.inserts.is_empty() || !batch.behind.is_empty() || !batch.redirected.is_empty();
    if more || !batch.forwarded.is_empty() {
        return None;
    }
    let (sql, ids) = match (&batch.absent[..], &batch.deletes[..]) {
        ([], ids) => (REMOVE_IDS, ids),
        (ids, []) => (LET_GO, ids),
        _ => return None,
    };
    Some((sql, ids.iter().map(uuid_of).collect()))
}

/// Asks on one of the other connections; `$meaning` says what an error means.
macro_rules! ask {
    ($store:ident, $meaning:expr, |$connection:ident| $question:expr) => {
        Box::pin(async move {
            let mut borrowed = $store.others.borrow().await?;
            let $connection = &mut borrowed.connection;
            let answer = $store.others.connector().answer($question).await;
            borrowed.settle(answer, $meaning)
        })
    };
}

impl Records for PostgresStore {
    fn write_records(&self, writes: Vec<RecordWrite>) -> BoxFuture<'_, Result<bool, StoreError>> {
        let writes = in_order(writes);
        ask!(self, uncertain_unless_refused, |connection| records::write(
            connection, &writes
        ))
    }

    fn read_records(&self, keys: Vec<String>) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        ask!(self, away, |connection| records::read(connection, &keys))
    }

    fn list_records(
        &self,
        prefix: String,
        after: String,
        max: u32,
    ) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        ask!(self, away, |connection| records::list(
            connection, &prefix, &after, max
        ))
    }

    fn expire_records(&self, now_ms: u64, max: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        ask!(self, uncertain_unless_refused, |connection| records::expire(
            connection, now_ms, max
        ))
    }
}

impl Store for PostgresStore {
    fn apply(&self, batch: StoreBatch) -> BoxFuture<'_, Result<Vec<InsertOutcome>, StoreError>> {
        Box::pin(async move {
            if batch.is_empty() {
                return Ok(Vec::new());
            }
            Self::apply(self, &batch).await
        })
    }

    fn page(&self, request: PageRequest) -> BoxFuture<'_, Result<Page, StoreError>> {
        ask!(self, away, |connection| read::page(connection, &request))
    }

    fn take_over(&self, request: TakeOver) -> BoxFuture<'_, Result<Page, StoreError>> {
        ask!(self, uncertain_unless_refused, |connection| taking::take_over(
            connection, &request
        ))
    }

    fn backlog(
        &self,
        spared: Vec<NodeInstance>,
    ) -> BoxFuture<'_, Result<Vec<(DomainName, u64)>, StoreError>> {
        ask!(self, away, |connection| forwarding::backlog(connection, &spared))
    }

    fn recipients(&self, after: Option<UserId>, max: u32) -> BoxFuture<'_, Result<Vec<UserId>, StoreError>> {
        ask!(self, away, |connection| forwarding::recipients(
            connection,
            after.as_ref(),
            max
        ))
    }

    fn rehome(&self, users: Vec<(UserId, Option<DomainName>)>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            for mut party in Party::all_of(users) {
                while self.rehome_some(&mut party).await? {}
            }
            Ok(())
        })
    }

    fn find(&self, id: MessageId) -> BoxFuture<'_, Result<Option<Waiting>, StoreError>> {
        ask!(self, away, |connection| read::find(connection, &id))
    }

    fn count(&self, requests: Vec<CountRequest>) -> BoxFuture<'_, Result<Vec<u64>, StoreError>> {
        ask!(self, away, |connection| read::count(connection, &requests))
    }

    fn expire(&self, before_ms: u64, max_rows: u32) -> BoxFuture<'_, Result<Vec<Arc<Envelope>>, StoreError>> {
        ask!(self, uncertain_unless_refused, |connection| taking::expire(
            connection, before_ms, max_rows
        ))
    }

    fn repeatable_since(
        &self,
        since_ms: u64,
        max_rows: u32,
    ) -> BoxFuture<'_, Result<Vec<Repeatable>, StoreError>> {
        ask!(self, away, |connection| read::repeatable_since(
            connection, since_ms, max_rows
        ))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::close(self))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // Whoever is at it right now shows soon enough whether it works; until then nothing is proven.
            let proven = self.writer.try_lock().ok().and_then(|writer| writer.proven_at);
            let proven = proven.is_some_and(|at| at.elapsed() < PROVEN_FOR);
            let sql = if proven { "SELECT 1" } else { PROBE };
            let mut borrowed = self.others.borrow().await?;
            let probing = async { borrowed.connection.execute(sql).await };
            let probed = self.others.connector().answer(probing).await.map(|_| ());
            borrowed.settle(probed, away)
        })
    }
}
