//! What may be there instead of a store, and how it is told: one sentence that names the file and says what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use linker_actors::adapter::sqlite::{OpenError, OpenOptions, SqliteStore};
use linker_core::envelope::encode;
use linker_core::id::DomainName;
use linker_core::port::{Store, TakeOver};
use linker_core::testkit::sample::{message, node, user};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("store.db");
    (folder, path)
}

async fn refused(path: &Path, options: OpenOptions) -> OpenError {
    let error = SqliteStore::open(path, options)
        .await
        .expect_err("it is not to be opened");
    let text = error.to_string();
    assert!(
        text.contains(&path.display().to_string()),
        "names the file: {text}"
    );
    assert!(
        !text.contains('\n') && text.contains("; "),
        "one sentence with advice: {text}"
    );
    error
}

async fn raw(path: &Path) -> SqliteConnection {
    let url = format!("sqlite:{}?mode=rwc", path.display());
    SqliteConnection::connect(&url).await.expect("a plain connection")
}

async fn sql(path: &Path, script: &str) {
    let mut connection = raw(path).await;
    connection
        .execute(AssertSqlSafe(script.to_owned()))
        .await
        .expect("plain SQL");
    connection.close().await.expect("closed");
}

async fn made(path: &Path) {
    let store = SqliteStore::open(path, OpenOptions::default())
        .await
        .expect("a new file");
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let (_folder, path) = place();
    for content in ["short", &"no database at all. ".repeat(1000)] {
        fs::write(&path, content).expect("written");
        let error = refused(&path, OpenOptions::default()).await;
        assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
        assert_eq!(fs::read(&path).expect("read"), content.as_bytes());
    }
}

#[tokio::test]
async fn a_store_that_was_cut_off_is_refused() {
    let (_folder, path) = place();
    made(&path).await;
    let whole = fs::read(&path).expect("read");
    fs::write(&path, &whole[..whole.len() / 2]).expect("written");
    let error = refused(&path, OpenOptions::default()).await;
    assert!(matches!(error, OpenError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let (_folder, path) = place();
    sql(&path, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").await;
    let before = fs::read(&path).expect("read");
    let error = refused(&path, OpenOptions::default()).await;
    assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
    assert_eq!(fs::read(&path).expect("read"), before);
    assert_eq!(
        fs::read_dir(path.parent().expect("a folder"))
            .expect("listed")
            .count(),
        1,
        "no log beside it"
    );
}

#[tokio::test]
async fn a_database_marked_by_another_program_is_foreign_even_when_empty() {
    let (_folder, path) = place();
    sql(
        &path,
        "PRAGMA application_id = 4711; CREATE TABLE x (y); DROP TABLE x",
    )
    .await;
    let error = refused(&path, OpenOptions::default()).await;
    assert!(matches!(error, OpenError::Foreign(_)), "{error:?}");
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let (_folder, path) = place();
    fs::write(&path, "").expect("written");
    made(&path).await;
    made(&path).await;
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_folder, path) = place();
    made(&path).await;
    sql(&path, "PRAGMA user_version = 99").await;
    let error = refused(&path, OpenOptions::default()).await;
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 99,
                known: 5,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_leave_to_migrate_an_old_schema_is_refused() {
    let (_folder, path) = place();
    let options = OpenOptions {
        migrate: false,
        ..OpenOptions::default()
    };
    let error = refused(&path, options.clone()).await;
    assert!(
        matches!(
            error,
            OpenError::Outdated {
                found: 0,
                needed: 5,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("linker-server migrate"), "{error}");
    assert!(!path.exists(), "nothing was made");
    fs::write(&path, "").expect("written");
    let error = refused(&path, options.clone()).await;
    assert!(
        matches!(
            error,
            OpenError::Outdated {
                found: 0,
                needed: 5,
                ..
            }
        ),
        "{error:?}"
    );
    made(&path).await;
    let store = SqliteStore::open(&path, options).await.expect("up to date");
    assert_eq!(store.probe().await, Ok(()));
}

/// As the first version made them: what it could not move is nobody's.
#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let (_folder, path) = place();
    sql(&path, include_str!("../../../migrations/sqlite/0001_inbox.sql")).await;
    let envelope = message(1, user(1), user(2));
    let mut body = BytesMut::new();
    encode(&envelope, &mut body);
    let mut connection = raw(&path).await;
    sqlx::query("INSERT INTO message (id, recipient, sender, class, reason, stored_ms, body) VALUES (?, 'ANZ-2', 'ANZ-1', 1, 3, 1, ?)")
        .bind(envelope.id.as_bytes().to_vec())
        .bind(body.to_vec())
        .execute(&mut connection)
        .await
        .expect("a row");
    connection.close().await.expect("closed");
    sql(&path, "INSERT INTO inbox (recipient, seq, class, reason) VALUES ('ANZ-2', 1, 1, 3); PRAGMA application_id = 0x4c4e4b52; PRAGMA user_version = 1").await;
    let store = SqliteStore::open(&path, OpenOptions::default())
        .await
        .expect("brought up to date");
    let left = TakeOver {
        node: None,
        spared: vec![node(1)],
        home: None,
        after_seq: 0,
        max_rows: 10,
        max_bytes: usize::MAX,
    };
    let page = store.take_over(left).await.expect("taken over");
    assert_eq!(*page.rows[0].envelope, envelope);
    assert!(page.exhausted);
    let home: DomainName = "domain-02".parse().expect("a domain name");
    let moved = store.rehome(vec![(user(2), Some(home.clone()))]).await;
    assert_eq!(moved, Ok(()));
    assert_eq!(store.backlog(vec![]).await, Ok(vec![(home, 1)]));
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let (folder, path) = place();
    let inside_nothing = folder.path().join("no").join("such").join("store.db");
    let error = refused(&inside_nothing, OpenOptions::default()).await;
    assert!(matches!(error, OpenError::NoFolder(_)), "{error:?}");
    fs::write(&path, "").expect("written");
    let inside_a_file = path.join("store.db");
    let error = refused(&inside_a_file, OpenOptions::default()).await;
    assert!(matches!(error, OpenError::NoFolder(_)), "{error:?}");
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_cannot_be_written() {
    let (_folder, path) = place();
    fs::create_dir(&path).expect("a folder");
    let error = refused(&path, OpenOptions::default()).await;
    assert!(matches!(error, OpenError::Unwritable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_another_process_has_locked_is_busy() {
    let (_folder, path) = place();
    fs::write(&path, "").expect("written");
    let mut other = raw(&path).await;
    other.execute("BEGIN EXCLUSIVE").await.expect("locked");
    let options = OpenOptions {
        busy_timeout: Duration::from_millis(20),
        ..OpenOptions::default()
    };
    let error = refused(&path, options.clone()).await;
    assert!(matches!(error, OpenError::Busy(_)), "{error:?}");
    other.execute("ROLLBACK").await.expect("unlocked");
    SqliteStore::open(&path, options).await.expect("free again");
}

#[tokio::test]
async fn a_full_disk_is_told_as_such() {
    let (_folder, path) = place();
    let options = OpenOptions {
        pages_max: Some(2),
        ..OpenOptions::default()
    };
    let error = refused(&path, options).await;
    assert!(matches!(error, OpenError::Full(_)), "{error:?}");
    made(&path).await;
}

#[cfg(unix)]
#[tokio::test]
async fn messages_are_for_the_eyes_of_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, path) = place();
    let store = SqliteStore::open(&path, OpenOptions::default())
        .await
        .expect("a new file");
    assert_eq!(store.probe().await, Ok(()));
    for file in fs::read_dir(folder.path()).expect("listed") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.file_name());
    }
}
