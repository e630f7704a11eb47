//! What a database does with rows of messages' size when nothing else is asked of it: the limit that Linker's stores are measured against.
//!
//! ```text
//! cargo run --release -p linker-actors --features sqlite,postgres --example store_limit -- sqlite
//! cargo run --release -p linker-actors --features sqlite,postgres --example store_limit -- postgres --url postgres://postgres@127.0.0.1/scratch
//! ```
//!
//! Rows have a number, a recipient and a body, and are as durable as Linker's: SQLite with WAL and `synchronous=FULL`, one writer;
//! PostgreSQL with what its server is set to, several writers with `UNNEST`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::json;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection};

#[derive(Parser)]
#[command(about = "Inserts rows in large batches and tells how many a second are committed")]
struct Arguments {
    #[arg(value_enum)]
    database: Database,
    /// A database of PostgreSQL, in which a table `store_limit` is made anew.
    #[arg(long, required_if_eq("database", "postgres"))]
    url: Option<String>,
    /// Bytes of a row's body.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    size: u32,
    /// Different recipients.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: u32,
    /// Rows a batch; by default 1000 on SQLite and 500 on PostgreSQL.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: Option<u32>,
    /// Writers at once on PostgreSQL; SQLite has one.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    writers: u32,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Write the result to this file as well, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rows of one batch: numbers, recipients, bodies.
struct Batch {
    numbers: Vec<i64>,
    recipients: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

impl Batch {
    fn new(first: i64, rows: u32, arguments: &Arguments) -> Self {
        let numbers: Vec<i64> = (first..first + i64::from(rows)).collect();
        let users = i64::from(arguments.users);
        Self {
            recipients: numbers
                .iter()
                .map(|number| format!("ANZ-{}", number % users))
                .collect(),
            bodies: numbers
                .iter()
                .map(|_| vec![b'x'; arguments.size as usize])
                .collect(),
            numbers,
        }
    }
}

/// What was committed, and in what time.
struct Stored {
    rows: u64,
    took: Duration,
    how: String,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let stored = match arguments.database {
        Database::Sqlite => in_sqlite(&arguments).await?,
        Database::Postgres => in_postgres(&arguments).await?,
    };
    let seconds = stored.took.as_secs_f64();
    let per_second = stored.rows as f64 / seconds;
    println!(
        "{} rows of {} bytes in {seconds:.1} s, {}: {per_second:.0}/s",
        stored.rows, arguments.size, stored.how
    );
    if let Some(file) = &arguments.json {
        let row = json!({
            "feature": "raw", "load": stored.how, "size": arguments.size,
            "work": "stored", "seconds": seconds, "workPerSecond": per_second,
        });
        let report = json!({"scenario": "store-limit", "rows": [row], "notes": []});
        std::fs::write(file, format!("{report:#}\n"))?;
    }
    Ok(())
}

async fn in_sqlite(arguments: &Arguments) -> Outcome<Stored> {
    let batch = arguments.batch.unwrap_or(1000);
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("limit.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query(
        "CREATE TABLE store_limit (number INTEGER PRIMARY KEY, recipient TEXT NOT NULL, body BLOB NOT NULL)",
    )
    .execute(&mut connection)
    .await?;
    let places = vec!["(?, ?, ?)"; batch as usize].join(", ");
    // Nothing in it comes from outside.
    let statement = format!("INSERT INTO store_limit (number, recipient, body) VALUES {places}");
    let began = Instant::now();
    let until = began + Duration::from_secs(arguments.seconds);
    let mut rows = 0_u64;
    while Instant::now() < until {
        let Batch {
            numbers,
            recipients,
            bodies,
        } = Batch::new(rows as i64, batch, arguments);
        let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
        for ((number, recipient), body) in numbers.into_iter().zip(recipients).zip(bodies) {
            query = query.bind(number).bind(recipient).bind(body);
        }
        query.execute(&mut connection).await?;
        rows += u64::from(batch);
    }
    let took = began.elapsed();
    connection.close().await?;
    Ok(Stored {
        rows,
        took,
        how: format!("one writer, {batch} rows a statement"),
    })
}

async fn in_postgres(arguments: &Arguments) -> Outcome<Stored> {
    let batch = arguments.batch.unwrap_or(500);
    let url = arguments.url.as_deref().unwrap_or_default();
    let pool = PgPoolOptions::new()
        .max_connections(arguments.writers)
        .connect(url)
        .await?;
    make_table(&pool).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(arguments.seconds);
    let writers = (0..arguments.writers).map(|writer| write_batches(&pool, arguments, batch, writer, until));
    let rows = futures_util::future::try_join_all(writers).await?.iter().sum();
    let took = began.elapsed();
    sqlx::query("DROP TABLE store_limit").execute(&pool).await?;
    Ok(Stored {
        rows,
        took,
        how: format!("{} writers, {batch} rows a statement", arguments.writers),
    })
}

async fn make_table(pool: &PgPool) -> Outcome<()> {
    sqlx::query("DROP TABLE IF EXISTS store_limit")
        .execute(pool)
        .await?;
    sqlx::query(
        "CREATE TABLE store_limit (number bigint PRIMARY KEY, recipient text COLLATE \"C\" NOT NULL, body bytea NOT NULL)",
    )
    .execute(pool)
    .await?;
    // As Linker's table: compressing costs more time than it saves.
    sqlx::query("ALTER TABLE store_limit ALTER COLUMN body SET STORAGE EXTERNAL")
        .execute(pool)
        .await?;
    Ok(())
}

/// Numbers of one writer are apart from those of the others.
const WRITERS_APART: i64 = 1 << 40;

async fn write_batches(
    pool: &PgPool,
    arguments: &Arguments,
    batch: u32,
    writer: u32,
    until: Instant,
) -> Outcome<u64> {
    let mut connection = pool.acquire().await?;
    let first = i64::from(writer) * WRITERS_APART;
    let mut rows = 0_u64;
    while Instant::now() < until {
        insert(
            &mut connection,
            &Batch::new(first + rows as i64, batch, arguments),
        )
        .await?;
        rows += u64::from(batch);
    }
    Ok(rows)
}

async fn insert(connection: &mut PgConnection, batch: &Batch) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO store_limit (number, recipient, body) SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::bytea[])",
    )
    .bind(&batch.numbers)
    .bind(&batch.recipients)
    .bind(&batch.bodies)
    .execute(connection)
    .await?;
    Ok(())
}
