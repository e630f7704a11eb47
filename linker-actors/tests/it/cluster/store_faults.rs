//! A store that is away while nodes exchange.

use linker_actors::adapter::memory::Fault;
use serde_json::json;

use super::Domain;
use crate::harness::{Client, MASTER, Raw, referenced, references};

#[tokio::test]
async fn live_messages_cross_nodes_without_a_store() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    domain.store_fault.set(Fault::Away);
    for n in 0..200 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    receiver.expect_in_order(0..200).await;
    for reference in references(200) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    domain.store_fault.set(Fault::None);
    domain.await_rows("ANZ-2", 0).await;
    receiver.expect_quiet().await;
}

#[tokio::test]
async fn what_is_given_back_without_a_store_is_kept_until_there_is_one() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut silent = Raw::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    domain.store_fault.set(Fault::Away);
    for n in 0..20 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for _ in 0..20 {
        silent.expect("MESSAGE").await;
    }
    drop(silent);
    let mut other = Client::login(&a, "ANZ-3").await;
    other.delivery_fence("ANZ-1", "alive").await;
    domain.await_offline("ANZ-2").await;
    domain.store_fault.set(Fault::None);
    domain.await_missing(&b, "ANZ-2", 20).await;
    let mut back = Client::login_with(&b, "ANZ-2", json!({"replay": true})).await;
    back.expect_in_order(0..20).await;
    for reference in references(20) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_no_second_message() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    // What tells the master of the sender is stored by then.
    domain.await_rows(MASTER, 1).await;
    domain.store_fault.set(Fault::UncertainAfterCommit);
    sender.send(referenced("ANZ-2", 0, "r0"));
    domain.await_rows("ANZ-2", 1).await;
    for n in 1..20 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    let mut receiver = Client::login(&b, "ANZ-2").await;
    domain.store_fault.set(Fault::None);
    let mut got = 0;
    while got < 20 {
        let (page, left) = receiver.fetch(100).await;
        got += page.iter().filter(|frame| frame.kind() == "MESSAGE").count();
        assert!(left == 0 || got < 20);
    }
    for reference in references(20) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    receiver.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}
