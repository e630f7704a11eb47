//! A store that cannot write: RELIABLE is refused once memory is full, everything else goes on, and it
//! recovers by itself.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, WAIT, eventually, fast, get, ping, referenced};

/// The node's disk, filled to the last byte for as long as this lives.
struct FullDisk {
    filler: PathBuf,
}

impl FullDisk {
    fn of(node: &Node) -> Self {
        let filler = node.data_dir_inside().join("filler");
        let mut file = File::create(&filler).expect("the test may write to the node's disk");
        for size in [64 * 1024, 4096, 1] {
            let chunk = vec![0; size];
            // Each size is written until it does not fit any more.
            while file.write_all(&chunk).is_ok() {}
        }
        Self { filler }
    }

    fn free(self) {
        std::fs::remove_file(&self.filler).expect("the filler can be removed");
    }
}

async fn node_on_a_small_disk() -> Node {
    NodeConfig::new()
        .set("limits.maxPendingBytes", "128KiB")
        .start_on_small_disk(8)
        .await
}

/// Sends to an absent user until a message is refused; the references without an answer and the refused.
async fn send_until_refused(sender: &mut Client) -> (BTreeSet<String>, String) {
    let mut waiting = BTreeSet::new();
    for n in 0..8000 {
        let reference = format!("r{n}");
        sender.send(referenced("ANZ-2", "x".repeat(1000), &reference));
        waiting.insert(reference);
        for frame in sender.fence().await {
            let of = match frame.kind() {
                "MESSAGE_ACCEPTED" => frame["data"]["reference"].as_str().unwrap(),
                _ => {
                    assert_eq!(frame.code(), "UNAVAILABLE", "{}", frame.text);
                    let refused = frame["reference"]
                        .as_str()
                        .expect("the reference is echoed")
                        .to_owned();
                    waiting.remove(&refused);
                    return (waiting, refused);
                }
            };
            waiting.remove(of);
        }
    }
    panic!("8 MB of messages on a full disk of 8 MiB, and none refused");
}

#[tokio::test]
async fn with_a_full_disk_reliable_is_refused_everything_else_goes_on_and_it_recovers() {
    let node = node_on_a_small_disk().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut friend = Client::login(&node, "ANZ-3").await;
    sender.store_for("ANZ-2", &["before".to_owned()]).await;

    let disk = FullDisk::of(&node);
    let (waiting, refused) = send_until_refused(&mut sender).await;
    assert!(!waiting.is_empty(), "what was not refused is kept in memory");

    // Everything else goes on.
    sender.send(ping());
    sender.expect("PONG").await;
    sender.send(fast("ANZ-3", "still quick"));
    assert_eq!(friend.expect("MESSAGE").await["data"]["content"], "still quick");
    let _newcomer = Client::login(&node, "ANZ-4").await;
    eventually("ready says that the store is away", WAIT, async || {
        let ready = get(node.admin, "/health/ready").await.ok()?;
        (ready.status == 503 && ready.json()["checks"]["store"] != "ok").then_some(())
    })
    .await;

    // It recovers by itself: what was kept becomes safe, what was refused may be sent again.
    disk.free();
    for reference in &waiting {
        sender.expect_for("MESSAGE_ACCEPTED", reference).await;
    }
    sender.store_for("ANZ-2", std::slice::from_ref(&refused)).await;
    eventually("ready again", WAIT, async || {
        (node.admin_get("/health/ready").await.status == 200).then_some(())
    })
    .await;

    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    let page = receiver.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
    let received: Vec<&str> = page
        .iter()
        .filter_map(|frame| frame["reference"].as_str())
        .collect();
    let distinct: BTreeSet<&str> = received.iter().copied().collect();
    assert_eq!(distinct.len(), received.len(), "something came twice");
    assert!(distinct.contains("before"));
    assert!(distinct.contains(refused.as_str()), "sent again and accepted");
    for reference in &waiting {
        assert!(
            distinct.contains(reference.as_str()),
            "{reference} was accepted and is gone"
        );
    }
}

#[tokio::test]
async fn with_a_full_disk_a_recipient_who_is_there_still_gets_reliable_messages() {
    let node = node_on_a_small_disk().await;
    let mut friend = Client::login(&node, "ANZ-3").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let _disk = FullDisk::of(&node);
    for n in 0..20 {
        sender.delivery_fence("ANZ-3", &format!("r{n}")).await;
        assert_eq!(friend.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
}

#[tokio::test]
async fn a_refused_message_is_not_delivered() {
    let node = node_on_a_small_disk().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let disk = FullDisk::of(&node);
    let (waiting, refused) = send_until_refused(&mut sender).await;
    disk.free();
    for reference in &waiting {
        sender.expect_for("MESSAGE_ACCEPTED", reference).await;
    }
    let mut receiver = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    let page = receiver.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
    assert!(
        page.iter().all(|frame| frame["reference"] != refused.as_str()),
        "{refused} was refused and came"
    );
}

#[tokio::test]
async fn what_was_accepted_before_the_disk_was_full_is_there_after_it() {
    let node = node_on_a_small_disk().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    sender.store_for("ANZ-2", &references).await;
    let disk = FullDisk::of(&node);
    // Reading goes on; what is proven now cannot leave the store before there is room.
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let (page, _) = receiver.fetch(100).await;
    assert_eq!(page.len(), 20);
    disk.free();
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
}
