//! What may be in the way of opening, and how it is told: one sentence with advice, without any password.

use std::time::Duration;

use linker_actors::adapter::postgres::{PostgresOpenError, PostgresOptions, PostgresStore, migrate};
use linker_core::port::Store;
use tokio::net::TcpListener;

use super::database::{Database, as_user};

const SECRET: &str = "s3cret-pw";

async fn refused(url: &str, options: PostgresOptions) -> PostgresOpenError {
    let error = PostgresStore::open(url, options)
        .await
        .expect_err("it is not to be opened");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(SECRET), "{text}");
    }
    let text = error.to_string();
    assert!(
        !text.contains('\n') && text.contains("; "),
        "one sentence with advice: {text}"
    );
    error
}

fn unmigrated() -> PostgresOptions {
    PostgresOptions {
        migrate: false,
        ..PostgresOptions::default()
    }
}

#[tokio::test]
async fn what_is_no_url_is_refused() {
    for url in [
        "",
        "sqlite:x",
        "mysql://u:s3cret-pw@h/d",
        "postgres://u:s3cret-pw@h:port/d",
        "postgres://u:s3cret-pw@[h/d",
    ] {
        let error = refused(url, PostgresOptions::default()).await;
        assert!(matches!(error, PostgresOpenError::Url(_)), "{url}: {error:?}");
        assert!(!error.is_away());
    }
}

#[tokio::test]
async fn nobody_there_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // Listens, and never says a word.
    let url = format!("postgres://u:{SECRET}@127.0.0.1:{port}/d");
    let impatient = PostgresOptions {
        connect_timeout: Duration::from_millis(100),
        ..PostgresOptions::default()
    };
    let error = refused(&url, impatient).await;
    assert!(error.is_away(), "{error:?}");
    drop(listener);
    let error = refused(&url, PostgresOptions::default()).await;
    assert!(error.is_away(), "{error:?}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    let error = migrate(&url).await.expect_err("nobody is there");
    assert!(error.is_away(), "{error:?}");
}

#[tokio::test]
async fn a_missing_database_is_told_at_once() {
    let database = Database::create().await;
    let url = database.url().replace("linker_test_", "linker_test_none_");
    let error = refused(&url, PostgresOptions::default()).await;
    assert!(matches!(error, PostgresOpenError::NoDatabase { .. }), "{error:?}");
    assert!(!error.is_away());
}

#[tokio::test]
async fn an_unknown_user_is_told_at_once() {
    let database = Database::create().await;
    let url = as_user(&database.url(), "linker_test_nobody", SECRET);
    let error = refused(&url, PostgresOptions::default()).await;
    assert!(matches!(error, PostgresOpenError::Login { .. }), "{error:?}");
    assert!(!error.is_away());
}

#[tokio::test]
async fn a_user_without_the_rights_is_told_at_once() {
    let database = Database::create().await;
    let (role, url) = database.role("", SECRET).await;
    database.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let error = refused(&url, PostgresOptions::default()).await;
    let there = PostgresStore::open(&database.url(), PostgresOptions::default()).await;
    let unreadable = refused(&url, PostgresOptions::default()).await;
    database
        .sql(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
        .await;
    let unwritable = refused(&url, PostgresOptions::default()).await;
    database
        .sql(&format!(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}"
        ))
        .await;
    let allowed = PostgresStore::open(&url, unmigrated()).await;
    for error in [error, unreadable, unwritable] {
        assert!(matches!(error, PostgresOpenError::Denied { .. }), "{error:?}");
    }
    assert!(there.is_ok() && allowed.is_ok());
}

#[tokio::test]
async fn without_leave_to_migrate_an_old_schema_is_refused() {
    let database = Database::create().await;
    let error = refused(&database.url(), unmigrated()).await;
    assert!(
        matches!(
            error,
            PostgresOpenError::Outdated {
                found: 0,
                needed: 5,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("linker-server migrate"), "{error}");
    assert_eq!(migrate(&database.url()).await.ok(), Some(true));
    let store = PostgresStore::open(&database.url(), unmigrated())
        .await
        .expect("up to date");
    assert_eq!(store.probe().await, Ok(()));
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = Database::create().await;
    migrate(&database.url()).await.expect("migrated");
    database
        .sql("INSERT INTO linker_schema (version) VALUES (99)")
        .await;
    let error = refused(&database.url(), PostgresOptions::default()).await;
    assert!(
        matches!(
            error,
            PostgresOpenError::Newer {
                found: 99,
                known: 5,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(migrate(&database.url()).await.is_err());
}

#[tokio::test]
async fn tables_of_somebody_else_are_left_alone() {
    let database = Database::create().await;
    database.sql("CREATE TABLE linker_message (n integer)").await;
    let error = refused(&database.url(), PostgresOptions::default()).await;
    assert!(matches!(error, PostgresOpenError::Foreign { .. }), "{error:?}");
    database.sql("SELECT n FROM linker_message").await;
}

#[tokio::test]
async fn an_opened_store_does_not_show_its_password() {
    let database = Database::create().await;
    let (_, url) = database.role("SUPERUSER", SECRET).await;
    let store = PostgresStore::open(&url, PostgresOptions::default())
        .await
        .expect("opened");
    let shown = format!("{store:?}");
    assert!(
        !shown.contains(SECRET) && shown.contains(database.name()),
        "{shown}"
    );
}
