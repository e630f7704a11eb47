//! What waits to be handed over to other domains, and whose homes have moved.

use std::collections::HashMap;

use linker_core::id::{DomainName, NodeInstance, UserId};
use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use crate::adapter::sql::moving::{Party, ROWS_MAX};

/// Counts node by node, and none of the rows of those who are spared; from the end, as [`super::taking::TAKE_OVER_FOR_HOME`] does.
/// Every owner comes before the tilde, for no name begins with one; in this direction, nobody comes before all.
pub(super) const BACKLOG: &str = "WITH RECURSIVE places (home, owner) AS (\
    (SELECT home, owner FROM linker_message WHERE reason = 4 AND home > '' ORDER BY home DESC, owner DESC LIMIT 1) \
    UNION ALL SELECT next.home, next.owner FROM places CROSS JOIN LATERAL (SELECT m.home, m.owner FROM linker_message AS m \
        WHERE m.reason = 4 AND (m.home, m.owner) < (places.home, coalesce(places.owner, '~')) \
        ORDER BY m.home DESC, m.owner DESC LIMIT 1) AS next) \
    SELECT home, sum(waiting)::int8 FROM (SELECT home, CASE WHEN owner IS NULL \
        THEN (SELECT count(*) FROM linker_message AS m WHERE m.reason = 4 AND m.home = places.home AND m.owner IS NULL) \
        ELSE (SELECT count(*) FROM linker_message AS m WHERE m.reason = 4 AND m.home = places.home AND m.owner = places.owner) \
        END AS waiting FROM places WHERE owner IS NULL OR owner <> ALL($1::text[])) AS counted GROUP BY home";

/// One search a user, however much waits for each.
pub(super) const RECIPIENTS: &str = "WITH RECURSIVE walk (recipient, n) AS (\
    (SELECT recipient, 1::int8 FROM linker_message WHERE recipient > $1 ORDER BY recipient LIMIT 1) \
    UNION ALL SELECT (SELECT m.recipient FROM linker_message AS m WHERE m.recipient > walk.recipient ORDER BY m.recipient LIMIT 1), n + 1 \
    FROM walk WHERE walk.recipient IS NOT NULL AND n < $2) \
    SELECT recipient FROM walk WHERE recipient IS NOT NULL ORDER BY n";

/// Rows are locked in the order of their ids, as everybody does, and only those that still are as they were found.
macro_rules! move_sql {
    ($change:literal, $those:literal) => {
        concat!(
            "WITH found AS MATERIALIZED (SELECT waiting.id, waiting.seq, asked.recipient \
                FROM unnest($1::text[], $2::int8[]) AS asked (recipient, after) CROSS JOIN LATERAL \
                (SELECT id, seq FROM linker_message WHERE recipient = asked.recipient AND seq > asked.after AND ",
            $those,
            " ORDER BY recipient, seq LIMIT $3) AS waiting LIMIT $3), \
             moved AS (UPDATE linker_message SET owner = NULL, ",
            $change,
            " WHERE id = ANY(ARRAY(SELECT id FROM found)) AND ",
            $those,
            ") SELECT recipient, max(seq), count(*) FROM found GROUP BY recipient"
        )
    };
}
pub(super) const MOVE_AWAY: &str = move_sql!(
    "reason = 4, home = $4",
    "(reason <> 4 OR home IS DISTINCT FROM $4)"
);
pub(super) const MOVE_HERE: &str = move_sql!("reason = 3, home = NULL", "reason = 4");

pub(super) async fn backlog(
    connection: &mut PgConnection,
    spared: &[NodeInstance],
) -> sqlx::Result<Vec<(DomainName, u64)>> {
    let spared: Vec<String> = spared.iter().map(ToString::to_string).collect();
    let rows = sqlx::query(BACKLOG).bind(spared).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let home = row.try_get::<&str, _>(0)?.parse();
            let home = home.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((home, row.try_get::<i64, _>(1)?.cast_unsigned()))
        })
        .collect()
}

pub(super) async fn recipients(
    connection: &mut PgConnection,
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
    rows.iter().map(user_in).collect()
}

/// Moves some rows, in one statement; answers how many, and the last one of each user.
pub(super) async fn move_some(
    connection: &mut PgConnection,
    party: &Party,
) -> sqlx::Result<(usize, HashMap<UserId, i64>)> {
    let sql = if party.home.is_some() {
        MOVE_AWAY
    } else {
        MOVE_HERE
    };
    let (users, after): (Vec<String>, Vec<i64>) = party
        .users()
        .map(|(user, after_seq)| (user.to_string(), *after_seq))
        .unzip();
    let mut query = sqlx::query(sql).bind(users).bind(after).bind(ROWS_MAX as i64);
    if let Some(home) = &party.home {
        query = query.bind(home.to_string());
    }
    let mut found = 0;
    let mut last = HashMap::new();
    for row in query.fetch_all(connection).await? {
        last.insert(user_in(&row)?, row.try_get(1)?);
        found += row.try_get::<i64, _>(2)?.cast_unsigned() as usize;
    }
    Ok((found, last))
}

fn user_in(row: &PgRow) -> sqlx::Result<UserId> {
    row.try_get::<&str, _>(0)?
        .parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
