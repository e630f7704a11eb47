//! What can only be seen from inside: how PostgreSQL runs the statements when a million rows wait.

use linker_core::testkit::sample::{message, user};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::connect::Connector;
use super::{PostgresOptions, PostgresStore, batch, forwarding, read, taking};

#[path = "../../../tests/it/postgres/database.rs"]
#[expect(dead_code, reason = "the integration tests, whose file this is, use the rest")]
mod database;

/// Every statement that looks for rows, with parameters as they come: many ids, many users, one user's first page.
const STATEMENTS: [(&str, &str, &str); 21] = [
    ("look up", batch::LOOK_UP, "IDS, 0, USERS"),
    ("find ids", batch::FIND_IDS, "IDS"),
    (
        "remove events",
        batch::REMOVE_EVENTS,
        "'{ANZ-1,ANZ-2}', '{ANZ-3,ANZ-4}'",
    ),
    ("let go", batch::LET_GO, "IDS"),
    ("leave to those behind", batch::LEAVE_TO_THOSE_BEHIND, "IDS"),
    (
        "redirect",
        batch::REDIRECT,
        "IDS, 'connector-02~0000000000000002', 'domain-02'",
    ),
    ("remove ids", batch::REMOVE_IDS, "IDS"),
    ("remove forwarded", batch::REMOVE_FORWARDED, "IDS, 3"),
    ("page", read::PAGE_ALL, "'ANZ-17', 0, 500, 1000000"),
    (
        "page of those behind",
        read::PAGE_BEHIND,
        "'ANZ-17', 0, 500, 1000000",
    ),
    (
        "count",
        read::COUNT,
        "'{ANZ-1,ANZ-2}', IDS, '{1,501}', '{500,1000}'",
    ),
    (
        "repeatable",
        read::REPEATABLE,
        "900000, 1000, 400, '00000000-0000-0000-0000-0000000dbba0'",
    ),
    (
        "take over",
        taking::TAKE_OVER,
        "0, '{connector-01~0000000000000001}', 500, 1000000, 'connector-02~0000000000000002'",
    ),
    (
        "take over for a home of many",
        taking::TAKE_OVER_FOR_HOME,
        "0, '{connector-01~0000000000000001}', 500, 1000000, 'connector-02~0000000000000002', 'domain-01'",
    ),
    (
        "take over for a home of few",
        taking::TAKE_OVER_FOR_HOME,
        "0, '{connector-01~0000000000000001}', 500, 1000000, 'connector-02~0000000000000002', 'domain-02'",
    ),
    (
        "left for a home",
        taking::LEFT_FOR_HOME,
        "'domain-02', 'connector-02~0000000000000002', 0",
    ),
    (
        "backlog",
        forwarding::BACKLOG,
        "'{connector-01~0000000000000001}'",
    ),
    ("recipients", forwarding::RECIPIENTS, "'ANZ-17', 1000"),
    (
        "move away",
        forwarding::MOVE_AWAY,
        "USERS, AFTER, 5000, 'domain-02'",
    ),
    ("move here", forwarding::MOVE_HERE, "USERS, AFTER, 5000"),
    (
        "expire",
        taking::EXPIRE,
        "1000, 500, '00000000-0000-0000-0000-000000000fff'",
    ),
];

/// A thousand users with a thousand rows each; a hundredth of the rows behind, another one faulty, some absent. All the rest waits for one domain, and
/// a hundred rows for another one.
const FILL: &str = "INSERT INTO linker_message (id, recipient, sender, class, reason, owner, home, stored_ms, dedupe, cost, body) \
    SELECT lpad(to_hex(n), 32, '0')::uuid, 'ANZ-' || n % 1000, 'ANZ-' || n % 777, 1, \
    CASE WHEN n % 100 = 0 THEN 2 WHEN n % 100 = 1 THEN 3 WHEN n % 100 < 9 THEN 1 ELSE 4 END, \
    CASE WHEN n % 100 = 1 OR n % 100 >= 9 THEN 'connector-0' || n % 3 || '~0000000000000001' END, \
    CASE WHEN n % 100 >= 9 THEN CASE n % 10000 WHEN 9999 THEN 'domain-02' ELSE 'domain-01' END END, n, \
    CASE WHEN n % 2 = 0 THEN lpad(to_hex(n), 32, '0')::uuid END, 356, $1 FROM generate_series(1, 1000000) AS n";

/// `IDS`, `USERS` and `AFTER` stand for a thousand each.
fn parameters_of(pattern: &str) -> String {
    let list = |item: fn(u32) -> String| {
        let items: Vec<String> = (1..=1000).map(item).collect();
        format!("'{{{}}}'", items.join(","))
    };
    pattern
        .replace("IDS", &list(|n| format!("{:032x}", n * 997)))
        .replace("USERS", &list(|n| format!("ANZ-{n}")))
        .replace("AFTER", &list(|n| format!("{}", n % 2 * 500_000)))
}

/// All steps of a plan, as they are named.
fn steps(plan: &Value, found: &mut Vec<String>) {
    let text = |key: &str| plan[key].as_str().unwrap_or_default().to_owned();
    found.push(
        format!("{} {}", text("Node Type"), text("Relation Name"))
            .trim()
            .to_owned(),
    );
    for inner in plan["Plans"].as_array().into_iter().flatten() {
        steps(inner, found);
    }
}

/// As the sessions plan it: once for the parameters at hand, and once for any.
async fn plan_of(connection: &mut PgConnection, sql: &str, parameters: &str, mode: &str) -> Value {
    let script = format!("DEALLOCATE ALL; SET plan_cache_mode = {mode}; PREPARE asked AS {sql}");
    let prepared = sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut *connection)
        .await;
    assert!(prepared.is_ok(), "{sql}: {prepared:?}");
    let explain = format!(
        "EXPLAIN (FORMAT JSON) EXECUTE asked({})",
        parameters_of(parameters)
    );
    let explained = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_one(connection).await;
    assert!(explained.is_ok(), "{sql}: {explained:?}");
    let plan: Option<Value> = explained
        .ok()
        .and_then(|row| sqlx::Row::try_get_unchecked::<String, _>(&row, 0).ok())
        .and_then(|text| serde_json::from_str(&text).ok());
    plan.unwrap_or_default()[0]["Plan"].clone()
}

#[tokio::test]
async fn no_statement_walks_the_table_of_a_million_rows() -> Result<(), Box<dyn std::error::Error>> {
    let database = database::Database::create().await;
    let store = PostgresStore::open(&database.url(), PostgresOptions::default()).await?;
    let mut body = bytes::BytesMut::new();
    super::row::append_body(&message(1, user(1), user(2)), &mut body);
    let mut connection = database.raw().await;
    // Faster, and nothing of it is to outlive the test.
    sqlx::raw_sql("ALTER TABLE linker_message SET (autovacuum_enabled = off); SET synchronous_commit = off")
        .execute(&mut connection)
        .await?;
    sqlx::query(FILL)
        .bind(body.to_vec())
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    let mut connection = Connector::new(&database.url(), &PostgresOptions::default())?
        .connect()
        .await?;
    // First nothing is known of so many rows, as after a sudden rush; then all is.
    for knowledge in ["SELECT 1", "ANALYZE linker_message"] {
        sqlx::raw_sql(knowledge).execute(&mut connection).await?;
        for (name, sql, parameters) in STATEMENTS {
            for mode in ["force_custom_plan", "force_generic_plan"] {
                let plan = plan_of(&mut connection, sql, parameters, mode).await;
                let mut found = Vec::new();
                steps(&plan, &mut found);
                let planned = found.iter().any(|step| step.ends_with(" linker_message"));
                assert!(planned, "{name}: {plan:#}");
                let walks = found.iter().any(|step| step == "Seq Scan linker_message");
                assert!(!walks, "{name}, {mode}, {knowledge}: {plan:#}");
                // A whole index is no better than the whole table.
                let whole = whole_index(&plan);
                assert!(!whole, "{name}, {mode}, {knowledge}: {plan:#}");
            }
        }
    }
    connection.close().await?;
    store.close().await;
    Ok(())
}

/// An index of the table gone through without any condition, where nothing ends it early.
fn whole_index(plan: &Value) -> bool {
    let scans = plan["Node Type"]
        .as_str()
        .is_some_and(|kind| kind.contains("Index"));
    let here = scans && plan["Relation Name"] == "linker_message" && plan["Index Cond"].is_null();
    // Reading the partial index of faults from its beginning is what it is for.
    let partial = plan["Index Name"] == "linker_message_fault";
    (here && !partial) || plan["Plans"].as_array().into_iter().flatten().any(whole_index)
}
