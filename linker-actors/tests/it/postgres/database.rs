//! A database of a test's own, on the server of `LINKER_TEST_POSTGRES_URL`, dropped also when the test fails.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

const STANDARD_URL: &str = "postgres://postgres@127.0.0.1:5432";

fn server() -> String {
    std::env::var("LINKER_TEST_POSTGRES_URL").unwrap_or_else(|_| STANDARD_URL.into())
}

/// The url with another database in the place of its own.
fn with_database(url: &str, name: &str) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let from = url.find("://").map_or(0, |at| at + 3);
    let to = url[from..].find('/').map_or(url.len(), |at| from + at);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}/{name}{mark}{query}", &url[..to])
}

/// The url, as another user.
pub(crate) fn as_user(url: &str, user: &str, password: &str) -> String {
    let (_, place) = url.split_once("://").expect("a url");
    let place = place.split_once('@').map_or(place, |(_, place)| place);
    format!("postgres://{user}:{password}@{place}")
}

pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    pub(crate) async fn create() -> Self {
        Self::create_at(&server()).await
    }

    pub(crate) async fn create_at(server: &str) -> Self {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_micros();
        let database = Self {
            server: server.to_owned(),
            name: format!("linker_test_{}_{started}_{n}", std::process::id()),
        };
        admin(&database.server, &format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    pub(crate) fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A role that goes with the database, for which it also gives the url.
    pub(crate) async fn role(&self, attributes: &str, password: &str) -> (String, String) {
        let role = format!("{}_role", self.name);
        self.sql(&format!(
            "CREATE ROLE {role} LOGIN {attributes} PASSWORD '{password}'"
        ))
        .await;
        let url = as_user(&self.url(), &role, password);
        (role, url)
    }

    pub(crate) async fn raw(&self) -> PgConnection {
        PgConnection::connect(&self.url())
            .await
            .expect("a plain connection")
    }

    pub(crate) async fn sql(&self, script: &str) {
        let mut connection = self.raw().await;
        let script = sqlx::raw_sql(AssertSqlSafe(script.to_owned()));
        connection.execute(script).await.expect("plain SQL");
        connection.close().await.expect("closed");
    }
}

async fn admin(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(&with_database(server, "postgres"))
        .await
        .expect("PostgreSQL runs at LINKER_TEST_POSTGRES_URL, or at 127.0.0.1:5432 with user postgres");
    connection
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .expect("the test's user may create databases");
    connection.close().await.expect("closed");
}

impl Drop for Database {
    fn drop(&mut self) {
        let server = self.server.clone();
        let database = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let role = format!("DROP ROLE IF EXISTS {}_role", self.name);
        // On a thread of its own: the test's runtime may be in the middle of ending.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime");
            for sql in [database, role] {
                runtime.block_on(admin(&server, &sql));
            }
        });
        let dropped = dropping.join();
        assert!(
            dropped.is_ok() || std::thread::panicking(),
            "the database is dropped"
        );
    }
}
