//! What can only be seen from inside: how SQLite would run the statements.

use std::sync::Arc;

use linker_core::port::{Insert, Store, StoreBatch, WaitReason};
use linker_core::testkit::sample::{EPOCH_MS, message_with_reference, user};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{OpenOptions, SqliteStore, batch, forwarding, housekeeping, read, taking};

/// Every statement that looks for rows, with the parameters it takes.
const STATEMENTS: [(&str, &str, usize); 26] = [
    ("find ids", batch::FIND_IDS, 1),
    ("find references", batch::FIND_REFERENCES, 3),
    ("recent references", batch::RECENT_REFERENCES, 2),
    ("count what counts", batch::COUNT_COUNTED, 1),
    ("remove events", batch::REMOVE_EVENTS, 1),
    ("remove ids", batch::REMOVE_IDS, 1),
    ("remove forwarded", batch::REMOVE_FORWARDED, 2),
    ("replace bodies", batch::REPLACE_BODY, 3),
    ("replace reasons", batch::REPLACE_REASON, 5),
    ("remove the expired", housekeeping::REMOVE_SEQS, 1),
    ("find the expired", housekeeping::FIND_EXPIRED, 2),
    ("delete removed rows", housekeeping::DELETE_REMOVED, 1),
    ("page", read::PAGE_ALL, 3),
    ("page of those behind", read::PAGE_BEHIND, 3),
    ("count", read::COUNT, 2),
    ("repeatable", read::REPEATABLE, 3),
    ("let go", batch::LET_GO, 1),
    ("leave to those behind", batch::LEAVE_TO_THOSE_BEHIND, 1),
    ("redirect", batch::REDIRECT, 3),
    ("find what was left", taking::FIND_LEFT, 3),
    ("find what was left for a home", taking::FIND_LEFT_FOR_HOME, 4),
    ("give to a node", taking::GIVE, 2),
    ("backlog", forwarding::BACKLOG, 1),
    ("recipients", forwarding::RECIPIENTS, 2),
    ("move away", forwarding::MOVE_AWAY, 3),
    ("move here", forwarding::MOVE_HERE, 2),
];

/// A walk over a table of waiting rows; over a list that was passed in, or over `removed` up to a limit, is fine.
fn walks_a_table(step: &str) -> bool {
    let tables = ["m", "i", "message", "inbox"];
    tables
        .iter()
        .any(|table| step == format!("SCAN {table}") || step.starts_with(&format!("SCAN {table} ")))
}

/// 500 messages in a file, and a connection to look inside.
async fn filled(folder: &tempfile::TempDir) -> SqliteConnection {
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path, OpenOptions::default())
        .await
        .expect("a new file");
    let inserts = (0..500)
        .map(|n| Insert {
            envelope: Arc::new(message_with_reference(
                n,
                user(n % 7),
                user(n % 50),
                &format!("r-{n}"),
            )),
            reason: WaitReason::Absent,
            home: None,
        })
        .collect();
    let filled = StoreBatch {
        inserts,
        now_ms: EPOCH_MS,
        max_per_user: u64::MAX,
        ..StoreBatch::default()
    };
    store.apply(filled).await.expect("room for them");
    let url = format!("sqlite:{}", path.display());
    SqliteConnection::connect(&url).await.expect("a look inside")
}

#[tokio::test]
async fn no_statement_walks_a_whole_table() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut connection = filled(&folder).await;
    for (name, sql, parameters) in STATEMENTS {
        let explain = format!("EXPLAIN QUERY PLAN {sql}");
        let mut query = sqlx::query(AssertSqlSafe(explain));
        for _ in 0..parameters {
            query = query.bind("[]");
        }
        let rows = query.fetch_all(&mut connection).await.expect(name);
        let steps: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
        assert!(!steps.is_empty(), "{name}");
        assert!(
            !steps.iter().any(|step| walks_a_table(step)),
            "{name}: {steps:#?}"
        );
    }
}

#[test]
fn a_walk_is_told_from_a_search() {
    assert!(walks_a_table("SCAN m"));
    assert!(walks_a_table("SCAN inbox USING COVERING INDEX inbox_behind"));
    assert!(!walks_a_table("SEARCH m USING INDEX x (id=?)"));
    assert!(!walks_a_table("SCAN asked VIRTUAL TABLE INDEX 1:"));
}

/// What is not known must be looked up: the limit leaves out some of those that arrived at the same time as the last one it lets in.
#[tokio::test]
async fn references_beyond_the_limit_are_not_taken_for_unknown() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let mut connection = filled(&folder).await;
    let unheard_of = 42;
    for (limit, may_contain) in [(100, true), (500, true), (501, false)] {
        let recent = batch::recent_references(&mut connection, EPOCH_MS, limit)
            .await
            .expect("references");
        assert_eq!(
            recent.may_contain(unheard_of, EPOCH_MS),
            may_contain,
            "of {limit}"
        );
        assert!(!recent.may_contain(unheard_of, EPOCH_MS + 1));
    }
}
