//! The data folder: locked, unwritable, corrupt or somebody else's.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::sqlite_file::foreign_database;
use crate::harness::{Client, Finished, Node, NodeConfig, run, run_on_read_only_disk};

const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

async fn serve(config: &NodeConfig) -> Finished {
    run(&["serve", "--config", config.save().to_str().unwrap()]).await
}

/// It ended by itself with one of the codes for failures, without a ready line and without a panic.
fn assert_failed(finished: &Finished) {
    assert!(
        [1, 2].contains(&finished.code),
        "{}: {}",
        finished.code,
        finished.said()
    );
    assert!(finished.stdout.is_empty(), "no ready line: {}", finished.stdout);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!finished.stderr.trim().is_empty(), "it says nothing");
}

/// The database files of a folder, whatever they are called.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let found: Vec<PathBuf> = entries
        .filter(|path| path.is_file())
        .filter(|path| std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(SQLITE_MAGIC)))
        .collect();
    assert!(!found.is_empty(), "no SQLite database in {}", folder.display());
    found
}

#[tokio::test]
async fn a_second_process_on_the_folder_ends_with_1_and_says_who_holds_it() {
    let mut node = Node::start().await;
    let finished = serve(&node.config).await;
    assert_failed(&finished);
    assert_eq!(finished.code, 1);
    let folder = node.config.data_dir();
    finished.line_with(&[&node.pid().to_string(), folder.to_str().unwrap()]);
    let mut client = Client::login(&node, "ANZ-1").await;
    client.delivery_fence("ANZ-1", "the first is unharmed").await;
    node.terminate().await;
}

#[tokio::test]
async fn migrate_on_a_folder_in_use_ends_with_1() {
    let node = Node::start().await;
    let finished = run(&["migrate", "--config", node.config.save().to_str().unwrap()]).await;
    assert_failed(&finished);
    assert_eq!(finished.code, 1);
    finished.line_with(&[&node.pid().to_string()]);
}

#[tokio::test]
async fn a_killed_node_leaves_no_lock_behind() {
    let mut node = Node::start().await;
    node.kill9();
    node.start_again().await;
    Client::login(&node, "ANZ-1").await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told() {
    let config = NodeConfig::new();
    let file = config.write("a-file", "in the way");
    let folder = file.join("data");
    let config = config.set("server.dataDir", folder.to_str().unwrap());
    let finished = serve(&config).await;
    assert_failed(&finished);
    finished.line_with(&[folder.to_str().unwrap()]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told() {
    let config = NodeConfig::new();
    let folder = config.data_dir();
    let file = config.save();
    let finished = run_on_read_only_disk(&folder, &["serve", "--config", file.to_str().unwrap()]).await;
    assert_failed(&finished);
    finished.line_with(&[folder.to_str().unwrap()]);
    assert!(
        !finished.stderr.contains("unshare:") && !finished.stderr.contains("mount:"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn a_corrupt_database_is_told_and_left_as_it_is() {
    let mut node = Node::start().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    node.terminate().await;
    for database in databases(&node.config.data_dir()) {
        let mut bytes = std::fs::read(&database).unwrap();
        // The header stays, so that it is a database, and what it says is garbage.
        bytes[100..].fill(0x5a);
        std::fs::write(&database, &bytes).unwrap();
        let finished = serve(&node.config).await;
        assert_failed(&finished);
        finished.line_with(&[database.to_str().unwrap()]);
        assert_eq!(
            std::fs::read(&database).unwrap(),
            bytes,
            "the file is left for whoever rescues it"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let mut node = Node::start().await;
    node.terminate().await;
    for database in databases(&node.config.data_dir()) {
        std::fs::write(
            &database,
            "these are not the rows you are looking for\n".repeat(200),
        )
        .unwrap();
        let finished = serve(&node.config).await;
        assert_failed(&finished);
        finished.line_with(&[database.to_str().unwrap()]);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_told_and_left_as_it_is() {
    let config = NodeConfig::new();
    let path = config.home().join("orders.db");
    let bytes = foreign_database();
    std::fs::write(&path, &bytes).unwrap();
    let config = config.set("store.url", format!("sqlite:{}", path.display()));
    let finished = serve(&config).await;
    assert_failed(&finished);
    finished.line_with(&[path.to_str().unwrap()]);
    assert_eq!(
        std::fs::read(&path).unwrap(),
        bytes,
        "nothing was written into it"
    );
}

#[tokio::test]
async fn the_store_may_be_a_file_elsewhere() {
    let config = NodeConfig::new();
    let path = config.home().join("elsewhere.db");
    let mut node = config
        .set("store.url", format!("sqlite:{}", path.display()))
        .start()
        .await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &["r1".to_owned()]).await;
    assert!(path.is_file());
    node.restart().await;
    assert_eq!(Client::login(&node, "ANZ-2").await.missing(), 1);
}

/// What waits stands in it as it was written.
#[tokio::test]
async fn a_new_data_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let node = Node::start().await;
    let made = std::fs::metadata(node.config.data_dir()).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o700);
}
