//! Reading, beside the writer: connections to borrow, and the queries.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use linker_core::envelope::HEAD_LEN_MAX;
use linker_core::id::{DomainName, MessageId};
use linker_core::port::{
    CountRequest, Page, PageFilter, PageRequest, Repeatable, StoreError, StoredRow, Waiting,
};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::connect::{self, Connector};
use super::fault::away;
use super::row::{envelope_of, head_of, json_ids, json_lists, json_users};
use crate::adapter::sql::code::{int, reason_in};

pub(super) const PAGE_ALL: &str = "SELECT i.seq, m.body, i.reason FROM inbox AS i CROSS JOIN message AS m ON m.seq = i.seq \
     WHERE i.recipient = ?1 AND i.seq > ?2 ORDER BY i.seq LIMIT ?3";

pub(super) const PAGE_BEHIND: &str = "SELECT i.seq, m.body, i.reason FROM inbox AS i CROSS JOIN message AS m ON m.seq = i.seq \
     WHERE i.recipient = ?1 AND i.seq > ?2 AND i.reason = 2 ORDER BY i.seq LIMIT ?3";

/// All that wait for each user, less those named that do.
pub(super) const COUNT: &str = "SELECT (SELECT count(*) FROM inbox AS i WHERE i.recipient = asked.value) - \
     (SELECT count(DISTINCT m.seq) FROM json_each(?2, '$[' || asked.key || ']') AS named \
      CROSS JOIN message AS m ON m.id = unhex(named.value) \
      CROSS JOIN inbox AS i ON i.recipient = asked.value AND i.seq = m.seq) \
     FROM json_each(?1) AS asked ORDER BY asked.key";

pub(super) const FIND: &str = "SELECT i.reason, m.body, i.home FROM message AS m CROSS JOIN inbox AS i \
     ON i.recipient = m.recipient AND i.seq = m.seq WHERE m.id = ?1";

pub(super) const REPEATABLE: &str = "SELECT m.stored_ms, substr(m.body, 1, ?3) FROM message AS m \
     WHERE m.stored_ms >= ?1 AND m.dedupe IS NOT NULL AND NOT EXISTS (SELECT 1 FROM removed AS r WHERE r.seq = m.seq) \
     ORDER BY m.stored_ms DESC, m.seq DESC LIMIT ?2";

/// A few connections, opened when needed.
pub(super) struct Readers {
    connector: Connector,
    idle: Mutex<Vec<SqliteConnection>>,
    permits: Semaphore,
}

/// A borrowed connection. Dropped before [`Reader::settle`], by a caller who lost interest, it is closed: it may be in the middle of something.
pub(super) struct Reader<'r> {
    readers: &'r Readers,
    pub(super) connection: SqliteConnection,
    _permit: SemaphorePermit<'r>,
}

impl Readers {
    pub(super) fn new(connector: Connector, count: usize) -> Self {
        Self {
            connector,
            idle: Mutex::default(),
            permits: Semaphore::new(count.max(1)),
        }
    }

    pub(super) async fn borrow(&self) -> Result<Reader<'_>, StoreError> {
        let closed = |_| StoreError::Away("the store is closed".into());
        let permit = self.permits.acquire().await.map_err(closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connector.reader().await.map_err(|error| away(&error))?,
        };
        Ok(Reader {
            readers: self,
            connection,
            _permit: permit,
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            connect::close(connection).await;
        }
    }
}

impl Reader<'_> {
    /// Gives the connection back, unless something went wrong with it.
    pub(super) fn settle<T>(self, result: sqlx::Result<T>) -> Result<T, StoreError> {
        if result.is_ok() && !self.readers.permits.is_closed() {
            self.readers.idle().push(self.connection);
        }
        result.map_err(|error| away(&error))
    }
}

pub(super) async fn page(connection: &mut SqliteConnection, request: &PageRequest) -> sqlx::Result<Page> {
    let sql = match request.filter {
        PageFilter::All => PAGE_ALL,
        PageFilter::Behind => PAGE_BEHIND,
    };
    let user = request.user.to_string();
    let bounds = Bounds {
        after_seq: request.after_seq,
        max_rows: request.max_rows,
        max_bytes: request.max_bytes,
    };
    page_of(connection, sql, &user, None, bounds).await
}

/// What a page is asked for, whatever it is of.
pub(super) struct Bounds {
    pub(super) after_seq: u64,
    pub(super) max_rows: u32,
    pub(super) max_bytes: usize,
}

/// `sql` takes what to look for, the sequence number to go on after, a limit, and `home` if there is one; it gives sequence numbers, bodies and
/// reasons.
pub(super) async fn page_of(
    connection: &mut SqliteConnection,
    sql: &'static str,
    sought: &str,
    home: Option<&DomainName>,
    bounds: Bounds,
) -> sqlx::Result<Page> {
    // One more than wanted, to know whether any is left.
    let limit = i64::from(bounds.max_rows) + 1;
    let mut page = Page::default();
    let mut after_seq = int(bounds.after_seq);
    let mut cost = 0;
    loop {
        let mut query = sqlx::query(sql).bind(sought).bind(after_seq).bind(limit);
        if let Some(home) = home {
            query = query.bind(home.to_string());
        }
        let mut rows = query.fetch(&mut *connection);
        let mut seen = 0;
        while let Some(row) = rows.try_next().await? {
            if page.rows.len() >= bounds.max_rows as usize || cost > bounds.max_bytes {
                return Ok(page);
            }
            seen += 1;
            let seq: i64 = row.try_get(0)?;
            after_seq = seq;
            match envelope_of(row.try_get(1)?) {
                Ok(envelope) => {
                    cost += envelope.cost();
                    page.rows.push(StoredRow {
                        seq: seq.cast_unsigned(),
                        envelope: Arc::new(envelope),
                        reason: reason_in(row.try_get(2)?),
                    });
                }
                // Left where it is for a version that can.
                Err(error) => tracing::warn!(store.seq = seq, %error, "a stored message cannot be read"),
            }
        }
        // Fewer than asked for: these were the last. Otherwise rows that cannot be read stood in the way of others.
        if seen < limit {
            page.exhausted = true;
            return Ok(page);
        }
    }
}

pub(super) async fn count(
    connection: &mut SqliteConnection,
    requests: &[CountRequest],
) -> sqlx::Result<Vec<u64>> {
    let users = json_users(requests.iter().map(|request| &request.user));
    let except = json_lists(requests.iter().map(|request| json_ids(&request.except)));
    let rows = sqlx::query(COUNT)
        .bind(users)
        .bind(except)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get::<i64, _>(0)?.cast_unsigned()))
        .collect()
}

pub(super) async fn find(connection: &mut SqliteConnection, id: &MessageId) -> sqlx::Result<Option<Waiting>> {
    let row = sqlx::query(FIND)
        .bind(&id.as_bytes()[..])
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (reason, home): (i64, Option<String>) = (row.try_get(0)?, row.try_get(2)?);
    // What a version that knows more has written is not known here.
    Ok(envelope_of(row.try_get(1)?).ok().map(|envelope| Waiting {
        envelope: Arc::new(envelope),
        reason: reason_in(reason),
        home: home.and_then(|home| home.parse().ok()),
    }))
}

pub(super) async fn repeatable_since(
    connection: &mut SqliteConnection,
    since_ms: u64,
    max_rows: u32,
) -> sqlx::Result<Vec<Repeatable>> {
    let mut rows = sqlx::query(REPEATABLE)
        .bind(int(since_ms))
        .bind(i64::from(max_rows))
        .bind(HEAD_LEN_MAX as i64)
        .fetch(connection);
    let mut told = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let arrived: i64 = row.try_get(0)?;
        // Whoever cannot read it cannot recognise it either.
        if let Ok(head) = head_of(row.try_get(1)?)
            && let Some(reference) = head.reference
        {
            told.push(Repeatable {
                id: head.id,
                from: head.from,
                to: head.to,
                reference,
                arrived_ms: arrived.cast_unsigned(),
            });
        }
    }
    Ok(told)
}
