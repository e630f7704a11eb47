//! The statements of one batch, inside the transaction of whoever calls.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use linker_core::envelope::Envelope;
use linker_core::id::{MessageId, UserId};
use linker_core::port::{Insert, InsertOutcome, StoreBatch};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::recent::RecentReferences;
use super::row::{body_of, envelope_of, json_homes, json_ids, json_ints, json_pairs, json_users};
use super::writer::Memory;
use crate::adapter::sql::code::{CLASS_COUNTED, by_home, by_hops, class_of, hops_of, int, reason_of};
use crate::adapter::sql::plan::{self, Existing, Known, Plan, repeatable_of};

/// Which rows have these ids, whether they wait, and how many domains they have left.
pub(super) const FIND_IDS: &str = "SELECT m.id, m.seq, r.seq IS NULL, m.hops FROM json_each(?1) AS asked \
     CROSS JOIN message AS m ON m.id = unhex(asked.value) LEFT JOIN removed AS r ON r.seq = m.seq";

/// Rows of these recipients with these hashes that arrived since, oldest first.
pub(super) const FIND_REFERENCES: &str = "SELECT m.body FROM inbox AS i CROSS JOIN message AS m ON m.seq = i.seq \
     WHERE i.recipient IN (SELECT value FROM json_each(?1)) AND i.dedupe IN (SELECT value FROM json_each(?2)) \
     AND m.stored_ms >= ?3 ORDER BY m.seq";

/// The newest hashes since, as one text: a million rows would take seconds to hand over one by one.
pub(super) const RECENT_REFERENCES: &str = "SELECT count(*), min(stored_ms), max(stored_ms), group_concat(dedupe, ' ') FROM \
     (SELECT stored_ms, dedupe FROM message WHERE stored_ms >= ?1 AND dedupe IS NOT NULL ORDER BY stored_ms DESC LIMIT ?2)";

/// Counted rows, of users who have any.
pub(super) const COUNT_COUNTED: &str = "SELECT recipient, count(*) FROM inbox \
     WHERE recipient IN (SELECT value FROM json_each(?1)) AND class = 1 GROUP BY recipient";

pub(super) const REMOVE_EVENTS: &str = "DELETE FROM inbox WHERE about IS NOT NULL \
     AND (recipient, about) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";

const DELETE_ROWS: &str = "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?1))";
const FORGET_ROWS: &str = "DELETE FROM removed WHERE seq IN (SELECT value FROM json_each(?1))";

/// From the rows just added, of which each has its home or null in the list, sorted as the table is.
const FILL_INBOX: &str = "INSERT INTO inbox (recipient, seq, class, reason, dedupe, about, owner, home) \
     SELECT m.recipient, m.seq, m.class, m.reason, m.dedupe, CASE m.class WHEN 3 THEN m.sender END, \
     CASE WHEN m.reason IN (3, 4) THEN ?3 END, CASE m.reason WHEN 4 THEN given.value END \
     FROM json_each(?2) AS given CROSS JOIN message AS m ON m.seq = ?1 + given.key ORDER BY m.recipient, m.seq";

/// The reason in the row itself is the one it came with, and is asked by nobody.
pub(super) const LET_GO: &str = "UPDATE inbox SET reason = 1, owner = NULL, home = NULL WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.id = unhex(asked.value))";

pub(super) const LEAVE_TO_THOSE_BEHIND: &str = "UPDATE inbox SET reason = 2, owner = NULL, home = NULL WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.id = unhex(asked.value))";

/// By the ids, and not by walking through all that is to be handed over.
pub(super) const REDIRECT: &str = "UPDATE inbox SET owner = ?2, home = ?3 WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.id = unhex(asked.value)) AND +reason = 4";

pub(super) const REMOVE_IDS: &str = "DELETE FROM inbox WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.id = unhex(asked.value)) \
     RETURNING recipient, class";

/// Of messages that another domain has, which had left so many domains.
pub(super) const REMOVE_FORWARDED: &str = "DELETE FROM inbox WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.id = unhex(asked.value) WHERE m.hops <= ?2) \
     RETURNING recipient, class";

/// A message that has come farther than the one in the row.
pub(super) const REPLACE_BODY: &str = "UPDATE message SET body = ?2, hops = ?3 WHERE seq = ?1";

pub(super) const REPLACE_REASON: &str = "UPDATE inbox SET reason = ?3, owner = CASE WHEN ?3 IN (3, 4) THEN ?4 END, home = CASE ?3 WHEN 4 THEN ?5 END \
     WHERE recipient = ?1 AND seq = ?2 AND reason = 4";

/// References taken into memory when the file is opened; should more have arrived within the window, the older ones are looked up.
const RECENT_MAX: i64 = 1_000_000;

/// `INSERT`s of fixed sizes, largest first: each is prepared once, and a thousand rows take ten of them.
static ADD_ROWS: LazyLock<[(usize, Arc<str>); 5]> = LazyLock::new(|| {
    [256, 64, 16, 4, 1].map(|rows| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        let sql = format!(
            "INSERT INTO message (seq, id, recipient, sender, class, reason, stored_ms, dedupe, body, hops) VALUES {values}"
        );
        (rows, sql.into())
    })
});

/// What a batch did, to be taken over into memory once it is committed.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) outcomes: Vec<InsertOutcome>,
    /// Counted rows added and removed, by user.
    pub(super) added: HashMap<UserId, u64>,
    pub(super) subtracted: HashMap<UserId, u64>,
    /// Rows that wait now and did not before.
    pub(super) entered: i64,
    /// Rows that wait no more.
    pub(super) left: i64,
    /// Of those that waited no more: deleted for good.
    pub(super) deleted: i64,
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    batch: &StoreBatch,
) -> sqlx::Result<Written> {
    let mut written = Written::default();
    if !batch.inserts.is_empty() {
        let known = look_up(connection, memory, batch).await?;
        let plan = plan::decide(batch, known);
        written.left += supersede(connection, &plan).await?;
        written.deleted += plan.reused.len() as i64;
        add(connection, memory, batch, &plan.rows).await?;
        replace(connection, batch, &plan.farther).await?;
        written.entered += plan.rows.len() as i64;
        written.outcomes = plan.outcomes;
        written.added = plan.added;
    }
    for (sql, ids) in [(LET_GO, &batch.absent), (LEAVE_TO_THOSE_BEHIND, &batch.behind)] {
        if !ids.is_empty() {
            sqlx::query(sql)
                .bind(json_ids(ids))
                .execute(&mut *connection)
                .await?;
        }
    }
    for (home, ids) in by_home(&batch.redirected) {
        sqlx::query(REDIRECT)
            .bind(json_ids(ids))
            .bind(batch.node.as_ref().map(ToString::to_string))
            .bind(home.to_string())
            .execute(&mut *connection)
            .await?;
    }
    if !batch.deletes.is_empty() {
        let query = sqlx::query(REMOVE_IDS).bind(json_ids(&batch.deletes));
        note_removed(&query.fetch_all(&mut *connection).await?, &mut written)?;
    }
    for (hops, ids) in by_hops(&batch.forwarded) {
        let query = sqlx::query(REMOVE_FORWARDED)
            .bind(json_ids(&ids))
            .bind(i64::from(hops));
        note_removed(&query.fetch_all(&mut *connection).await?, &mut written)?;
    }
    Ok(written)
}

async fn look_up<'b>(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    batch: &'b StoreBatch,
) -> sqlx::Result<Known<'b>> {
    let envelopes = || batch.inserts.iter().map(|insert| &*insert.envelope);
    let ids = find_ids(connection, envelopes()).await?;
    let mut known = Known {
        ids,
        ..Known::default()
    };
    find_references(connection, memory, batch, &mut known).await?;
    let mut unknown = HashSet::new();
    for envelope in envelopes().filter(|envelope| envelope.kind.counts()) {
        match memory.counts.get(&envelope.to) {
            Some(count) => drop(known.counted.insert(envelope.to, count)),
            None => drop(unknown.insert(envelope.to)),
        }
    }
    if !unknown.is_empty() {
        let rows = sqlx::query(COUNT_COUNTED)
            .bind(json_users(&unknown))
            .fetch_all(connection)
            .await?;
        for row in rows {
            let count: i64 = row.try_get(1)?;
            known.counted.insert(user_in(&row, 0)?, count.cast_unsigned());
        }
        for user in unknown {
            let count = *known.counted.entry(user).or_default();
            memory.counts.set(user, count);
        }
    }
    Ok(known)
}

async fn find_ids<'b>(
    connection: &mut SqliteConnection,
    envelopes: impl Iterator<Item = &'b Envelope>,
) -> sqlx::Result<HashMap<MessageId, Existing>> {
    let rows = sqlx::query(FIND_IDS)
        .bind(json_ids(envelopes.map(|envelope| &envelope.id)))
        .fetch_all(connection)
        .await?;
    let mut found = HashMap::new();
    for row in rows {
        let id: [u8; 16] = row
            .try_get::<&[u8], _>(0)?
            .try_into()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let existing = Existing {
            seq: row.try_get(1)?,
            waits: row.try_get(2)?,
            hops: hops_of(row.try_get(3)?),
        };
        found.insert(MessageId::from_bytes(id), existing);
    }
    Ok(found)
}

async fn find_references<'b>(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    batch: &'b StoreBatch,
    known: &mut Known<'b>,
) -> sqlx::Result<()> {
    let key = memory.dedupe_key;
    let hashed: Vec<(i64, &'b Envelope)> = batch
        .inserts
        .iter()
        .filter_map(|insert| Some((key.hash(&insert.envelope)?, &*insert.envelope)))
        .collect();
    if hashed.is_empty() {
        return Ok(());
    }
    let since_ms = batch.dedupe_since_ms;
    let recent = match &mut memory.recent {
        Some(recent) => recent,
        empty => empty.insert(recent_references(connection, since_ms, RECENT_MAX).await?),
    };
    recent.forget_before(since_ms);
    let (hashes, recipients): (HashSet<i64>, HashSet<UserId>) = hashed
        .iter()
        .filter(|(hash, _)| recent.may_contain(*hash, since_ms))
        .map(|(hash, envelope)| (*hash, envelope.to))
        .unzip();
    if hashes.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(FIND_REFERENCES)
        .bind(json_users(&recipients))
        .bind(json_ints(&hashes))
        .bind(int(since_ms))
        .fetch_all(connection)
        .await?;
    // Equal hashes are only a hint; the newest row comes last and wins.
    let mut waiting = HashMap::new();
    for row in rows {
        if let Ok(envelope) = envelope_of(row.try_get(0)?)
            && let Some((from, to, reference)) = repeatable_of(&envelope)
        {
            waiting.insert((from, to, Box::<str>::from(reference)), envelope.id);
        }
    }
    for (_, envelope) in hashed {
        if let Some((from, to, reference)) = repeatable_of(envelope)
            && let Some(id) = waiting.get(&(from, to, Box::from(reference)))
        {
            known.repeatable.insert((from, to, reference), *id);
        }
    }
    Ok(())
}

pub(super) async fn recent_references(
    connection: &mut SqliteConnection,
    since_ms: u64,
    recent_max: i64,
) -> sqlx::Result<RecentReferences> {
    let (count, oldest, newest, hashes): (i64, Option<i64>, Option<i64>, Option<String>) =
        sqlx::query_as(RECENT_REFERENCES)
            .bind(int(since_ms))
            .bind(recent_max)
            .fetch_one(connection)
            .await?;
    let complete_since_ms = match oldest {
        // Others that arrived with the oldest may be missing.
        Some(oldest) if count >= recent_max => oldest.cast_unsigned() + 1,
        _ => since_ms,
    };
    let hashes = hashes.unwrap_or_default();
    let hashes = hashes.split(' ').filter_map(|hash| hash.parse().ok());
    let newest_ms = newest.unwrap_or_default().cast_unsigned();
    Ok(RecentReferences::of(complete_since_ms, hashes, newest_ms))
}

/// Makes way for the plan's rows; answers how many wait no more.
async fn supersede(connection: &mut SqliteConnection, plan: &Plan<'_>) -> sqlx::Result<i64> {
    let mut left = 0;
    if !plan.superseded.is_empty() {
        let done = sqlx::query(REMOVE_EVENTS)
            .bind(json_pairs(&plan.superseded))
            .execute(&mut *connection)
            .await?;
        left += int(done.rows_affected());
    }
    if !plan.reused.is_empty() {
        let seqs = json_ints(&plan.reused);
        for sql in [DELETE_ROWS, FORGET_ROWS] {
            sqlx::query(sql).bind(&seqs).execute(&mut *connection).await?;
        }
    }
    Ok(left)
}

type Chunk<'r, 'b> = (&'static Arc<str>, &'r [Cow<'b, Insert>]);

/// Cuts `rows` into as many as one statement each takes.
fn chunks<'r, 'b>(rows: &'r [Cow<'b, Insert>]) -> impl Iterator<Item = Chunk<'r, 'b>> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let fitting = ADD_ROWS
            .iter()
            .find_map(|(size, sql)| Some((sql, rest.split_at_checked(*size)?)));
        let (sql, (chunk, later)) = fitting?;
        rest = later;
        Some((sql, chunk))
    })
}

/// The statement that adds a chunk, whose rows have the next numbers.
fn addition_of<'q>(
    (sql, chunk): Chunk<'_, '_>,
    memory: &mut Memory,
    batch: &StoreBatch,
) -> Query<'q, Sqlite, SqliteArguments> {
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
    for insert in chunk {
        let envelope = &insert.envelope;
        let hash = memory.dedupe_key.hash(envelope);
        if let (Some(hash), Some(recent)) = (hash, &mut memory.recent) {
            recent.insert(hash, batch.now_ms);
        }
        memory.newest_seq += 1;
        query = query
            .bind(memory.newest_seq)
            .bind(envelope.id.as_bytes().to_vec())
            .bind(envelope.to.to_string())
            .bind(envelope.from.to_string())
            .bind(class_of(envelope.kind))
            .bind(reason_of(insert.reason))
            .bind(int(batch.now_ms))
            .bind(hash)
            .bind(body_of(envelope))
            .bind(i64::from(envelope.hops()));
    }
    query
}

async fn add(
    connection: &mut SqliteConnection,
    memory: &mut Memory,
    batch: &StoreBatch,
    rows: &[Cow<'_, Insert>],
) -> sqlx::Result<()> {
    let first_seq = memory.newest_seq + 1;
    let mut chunks = chunks(rows);
    let mut next = chunks.next().map(|chunk| addition_of(chunk, memory, batch));
    while let Some(addition) = next {
        // While the connection's thread writes these, the next ones are encoded here.
        let writing = addition.execute(&mut *connection);
        let encoding = async { chunks.next().map(|chunk| addition_of(chunk, memory, batch)) };
        let (written, following) = tokio::join!(writing, encoding);
        written?;
        next = following;
    }
    if !rows.is_empty() {
        sqlx::query(FILL_INBOX)
            .bind(first_seq)
            .bind(json_homes(rows.iter().map(|insert| insert.home.as_ref())))
            .bind(batch.node.as_ref().map(ToString::to_string))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// One row at a time: messages hardly ever come back while they are still here.
async fn replace(
    connection: &mut SqliteConnection,
    batch: &StoreBatch,
    farther: &[(i64, Cow<'_, Insert>)],
) -> sqlx::Result<()> {
    for (seq, insert) in farther {
        let envelope = &insert.envelope;
        sqlx::query(REPLACE_BODY)
            .bind(seq)
            .bind(body_of(envelope))
            .bind(i64::from(envelope.hops()))
            .execute(&mut *connection)
            .await?;
        sqlx::query(REPLACE_REASON)
            .bind(envelope.to.to_string())
            .bind(seq)
            .bind(reason_of(insert.reason))
            .bind(batch.node.as_ref().map(ToString::to_string))
            .bind(insert.home.as_ref().map(ToString::to_string))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn note_removed(rows: &[SqliteRow], written: &mut Written) -> sqlx::Result<()> {
    written.left += rows.len() as i64;
    for row in rows {
        if row.try_get::<i64, _>(1)? == i64::from(CLASS_COUNTED) {
            *written.subtracted.entry(user_in(row, 0)?).or_default() += 1;
        }
    }
    Ok(())
}

pub(super) fn user_in(row: &SqliteRow, column: usize) -> sqlx::Result<UserId> {
    row.try_get::<&str, _>(column)?
        .parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
