//! Several sessions of one user, on several nodes.

use linker_actors::core::code::CloseCode;
use serde_json::json;

use super::Domain;
use crate::harness::{
    Client, Raw, WAIT, eventually, message, message_ack, referenced, references, user, with,
};

#[tokio::test]
async fn sessions_on_all_nodes_get_each_message_and_it_is_confirmed_once() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut on_a = Client::login(&a, "ANZ-2").await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    let mut also_on_b = Client::login(&b, "ANZ-2").await;
    for n in 0..100 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for client in [&mut on_a, &mut on_b, &mut also_on_b] {
        client.expect_in_order(0..100).await;
    }
    for reference in references(100) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    sender.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn all_sessions_of_the_sender_get_the_confirmation_on_all_nodes() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut sender_too = Client::login(&b, "ANZ-1").await;
    let _receiver = Client::login(&b, "ANZ-2").await;
    for reference in references(20) {
        sender.send(referenced("ANZ-2", 1, &reference));
    }
    for reference in references(20) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
        sender_too.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    sender.expect_quiet().await;
    sender_too.expect_quiet().await;
}

#[tokio::test]
async fn the_first_proof_counts_wherever_it_comes_from() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut on_a = Client::login_with(&a, "ANZ-2", json!({"ack": "client"})).await;
    let mut on_b = Client::login_with(&b, "ANZ-2", json!({"ack": "client"})).await;
    sender.send(referenced("ANZ-2", 1, "by b"));
    let (first, copy) = (on_a.expect("MESSAGE").await, on_b.expect("MESSAGE").await);
    assert_eq!(first.id(), copy.id());
    on_b.send(message_ack(&[copy.id()]));
    sender.expect_for("MESSAGE_CONFIRMATION", "by b").await;
    on_a.send(message_ack(&[first.id()]));
    sender.send(referenced("ANZ-2", 2, "by a"));
    let (first, copy) = (on_a.expect("MESSAGE").await, on_b.expect("MESSAGE").await);
    on_a.send(message_ack(&[first.id()]));
    sender.expect_for("MESSAGE_CONFIRMATION", "by a").await;
    on_b.send(message_ack(&[copy.id()]));
    on_a.expect_quiet().await;
    on_b.expect_quiet().await;
    sender.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
    assert_eq!(b.handle.missing(user("ANZ-2")).await, Ok(0));
}

#[tokio::test]
async fn a_session_that_ends_unproven_leaves_it_to_the_one_on_the_other_node() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut silent = Raw::login(&b, "ANZ-2").await;
    let mut careful = Client::login_with(&a, "ANZ-2", json!({"ack": "client"})).await;
    sender.send(referenced("ANZ-2", 1, "r"));
    silent.expect("MESSAGE").await;
    let frame = careful.expect("MESSAGE").await;
    drop(silent);
    careful.send(message_ack(&[frame.id()]));
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
    sender.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn the_oldest_session_of_the_domain_makes_room_for_the_newest() {
    let domain = Domain::with_sessions_per_user(2);
    let (a, b) = domain.two().await;
    let mut oldest = Client::login(&a, "ANZ-1").await;
    let mut second = Client::login(&b, "ANZ-1").await;
    let mut newest = Client::login(&b, "ANZ-1").await;
    assert_eq!(oldest.closed().await, Some(CloseCode::Replaced.number()));
    let mut last = Client::login(&a, "ANZ-1").await;
    assert_eq!(second.closed().await, Some(4009));
    let mut sender = Client::login(&a, "ANZ-2").await;
    sender.send(referenced("ANZ-1", 1, "r"));
    newest.expect("MESSAGE").await;
    last.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
}

#[tokio::test]
async fn master_events_tell_of_the_first_session_and_the_last_in_the_domain() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut master = Client::login(&a, crate::harness::MASTER).await;
    let on_b = Client::login(&b, "ANZ-2").await;
    assert_eq!(master.expect("USER_CONNECTED").await["data"]["userId"], "ANZ-2");
    let on_a = Client::login(&a, "ANZ-2").await;
    on_b.close().await;
    eventually("one session is left", WAIT, async || {
        (b.handle.sessions() == 0).then_some(())
    })
    .await;
    master.expect_quiet().await;
    on_a.close().await;
    assert_eq!(
        master.expect("USER_DISCONNECTED").await["data"]["userId"],
        "ANZ-2"
    );
    let mut other = Client::login(&b, "ANZ-3").await;
    assert_eq!(master.expect("USER_CONNECTED").await["data"]["userId"], "ANZ-3");
    other.send(with(message("ANZ-1000", 1), "reference", "r"));
    other.expect_for("MESSAGE_CONFIRMATION", "r").await;
    master.expect("MESSAGE").await;
    master.expect_quiet().await;
}
