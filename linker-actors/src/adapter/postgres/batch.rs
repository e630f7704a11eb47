//! The statements of one batch, inside the transaction of whoever calls.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use linker_core::id::{MessageId, UserId};
use linker_core::port::{Insert, InsertOutcome, StoreBatch};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use uuid::Uuid;

use super::row::{DedupeKey, append_body, id_of, stripe_of, uuid_of};
use crate::adapter::sql::code::{by_home, by_hops, class_of, hops_of, int, reason_of};
use crate::adapter::sql::inbox_counts::InboxCounts;
use crate::adapter::sql::plan::{self, Existing, Known, Plan, repeatable_of};

/// Advisory locks of this adapter have this first number: "LNKR".
const STRIPE_LOCKS: i32 = 0x4c4e_4b52;

/// For hashes the newest row that arrived since; for recipients how many of their rows count.
/// `seq + 0`, lest the newest be looked for by walking backwards through everything.
/// `stored_ms + 0`, lest all that arrived since be gathered for every hash that is found.
pub(super) const LOOK_UP: &str = "\
    SELECT newest.id, asked.n, NULL::int8 AS counted FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (dedupe, n) \
    CROSS JOIN LATERAL (SELECT m.id FROM linker_message AS m WHERE m.dedupe = asked.dedupe AND m.stored_ms + 0 >= $2 \
                        ORDER BY m.seq + 0 DESC LIMIT 1) AS newest \
    UNION ALL \
    SELECT NULL, asked.n, (SELECT count(*) FROM linker_message AS m WHERE m.recipient = asked.recipient AND m.class = 1) \
    FROM unnest($3::text[]) WITH ORDINALITY AS asked (recipient, n)";

/// Ids that are there, and how many domains they have left.
pub(super) const FIND_IDS: &str = "SELECT m.id, m.hops FROM linker_message AS m WHERE m.id = ANY($1::uuid[])";

/// There is at most one for each; the limit says so to the planner, which would otherwise walk through all events.
pub(super) const REMOVE_EVENTS: &str = "DELETE FROM linker_message AS m WHERE m.id = ANY(ARRAY(\
    SELECT e.id FROM unnest($1::text[], $2::text[]) AS asked (recipient, sender) \
    CROSS JOIN LATERAL (SELECT id FROM linker_message \
                        WHERE recipient = asked.recipient AND sender = asked.sender AND class = 3 LIMIT 1) AS e))";

/// In the order of the arrays, as sequence numbers go. For ids that nobody has looked for: one that is there already ends the transaction.
macro_rules! add_sql {
    ($conflict:literal) => {
        concat!(
            "INSERT INTO linker_message AS m (id, recipient, sender, class, reason, owner, home, stored_ms, dedupe, cost, body, hops) \
             SELECT id, recipient, sender, class, reason, CASE WHEN reason IN (3, 4) THEN $9 END, CASE reason WHEN 4 THEN home END, \
                    $10, dedupe, cost, body, hops \
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int2[], $5::int2[], $6::uuid[], $7::int4[], $8::bytea[], $11::text[], $12::int2[]) \
             WITH ORDINALITY AS given (id, recipient, sender, class, reason, dedupe, cost, body, home, hops, place) ORDER BY place",
            $conflict
        )
    };
}

const ADD: &str = add_sql!("");

/// What is there already stays, unless its message has come farther since: another node may just be removing what it has sent on.
const ADD_WHERE_MISSING: &str = add_sql!(
    " ON CONFLICT (id) DO UPDATE SET body = excluded.body, hops = excluded.hops, \
    reason = CASE m.reason WHEN 4 THEN excluded.reason ELSE m.reason END, \
    owner = CASE m.reason WHEN 4 THEN excluded.owner ELSE m.owner END, \
    home = CASE m.reason WHEN 4 THEN excluded.home ELSE m.home END \
    WHERE m.hops < excluded.hops"
);

pub(super) const LET_GO: &str = "UPDATE linker_message SET reason = 1, owner = NULL, home = NULL WHERE id = ANY($1::uuid[]) AND reason <> 1";

pub(super) const LEAVE_TO_THOSE_BEHIND: &str = "UPDATE linker_message SET reason = 2, owner = NULL, home = NULL WHERE id = ANY($1::uuid[]) AND reason <> 2";

pub(super) const REDIRECT: &str =
    "UPDATE linker_message SET owner = $2, home = $3 WHERE id = ANY($1::uuid[]) AND reason = 4";

pub(super) const REMOVE_IDS: &str = "DELETE FROM linker_message WHERE id = ANY($1::uuid[])";

/// Of messages that another domain has, which had left so many domains.
pub(super) const REMOVE_FORWARDED: &str =
    "DELETE FROM linker_message WHERE id = ANY($1::uuid[]) AND hops <= $2";

/// Begins the transaction, and locks the recipients' stripes, in the same order as everybody else.
pub(super) async fn begin(connection: &mut PgConnection, batch: &StoreBatch) -> sqlx::Result<()> {
    let mut sql = String::from("BEGIN");
    let stripes: BTreeSet<i32> = batch
        .inserts
        .iter()
        .map(|insert| stripe_of(&insert.envelope.to))
        .collect();
    if !stripes.is_empty() {
        let list: Vec<String> = stripes.iter().map(ToString::to_string).collect();
        // Writing to a string does not fail.
        let _ = write!(
            sql,
            "; SELECT count(pg_advisory_xact_lock({STRIPE_LOCKS}, stripe)) FROM unnest('{{{}}}'::int4[]) AS stripe",
            list.join(",")
        );
    }
    // One round trip, and numbers only.
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
}

/// What is needed to decide a batch, besides the database.
pub(super) struct Memory {
    pub(super) dedupe_key: DedupeKey,
    /// Rows that count, at least as many as there were when they were last counted and were added here since; deletes are not subtracted.
    pub(super) counts: Mutex<InboxCounts>,
}

impl Memory {
    /// Nothing is left half-changed while it is held.
    pub(super) fn counts(&self) -> MutexGuard<'_, InboxCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether rows may be there that have ids of the batch. Almost never, so they are looked for only where something says that they might: finding nothing a
/// thousand times, and minding conflicts that do not come, takes a quarter of a transaction's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    New,
    MayBeThere,
}

/// # Errors
/// Nothing has been committed.
pub(super) async fn write(
    connection: &mut PgConnection,
    memory: &Memory,
    batch: &StoreBatch,
    mut ids: Ids,
) -> sqlx::Result<(Vec<InsertOutcome>, HashMap<UserId, u64>)> {
    let mut outcomes = Vec::new();
    let mut added = HashMap::new();
    if !batch.inserts.is_empty() {
        let mut known = look_up(connection, memory, batch).await?;
        if ids == Ids::New && is_doubtful(batch, &known) {
            ids = Ids::MayBeThere;
        }
        if ids == Ids::MayBeThere {
            known.ids = find_ids(connection, batch).await?;
        }
        let plan = plan::decide(batch, known);
        supersede(connection, &plan).await?;
        let farther = plan.farther.iter().map(|(_, insert)| insert);
        let rows: Vec<&Insert> = plan.rows.iter().chain(farther).map(|row| &**row).collect();
        let sql = match ids {
            Ids::New => ADD,
            Ids::MayBeThere => ADD_WHERE_MISSING,
        };
        add(connection, memory, batch, &rows, sql).await?;
        outcomes = plan.outcomes;
        added = plan.added;
    }
    if !batch.absent.is_empty() {
        change(connection, LET_GO, batch.absent.iter().map(uuid_of).collect()).await?;
    }
    if !batch.behind.is_empty() {
        let ids = batch.behind.iter().map(uuid_of).collect();
        change(connection, LEAVE_TO_THOSE_BEHIND, ids).await?;
    }
    for (home, ids) in by_home(&batch.redirected) {
        sqlx::query(REDIRECT)
            .bind(sorted(ids.into_iter().map(uuid_of).collect()))
            .bind(batch.node.as_ref().map(ToString::to_string))
            .bind(home.to_string())
            .execute(&mut *connection)
            .await?;
    }
    if !batch.deletes.is_empty() {
        change(
            connection,
            REMOVE_IDS,
            batch.deletes.iter().map(uuid_of).collect(),
        )
        .await?;
    }
    for (hops, ids) in by_hops(&batch.forwarded) {
        let ids = sorted(ids.iter().map(uuid_of).collect());
        sqlx::query(REMOVE_FORWARDED)
            .bind(ids)
            .bind(i16::from(hops))
            .execute(&mut *connection)
            .await?;
    }
    Ok((outcomes, added))
}

/// `ids` in order, so that two who change the same rows wait for each other instead of for ever.
pub(super) async fn change(
    connection: &mut PgConnection,
    sql: &'static str,
    ids: Vec<Uuid>,
) -> sqlx::Result<()> {
    sqlx::query(sql).bind(sorted(ids)).execute(connection).await?;
    Ok(())
}

fn sorted(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

async fn look_up<'b>(
    connection: &mut PgConnection,
    memory: &Memory,
    batch: &'b StoreBatch,
) -> sqlx::Result<Known<'b>> {
    let envelopes = || batch.inserts.iter().map(|insert| &*insert.envelope);
    let hashed: Vec<_> = envelopes()
        .filter_map(|envelope| Some((memory.dedupe_key.hash(envelope)?, repeatable_of(envelope)?)))
        .collect();
    let hashes: Vec<Uuid> = hashed.iter().map(|(hash, _)| *hash).collect();
    let mut known = Known::default();
    let unsure = counted_in_memory(memory, batch, &mut known);
    let rows = sqlx::query(LOOK_UP)
        .bind(hashes)
        .bind(int(batch.dedupe_since_ms))
        .bind(unsure.iter().map(ToString::to_string).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for row in rows {
        let place = place(&row)?;
        if let Some(id) = row.try_get::<Option<Uuid>, _>(0)? {
            if let Some((_, repeatable)) = hashed.get(place) {
                known.repeatable.insert(*repeatable, id_of(id));
            }
        } else if let Some(user) = unsure.get(place) {
            let counted = row.try_get::<i64, _>(2)?.cast_unsigned();
            memory.counts().set(*user, counted);
            known.counted.insert(*user, counted);
        }
    }
    Ok(known)
}

/// Whether it matters which ids are there before a row is added, or although none is: an event that is there keeps its place, a message is no repetition of
/// itself, and one that is there finds its inbox never full.
fn is_doubtful(batch: &StoreBatch, known: &Known<'_>) -> bool {
    let repeats = batch.inserts.iter().any(|insert| {
        repeatable_of(&insert.envelope)
            .is_some_and(|key| known.repeatable.get(&key) == Some(&insert.envelope.id))
    });
    let events = batch.inserts.iter().any(|insert| insert.envelope.kind.is_event());
    events
        || repeats
        || known
            .counted
            .values()
            .any(|counted| counted.saturating_add(batch.inserts.len() as u64) > batch.max_per_user)
}

async fn find_ids(
    connection: &mut PgConnection,
    batch: &StoreBatch,
) -> sqlx::Result<HashMap<MessageId, Existing>> {
    let ids: Vec<Uuid> = batch
        .inserts
        .iter()
        .map(|insert| uuid_of(&insert.envelope.id))
        .collect();
    let rows = sqlx::query(FIND_IDS).bind(ids).fetch_all(connection).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let existing = Existing {
            seq: 0,
            waits: true,
            hops: hops_of(row.try_get::<i16, _>(1)?.into()),
        };
        found.insert(id_of(row.try_get(0)?), existing);
    }
    Ok(found)
}

/// Where what was asked for stands in its list; SQL counts from one.
fn place(row: &PgRow) -> sqlx::Result<usize> {
    let place = row.try_get::<i64, _>(1)? - 1;
    usize::try_from(place).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Takes the counts that are far enough from the limit to be relied on, and answers whose are to be asked for: other nodes add rows too, and
/// nobody tells of those removed.
fn counted_in_memory(memory: &Memory, batch: &StoreBatch, known: &mut Known<'_>) -> Vec<UserId> {
    let mut adds: HashMap<UserId, u64> = HashMap::new();
    for insert in batch
        .inserts
        .iter()
        .filter(|insert| insert.envelope.kind.counts())
    {
        *adds.entry(insert.envelope.to).or_default() += 1;
    }
    let mut unsure = HashSet::new();
    for (user, adds) in adds {
        match memory.counts().get(&user) {
            Some(count) if count.saturating_add(adds) <= batch.max_per_user / 2 => {
                known.counted.insert(user, count);
            }
            _ => drop(unsure.insert(user)),
        }
    }
    unsure.into_iter().collect()
}

async fn supersede(connection: &mut PgConnection, plan: &Plan<'_>) -> sqlx::Result<()> {
    if plan.superseded.is_empty() {
        return Ok(());
    }
    let (recipients, senders): (Vec<String>, Vec<String>) = plan
        .superseded
        .iter()
        .map(|(to, from)| (to.to_string(), from.to_string()))
        .unzip();
    sqlx::query(REMOVE_EVENTS)
        .bind(recipients)
        .bind(senders)
        .execute(connection)
        .await?;
    Ok(())
}

async fn add(
    connection: &mut PgConnection,
    memory: &Memory,
    batch: &StoreBatch,
    rows: &[&Insert],
    sql: &'static str,
) -> sqlx::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let envelopes = || rows.iter().map(|insert| &*insert.envelope);
    let mut bodies = BytesMut::new();
    let ends: Vec<usize> = envelopes()
        .map(|envelope| {
            append_body(envelope, &mut bodies);
            bodies.len()
        })
        .collect();
    let begins = std::iter::once(0).chain(ends.iter().copied());
    let bodies: Vec<&[u8]> = begins
        .zip(&ends)
        .map(|(begin, end)| &bodies[begin..*end])
        .collect();
    sqlx::query(sql)
        .bind(
            envelopes()
                .map(|envelope| uuid_of(&envelope.id))
                .collect::<Vec<_>>(),
        )
        .bind(
            envelopes()
                .map(|envelope| envelope.to.to_string())
                .collect::<Vec<_>>(),
        )
        .bind(
            envelopes()
                .map(|envelope| envelope.from.to_string())
                .collect::<Vec<_>>(),
        )
        .bind(
            envelopes()
                .map(|envelope| class_of(envelope.kind))
                .collect::<Vec<_>>(),
        )
        .bind(
            rows.iter()
                .map(|insert| reason_of(insert.reason))
                .collect::<Vec<_>>(),
        )
        .bind(
            envelopes()
                .map(|envelope| memory.dedupe_key.hash(envelope))
                .collect::<Vec<_>>(),
        )
        .bind(
            envelopes()
                .map(|envelope| cost_of(envelope.cost()))
                .collect::<Vec<_>>(),
        )
        .bind(bodies)
        .bind(batch.node.as_ref().map(ToString::to_string))
        .bind(int(batch.now_ms))
        .bind(
            rows.iter()
                .map(|insert| insert.home.as_ref().map(ToString::to_string))
                .collect::<Vec<_>>(),
        )
        .bind(
            envelopes()
                .map(|envelope| i16::from(envelope.hops()))
                .collect::<Vec<_>>(),
        )
        .execute(connection)
        .await?;
    Ok(())
}

/// Frames are bounded far below 2 GiB.
fn cost_of(cost: usize) -> i32 {
    i32::try_from(cost).unwrap_or(i32::MAX)
}
