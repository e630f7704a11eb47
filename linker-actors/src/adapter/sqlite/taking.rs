//! Taking over what a node that is gone was moving, or was to hand over to another domain.

use linker_core::port::{Page, StoreError, TakeOver};

use super::read::{self, Bounds};
use super::row::{json_ints, json_nodes};
use super::writer::Writer;

macro_rules! find_left_sql {
    ($what:literal) => {
        concat!(
            "SELECT i.seq, m.body, i.reason FROM inbox AS i CROSS JOIN message AS m ON m.seq = i.seq WHERE ",
            $what,
            " AND i.seq > ?2 AND (i.owner IS NULL OR i.owner NOT IN (SELECT value FROM json_each(?1))) ORDER BY i.seq LIMIT ?3"
        )
    };
}
pub(super) const FIND_LEFT: &str = find_left_sql!("i.reason = 3");
pub(super) const FIND_LEFT_FOR_HOME: &str = find_left_sql!("i.reason = 4 AND i.home = ?4");

/// What is the taker's already is not written again: it asks for the same rows until they are handed over.
pub(super) const GIVE: &str = "UPDATE inbox SET owner = ?2 WHERE (recipient, seq) IN \
     (SELECT m.recipient, m.seq FROM json_each(?1) AS asked CROSS JOIN message AS m ON m.seq = asked.value) \
     AND owner IS NOT ?2";

impl Writer {
    pub(super) async fn take_over(&mut self, request: &TakeOver) -> Result<Page, StoreError> {
        let mut transaction = self.begin().await?;
        let connection = &mut transaction.connection;
        let taken = async {
            let spared = json_nodes(&request.spared);
            let bounds = Bounds {
                after_seq: request.after_seq,
                max_rows: request.max_rows,
                max_bytes: request.max_bytes,
            };
            let home = request.home.as_ref();
            let sql = if home.is_some() {
                FIND_LEFT_FOR_HOME
            } else {
                FIND_LEFT
            };
            let page = read::page_of(connection, sql, &spared, home, bounds).await?;
            let seqs: Vec<i64> = page.rows.iter().map(|row| row.seq.cast_signed()).collect();
            if !seqs.is_empty() {
                sqlx::query(GIVE)
                    .bind(json_ints(&seqs))
                    .bind(request.node.as_ref().map(ToString::to_string))
                    .execute(connection)
                    .await?;
            }
            Ok(page)
        };
        match taken.await {
            Ok(page) if page.rows.is_empty() => {
                self.end(transaction).await?;
                Ok(page)
            }
            Ok(page) => {
                self.commit(transaction).await?;
                Ok(page)
            }
            Err(error) => Err(self.abandon(transaction, error).await),
        }
    }
}
