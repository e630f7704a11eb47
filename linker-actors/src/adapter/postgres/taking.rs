//! What is found and changed in one statement: rows that a node left, and rows that are too old. Two nodes that do it at the same time pass over each
//! other's rows instead of waiting.

use std::sync::Arc;

use linker_core::envelope::Envelope;
use linker_core::port::{Page, StoredRow, TakeOver, WaitReason};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::row::envelope_of;
use crate::adapter::sql::code::int;

/// Locks one row more than wanted, to know whether any is left.
pub(super) const TAKE_OVER: &str = "WITH \
    found AS MATERIALIZED (SELECT seq, id, cost FROM linker_message WHERE reason = 3 AND seq > $1 \
        AND (owner IS NULL OR owner <> ALL($2::text[])) ORDER BY seq LIMIT $3 + 1 FOR UPDATE SKIP LOCKED), \
    chosen AS MATERIALIZED (SELECT id FROM (SELECT id, row_number() OVER (ORDER BY seq) AS n, \
        sum(cost) OVER (ORDER BY seq) - cost AS before FROM found) AS summed WHERE n <= $3 AND before <= $4), \
    given AS (UPDATE linker_message SET owner = $5 WHERE id = ANY(ARRAY(SELECT id FROM chosen)) RETURNING seq, body) \
    SELECT seq, body, (SELECT count(*) FROM found) AS found FROM given \
    UNION ALL SELECT NULL, NULL, count(*) FROM found";

pub(super) const EXPIRE: &str = "DELETE FROM linker_message WHERE id = ANY(ARRAY(\
    SELECT id FROM linker_message WHERE stored_ms < $1 ORDER BY stored_ms, seq LIMIT $2 FOR UPDATE SKIP LOCKED)) \
    RETURNING seq, body, stored_ms";

pub(super) async fn take_over(connection: &mut PgConnection, request: &TakeOver) -> sqlx::Result<Page> {
    let spared: Vec<String> = request.spared.iter().map(ToString::to_string).collect();
    let rows = sqlx::query(TAKE_OVER)
        .bind(int(request.after_seq))
        .bind(spared)
        .bind(i64::from(request.max_rows))
        .bind(int(request.max_bytes as u64))
        .bind(request.node.as_ref().map(ToString::to_string))
        .fetch_all(connection)
        .await?;
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
                reason: WaitReason::Fault,
            });
        }
    }
    page.rows.sort_unstable_by_key(|row| row.seq);
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
