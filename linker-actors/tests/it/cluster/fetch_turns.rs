//! Fetches of one user on several nodes at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use linker_actors::core::port::{Presence, TURN_TIME, Turn};
use serde_json::json;

use super::{Domain, Member};
use crate::harness::{Client, Frame, WAIT, eventually, fetch, references, references_of, user};

/// So many messages wait for ANZ-2, and nobody moves them any more: who logs in before that gets them at once.
async fn missed(domain: &Domain, a: &Member, count: usize) {
    missed_from(domain, a, "ANZ-1", count).await;
}

async fn missed_from(domain: &Domain, a: &Member, sender: &str, count: usize) {
    let mut sender = Client::login_with(a, sender, json!({"accepted": true})).await;
    sender.store_for("ANZ-2", &references(count)).await;
    domain.await_missing(a, "ANZ-2", count as u64).await;
}

#[tokio::test]
async fn sessions_on_two_nodes_that_fetch_at_once_share_what_was_missed() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    for sender in ["ANZ-3", "ANZ-4", "ANZ-5"] {
        missed_from(&domain, &a, sender, 300).await;
        let mut on_a = Client::login(&a, "ANZ-2").await;
        let mut on_b = Client::login(&b, "ANZ-2").await;
        let ((of_a, _), (of_b, _)) = tokio::join!(on_a.fetch(2000), on_b.fetch(2000));
        let mut all = references_of(&of_a);
        all.extend(references_of(&of_b));
        assert_eq!(all.len(), 300, "{} and {}", of_a.len(), of_b.len());
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 300);
        on_a.close().await;
        on_b.close().await;
        domain.await_offline("ANZ-2").await;
        domain.await_rows("ANZ-2", 0).await;
    }
}

#[tokio::test]
async fn nodes_whose_sessions_go_on_fetching_take_turns() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    missed(&domain, &a, 400).await;
    let mut sessions = Vec::new();
    for node in [&a, &b, &a, &b] {
        sessions.push(Client::login(node, "ANZ-2").await);
    }
    for session in &sessions {
        for _ in 0..10 {
            session.send(fetch(10));
        }
    }
    let mut all = Vec::new();
    for session in &mut sessions {
        for _ in 0..10 {
            let mut page = session.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
            page.pop();
            assert_eq!(page.len(), 10);
            all.extend(references_of(&page).into_iter().map(str::to_owned));
        }
    }
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 400);
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn the_turn_is_given_back_once_nobody_fetches() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    missed(&domain, &a, 20).await;
    let mut on_a = Client::login(&a, "ANZ-2").await;
    let _on_b = Client::login(&b, "ANZ-2").await;
    assert_eq!(on_a.fetch(2000).await.0.len(), 20);
    let other = domain.node_of("ANZ-2").await;
    eventually("it is anybody's turn", WAIT, async || {
        let turn = domain.registry.begin_turn(user("ANZ-2"), other.clone()).await;
        matches!(turn, Ok(Turn::Ours { .. })).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_presence_fetches_are_served_all_the_same() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    missed(&domain, &a, 50).await;
    let mut on_a = Client::login(&a, "ANZ-2").await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    domain.presence.set_away(true);
    assert_eq!(on_a.fetch(20).await.0.len(), 20);
    assert_eq!(on_a.fetch(20).await.0.len(), 20);
    domain.await_rows("ANZ-2", 10).await;
    assert_eq!(on_b.fetch(20).await.0.len(), 10);
    domain.await_rows("ANZ-2", 0).await;
    domain.presence.set_away(false);
    let (page, left) = on_a.fetch(20).await;
    assert_eq!((page.len(), left), (0, 0));
}

#[tokio::test]
async fn a_turn_of_a_node_that_died_keeps_nobody_waiting_for_long() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    missed(&domain, &a, 20).await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    let dead = "dead~0000000000000001".parse().expect("a node");
    let begun = Instant::now();
    let turn = domain.registry.begin_turn(user("ANZ-2"), dead).await;
    assert_eq!(turn, Ok(Turn::Ours { wanted: false }));
    assert_eq!(on_b.fetch(2000).await.0.len(), 20);
    assert!(begun.elapsed() >= TURN_TIME, "not before");
}

#[tokio::test]
async fn a_session_that_proves_nothing_keeps_those_on_other_nodes_waiting_for_a_while_only() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    missed(&domain, &a, 20).await;
    let mut silent = Client::login_with(&a, "ANZ-2", json!({"ack": "client"})).await;
    let mut on_b = Client::login(&b, "ANZ-2").await;
    let page = silent.fetch(15).await.0;
    // On its own node nobody waits for it.
    let (rest, _) = silent.fetch(15).await;
    assert_eq!((page.len(), rest.len()), (15, 5));
    let asked = Instant::now();
    let again = on_b.fetch(2000).await.0;
    assert!(asked.elapsed() >= Duration::from_secs(1), "it was waited for");
    let ids = |frames: &[Frame]| {
        frames
            .iter()
            .map(|frame| frame.id().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&again), [ids(&page), ids(&rest)].concat());
}
