//! A disk that refuses every write from one moment to the next, as one does that turned read-only under
//! open files: what is there can be read, RELIABLE goes on in memory up to its bound, and all is well afterwards.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{Client, Node, NodeConfig, WAIT, eventually, fast, ping, referenced};

async fn node() -> Node {
    NodeConfig::new()
        .set("limits.maxPendingBytes", "64KiB")
        .start_on_failing_disk()
        .await
}

async fn store_is_away(node: &Node) {
    eventually("ready says that the store is away", WAIT, async || {
        let ready = node.admin_get("/health/ready").await;
        (ready.status == 503 && ready.json()["checks"]["store"] != "ok").then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_stored_can_be_fetched_while_nothing_can_be_written() {
    let node = node().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let references: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
    sender.store_for("ANZ-2", &references).await;
    node.refuse_writes();
    // The disk's state is known once something is to be written.
    sender.send(referenced("ANZ-5", "kept in memory", "kept"));
    store_is_away(&node).await;
    let mut receiver = Client::login(&node, "ANZ-2").await;
    let (page, _) = receiver.fetch(100).await;
    assert_eq!(page.len(), 10);
    node.allow_writes();
    sender.expect_for("MESSAGE_ACCEPTED", "kept").await;
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
    eventually("what was proven is gone", WAIT, async || {
        (Client::login(&node, "ANZ-2").await.missing() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn reliable_is_refused_beyond_memory_the_rest_goes_on_and_nothing_accepted_is_lost() {
    let mut node = node().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut friend = Client::login(&node, "ANZ-3").await;
    node.refuse_writes();
    // The disk's state is known once something is to be written.
    sender.send(referenced("ANZ-5", "kept in memory", "kept"));
    store_is_away(&node).await;

    let mut waiting = BTreeSet::new();
    let refused = loop {
        let reference = format!("r{}", waiting.len());
        assert!(
            waiting.len() < 200,
            "200 kB in 64 KiB of memory, and none refused"
        );
        sender.send(referenced("ANZ-2", "x".repeat(1000), &reference));
        let answer = sender.fence().await.pop();
        match answer {
            None => waiting.insert(reference),
            Some(answer) => {
                assert_eq!(answer.code(), "UNAVAILABLE", "{}", answer.text);
                assert_eq!(answer["reference"], reference);
                break reference;
            }
        };
    };
    assert!(!waiting.is_empty(), "what was not refused is kept in memory");

    sender.send(ping());
    sender.expect("PONG").await;
    sender.send(fast("ANZ-3", "still quick"));
    assert_eq!(friend.expect("MESSAGE").await["data"]["content"], "still quick");
    assert_eq!(Client::login(&node, "ANZ-4").await.missing(), 0);

    node.allow_writes();
    sender.expect_for("MESSAGE_ACCEPTED", "kept").await;
    for reference in &waiting {
        sender.expect_for("MESSAGE_ACCEPTED", reference).await;
    }
    sender.store_for("ANZ-2", std::slice::from_ref(&refused)).await;
    eventually("ready again", WAIT, async || {
        (node.admin_get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    node.kill9();
    node.start_again().await;
    let (page, left) = Client::login(&node, "ANZ-2").await.fetch(2000).await;
    assert_eq!(left, 0);
    let came: BTreeSet<&str> = page
        .iter()
        .filter_map(|frame| frame["reference"].as_str())
        .collect();
    assert_eq!(came.len(), page.len(), "something came twice");
    assert!(came.contains(refused.as_str()));
    assert!(waiting.iter().all(|reference| came.contains(reference.as_str())));
}
