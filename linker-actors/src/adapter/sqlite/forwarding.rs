//! What waits to be handed over to other domains, and whose homes have moved.

use std::collections::HashMap;

use linker_core::id::{DomainName, NodeInstance, UserId};
use linker_core::port::StoreError;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::batch::user_in;
use super::row::{json_nodes, json_places};
use super::writer::Writer;
use crate::adapter::sql::moving::{Party, ROWS_MAX};

/// Every home there is lies behind the empty text, which makes it a search in the index.
pub(super) const BACKLOG: &str = "SELECT home, count(*) FROM inbox WHERE reason = 4 AND home > '' \
     AND (owner IS NULL OR owner NOT IN (SELECT value FROM json_each(?1))) GROUP BY home";

/// One search a user, however much waits for each.
pub(super) const RECIPIENTS: &str = "WITH RECURSIVE walk (recipient, n) AS (\
     SELECT (SELECT min(recipient) FROM inbox WHERE recipient > ?1), 1 \
     UNION ALL SELECT (SELECT min(recipient) FROM inbox WHERE recipient > walk.recipient), n + 1 \
     FROM walk WHERE walk.recipient IS NOT NULL AND n < ?2) \
     SELECT recipient FROM walk WHERE recipient IS NOT NULL";

macro_rules! move_sql {
    ($change:literal, $those:literal) => {
        concat!(
            "UPDATE inbox SET owner = NULL, ",
            $change,
            " WHERE (recipient, seq) IN (SELECT i.recipient, i.seq FROM json_each(?1) AS asked \
              CROSS JOIN inbox AS i ON i.recipient = asked.value ->> 0 AND i.seq > asked.value ->> 1 WHERE ",
            $those,
            " LIMIT ?2) RETURNING recipient, seq"
        )
    };
}
pub(super) const MOVE_AWAY: &str = move_sql!("reason = 4, home = ?3", "(i.reason <> 4 OR i.home IS NOT ?3)");
pub(super) const MOVE_HERE: &str = move_sql!("reason = 3, home = NULL", "i.reason = 4");

pub(super) async fn backlog(
    connection: &mut SqliteConnection,
    spared: &[NodeInstance],
) -> sqlx::Result<Vec<(DomainName, u64)>> {
    let rows = sqlx::query(BACKLOG)
        .bind(json_nodes(spared))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let home = row.try_get::<&str, _>(0)?.parse();
            let home = home.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((home, row.try_get::<i64, _>(1)?.cast_unsigned()))
        })
        .collect()
}

pub(super) async fn recipients(
    connection: &mut SqliteConnection,
    after: Option<&UserId>,
    max: u32,
) -> sqlx::Result<Vec<UserId>> {
    if max == 0 {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(RECIPIENTS)
        .bind(after.map(ToString::to_string).unwrap_or_default())
        .bind(i64::from(max))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| user_in(row, 0)).collect()
}

/// Moves some rows; answers whether there may be more.
async fn move_some(connection: &mut SqliteConnection, party: &mut Party) -> sqlx::Result<bool> {
    let sql = if party.home.is_some() {
        MOVE_AWAY
    } else {
        MOVE_HERE
    };
    let mut query = sqlx::query(sql)
        .bind(json_places(party.users()))
        .bind(ROWS_MAX as i64);
    if let Some(home) = &party.home {
        query = query.bind(home.to_string());
    }
    let rows = query.fetch_all(connection).await?;
    let mut last: HashMap<UserId, i64> = HashMap::new();
    for row in &rows {
        let seq = row.try_get(1)?;
        let newest = last.entry(user_in(row, 0)?).or_insert(seq);
        *newest = seq.max(*newest);
    }
    Ok(party.follow(rows.len(), &last))
}

impl Writer {
    /// One transaction of it; answers whether there may be more.
    pub(super) async fn rehome(&mut self, party: &mut Party) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        match move_some(&mut transaction.connection, party).await {
            Ok(more) => {
                self.commit(transaction).await?;
                Ok(more)
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }
}
