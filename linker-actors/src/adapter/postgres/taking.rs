//! What is found and changed in one statement: rows that a node left, and rows that are too old. Two nodes that do it at the same time pass over each
//! other's rows instead of waiting.

use std::sync::Arc;

use linker_core::envelope::Envelope;
use linker_core::port::{Page, StoredRow, TakeOver, WaitReason};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::row::{CLOCKS_APART_MS, envelope_of, made_at};
use crate::adapter::sql::code::int;

/// Of the rows of `found`, which are locked and one more than wanted, to know whether any is left, those within the bounds become the taker's. What is
/// its own already is not written again: it asks for the same rows until they are handed over.
macro_rules! take_over_sql {
    ($found:literal) => {
        concat!(
            $found,
            ", chosen AS MATERIALIZED (SELECT seq, id, owner, body FROM (SELECT seq, id, owner, body, \
                row_number() OVER (ORDER BY seq) AS n, sum(cost) OVER (ORDER BY seq) - cost AS before FROM found) AS summed \
                WHERE n <= $3 AND before <= $4), \
             given AS (UPDATE linker_message SET owner = $5 \
                WHERE id = ANY(ARRAY(SELECT id FROM chosen WHERE owner IS DISTINCT FROM $5))) \
             SELECT seq, body, NULL::int8 FROM chosen UNION ALL SELECT NULL, NULL, count(*) FROM found"
        )
    };
}

pub(super) const TAKE_OVER: &str = take_over_sql!(
    "WITH found AS MATERIALIZED (SELECT seq, id, cost, owner, body FROM linker_message WHERE reason = 3 AND seq > $1 \
        AND (owner IS NULL OR owner <> ALL($2::text[])) ORDER BY seq LIMIT $3 + 1 FOR UPDATE SKIP LOCKED)"
);

/// Owner by owner, lest a million rows of those who are spared be walked through to find that nothing is left. Owners are looked for from the end: each
/// has its newest row there, while what went lately lies at the beginning.
pub(super) const TAKE_OVER_FOR_HOME: &str = take_over_sql!(
    "WITH RECURSIVE owners (owner) AS (\
        (SELECT owner FROM linker_message WHERE reason = 4 AND home = $6 AND owner > '' ORDER BY owner DESC LIMIT 1) \
        UNION ALL SELECT next.owner FROM owners CROSS JOIN LATERAL (SELECT m.owner FROM linker_message AS m \
            WHERE m.reason = 4 AND m.home = $6 AND m.owner < owners.owner ORDER BY m.owner DESC LIMIT 1) AS next), \
     found AS MATERIALIZED (SELECT * FROM (\
        SELECT of_one.* FROM owners CROSS JOIN LATERAL (SELECT seq, id, cost, owner, body FROM linker_message AS m \
            WHERE m.reason = 4 AND m.home = $6 AND m.owner = owners.owner AND m.seq > $1 \
            ORDER BY m.seq LIMIT $3 + 1 FOR UPDATE SKIP LOCKED) AS of_one WHERE owners.owner <> ALL($2::text[]) \
        UNION ALL SELECT * FROM (SELECT seq, id, cost, owner, body FROM linker_message \
            WHERE reason = 4 AND home = $6 AND owner IS NULL AND seq > $1 \
            ORDER BY owner, seq LIMIT $3 + 1 FOR UPDATE SKIP LOCKED) AS of_nobody) AS left_over ORDER BY seq LIMIT $3 + 1)"
);

/// Whether anything waits for this home that is the taker's or nobody's, whoever has his hands on it just now.
pub(super) const LEFT_FOR_HOME: &str = "SELECT EXISTS (SELECT FROM linker_message WHERE reason = 4 AND home = $1 AND owner = $2 AND seq > $3) \
    OR EXISTS (SELECT FROM linker_message WHERE reason = 4 AND home = $1 AND owner IS NULL AND seq > $3)";

/// What arrived before `$1` was made before `$3`.
pub(super) const EXPIRE: &str = "DELETE FROM linker_message WHERE id = ANY(ARRAY(\
    SELECT id FROM linker_message WHERE id < $3 AND stored_ms < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)) \
    RETURNING seq, body, stored_ms";

pub(super) async fn take_over(connection: &mut PgConnection, request: &TakeOver) -> sqlx::Result<Page> {
    let spared: Vec<String> = request.spared.iter().map(ToString::to_string).collect();
    let (sql, reason) = match &request.home {
        Some(_) => (TAKE_OVER_FOR_HOME, WaitReason::Forward),
        None => (TAKE_OVER, WaitReason::Fault),
    };
    let mut query = sqlx::query(sql)
        .bind(int(request.after_seq))
        .bind(spared)
        .bind(i64::from(request.max_rows))
        .bind(int(request.max_bytes as u64))
        .bind(request.node.as_ref().map(ToString::to_string));
    if let Some(home) = &request.home {
        query = query.bind(home.to_string());
    }
    let rows = query.fetch_all(&mut *connection).await?;
    let mut page = Page::default();
    let mut given = 0;
    for row in rows {
        let Some(seq) = row.try_get::<Option<i64>, _>(0)? else {
            page.exhausted = row.try_get::<i64, _>(2)? == given;
            continue;
        };
        given += 1;
        if let Some(envelope) = readable(&row, seq)? {
            page.rows.push(StoredRow {
                seq: seq.cast_unsigned(),
                envelope,
                reason,
            });
        }
    }
    page.rows.sort_unstable_by_key(|row| row.seq);
    if let Some(home) = request
        .home
        .as_ref()
        .filter(|_| page.rows.is_empty() && page.exhausted)
    {
        // Somebody who removes what was sent on locks a row that has come back, and leaves it: were it passed over, nobody might look again.
        let own = request
            .node
            .as_ref()
            .filter(|node| !request.spared.contains(node));
        let (left,) = sqlx::query_as::<_, (bool,)>(LEFT_FOR_HOME)
            .bind(home.to_string())
            .bind(own.map(ToString::to_string))
            .bind(int(request.after_seq))
            .fetch_one(connection)
            .await?;
        page.exhausted = !left;
    }
    Ok(page)
}

pub(super) async fn expire(
    connection: &mut PgConnection,
    before_ms: u64,
    max_rows: u32,
) -> sqlx::Result<Vec<Arc<Envelope>>> {
    let rows = sqlx::query(EXPIRE)
        .bind(int(before_ms))
        .bind(i64::from(max_rows))
        .bind(made_at(before_ms.saturating_add(CLOCKS_APART_MS)))
        .fetch_all(connection)
        .await?;
    let mut expired = Vec::with_capacity(rows.len());
    for row in rows {
        let seq: i64 = row.try_get(0)?;
        if let Some(envelope) = readable(&row, seq)? {
            expired.push((row.try_get::<i64, _>(2)?, seq, envelope));
        }
    }
    expired.sort_unstable_by_key(|(stored_ms, seq, _)| (*stored_ms, *seq));
    Ok(expired.into_iter().map(|(_, _, envelope)| envelope).collect())
}

fn readable(row: &PgRow, seq: i64) -> sqlx::Result<Option<Arc<Envelope>>> {
    match envelope_of(row.try_get(1)?) {
        Ok(envelope) => Ok(Some(Arc::new(envelope))),
        Err(error) => {
            tracing::warn!(store.seq = seq, %error, "a stored message cannot be read");
            Ok(None)
        }
    }
}
