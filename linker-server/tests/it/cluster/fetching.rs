//! A user who fetches on both nodes at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Client, Domain, Node, Raw, WAIT, eventually, fetch, references};

/// So many messages wait for ANZ-2, and nobody moves them any more: who logs in before that gets them at once.
async fn missed(a: &Node, count: usize) -> (Client, Vec<String>) {
    let mut sender = Client::login_with(a, "ANZ-1", json!({"accepted": true})).await;
    let references = references(count);
    sender.store_for("ANZ-2", &references).await;
    eventually("all is left to the store", WAIT, async || {
        (a.metrics().await.value("linker_pending_messages", &[]) == 0.0).then_some(())
    })
    .await;
    (sender, references)
}

#[tokio::test]
async fn sessions_on_both_nodes_that_fetch_at_once_get_each_message_once() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let (mut sender, references) = missed(&a, 300).await;
    let mut on_a = Client::login(&a, "ANZ-2").await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    let ((of_a, _), (of_b, _)) = tokio::join!(on_a.fetch(2000), on_b.fetch(2000));
    assert_eq!(of_a.len() + of_b.len(), 300, "{} and {}", of_a.len(), of_b.len());
    let got: HashSet<&str> = of_a.iter().chain(&of_b).map(|frame| frame.id()).collect();
    assert_eq!(got.len(), 300);
    for reference in &references {
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
    on_a.expect_quiet().await;
    on_b.expect_quiet().await;
}

#[tokio::test]
async fn a_node_that_is_killed_in_the_middle_of_a_fetch_keeps_the_other_one_waiting_for_seconds_only() {
    let domain = Domain::new().await;
    let [mut a, b] = domain.pair().await;
    let (sender, references) = missed(&b, 20).await;
    let mut deaf = Raw::login(&a, "ANZ-2").await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    deaf.text(&fetch(2000)).await;
    deaf.expect("MESSAGE").await;
    a.kill9();
    let killed = Instant::now();
    let (page, left) = on_b.fetch(2000).await;
    assert_eq!((page.len(), left), (references.len(), 0));
    // Seven, of a machine that is not busy.
    assert!(killed.elapsed() < Duration::from_secs(20));
    drop(sender);
}
