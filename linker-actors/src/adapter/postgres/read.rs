//! Reading: pages, counts, and what can be repeated.

use std::sync::Arc;

use futures_util::TryStreamExt;
use linker_core::envelope::HEAD_LEN_MAX;
use linker_core::id::MessageId;
use linker_core::port::{CountRequest, Page, PageFilter, PageRequest, Repeatable, StoredRow, Waiting};
use sqlx::Row;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::row::{CLOCKS_APART_MS, envelope_of, head_of, made_at, uuid_of};
use crate::adapter::sql::code::{int, reason_in};

/// Rows beyond the bytes asked for come without their bodies, to tell that they are there.
macro_rules! page_sql {
    ($and:literal) => {
        concat!(
            "SELECT seq, CASE WHEN before <= $4 THEN body END, reason FROM \
             (SELECT seq, body, reason, sum(cost) OVER (ORDER BY seq) - cost AS before FROM \
             (SELECT seq, body, reason, cost FROM linker_message WHERE recipient = $1 AND seq > $2",
            $and,
            " ORDER BY seq LIMIT $3) AS oldest) AS summed ORDER BY seq"
        )
    };
}
pub(super) const PAGE_ALL: &str = page_sql!("");
pub(super) const PAGE_BEHIND: &str = page_sql!(" AND reason = 2");

/// All that wait for each user, less those named that do. By id and not by recipient, of whom there may be many rows more.
pub(super) const COUNT: &str = "SELECT \
    (SELECT count(*) FROM linker_message AS m WHERE m.recipient = asked.recipient) - \
    (SELECT count(*) FROM linker_message AS m WHERE m.id = ANY(($2::uuid[])[asked.first:asked.last]) \
     AND m.recipient || '' = asked.recipient) \
    FROM unnest($1::text[], $3::int4[], $4::int4[]) WITH ORDINALITY AS asked (recipient, first, last, n) ORDER BY asked.n";

pub(super) const FIND: &str = "SELECT reason, body, home FROM linker_message WHERE id = $1";

/// What was made at `$4` or after it. What was on its way for longer is passed over: it is found where it is stored again.
pub(super) const REPEATABLE: &str = "SELECT stored_ms, substring(body FROM 1 FOR $3) FROM linker_message \
    WHERE id >= $4 AND stored_ms >= $1 AND dedupe IS NOT NULL ORDER BY id DESC LIMIT $2";

pub(super) async fn page(connection: &mut PgConnection, request: &PageRequest) -> sqlx::Result<Page> {
    let sql = match request.filter {
        PageFilter::All => PAGE_ALL,
        PageFilter::Behind => PAGE_BEHIND,
    };
    // One more than wanted, to know whether any is left.
    let limit = i64::from(request.max_rows) + 1;
    let user = request.user.to_string();
    let mut page = Page::default();
    let mut after_seq = int(request.after_seq);
    let mut cost = 0;
    loop {
        let mut rows = sqlx::query(sql)
            .bind(&user)
            .bind(after_seq)
            .bind(limit)
            .bind(int(request.max_bytes as u64))
            .fetch(&mut *connection);
        let mut seen = 0;
        let mut cut_off = false;
        while let Some(row) = rows.try_next().await? {
            let body: Option<Vec<u8>> = row.try_get(1)?;
            let full = page.rows.len() >= request.max_rows as usize || cost > request.max_bytes;
            let Some(body) = body.filter(|_| !full) else {
                cut_off = true;
                continue;
            };
            seen += 1;
            let seq: i64 = row.try_get(0)?;
            after_seq = seq;
            match envelope_of(body) {
                Ok(envelope) => {
                    cost += envelope.cost();
                    page.rows.push(StoredRow {
                        seq: seq.cast_unsigned(),
                        envelope: Arc::new(envelope),
                        reason: reason_in(row.try_get::<i16, _>(2)?.into()),
                    });
                }
                // Left where it is for a version that can.
                Err(error) => tracing::warn!(store.seq = seq, %error, "a stored message cannot be read"),
            }
        }
        drop(rows);
        let full = page.rows.len() >= request.max_rows as usize || cost > request.max_bytes;
        if !cut_off && seen < limit {
            page.exhausted = true;
            return Ok(page);
        }
        // Otherwise rows that cannot be read stood in the way of others.
        if full || !page.rows.is_empty() {
            return Ok(page);
        }
    }
}

pub(super) async fn count(
    connection: &mut PgConnection,
    requests: &[CountRequest],
) -> sqlx::Result<Vec<u64>> {
    let mut except: Vec<Uuid> = Vec::new();
    let mut first = Vec::with_capacity(requests.len());
    let mut last = Vec::with_capacity(requests.len());
    for request in requests {
        // SQL counts from one, and includes the last.
        first.push(except.len() as i32 + 1);
        except.extend(request.except.iter().map(uuid_of));
        last.push(except.len() as i32);
    }
    let users: Vec<String> = requests.iter().map(|request| request.user.to_string()).collect();
    let rows = sqlx::query(COUNT)
        .bind(users)
        .bind(except)
        .bind(first)
        .bind(last)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get::<i64, _>(0)?.cast_unsigned()))
        .collect()
}

pub(super) async fn find(connection: &mut PgConnection, id: &MessageId) -> sqlx::Result<Option<Waiting>> {
    let row = sqlx::query(FIND)
        .bind(uuid_of(id))
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (reason, home): (i16, Option<String>) = (row.try_get(0)?, row.try_get(2)?);
    // What a version that knows more has written is not known here.
    Ok(envelope_of(row.try_get(1)?).ok().map(|envelope| Waiting {
        envelope: Arc::new(envelope),
        reason: reason_in(reason.into()),
        home: home.and_then(|home| home.parse().ok()),
    }))
}

pub(super) async fn repeatable_since(
    connection: &mut PgConnection,
    since_ms: u64,
    max_rows: u32,
) -> sqlx::Result<Vec<Repeatable>> {
    let mut rows = sqlx::query(REPEATABLE)
        .bind(int(since_ms))
        .bind(i64::from(max_rows))
        .bind(HEAD_LEN_MAX as i32)
        .bind(made_at(since_ms.saturating_sub(CLOCKS_APART_MS)))
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
    told.sort_by_key(|row| std::cmp::Reverse(row.arrived_ms));
    Ok(told)
}
