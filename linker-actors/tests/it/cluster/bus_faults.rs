//! A bus that is away, or loses what it was given.

use std::collections::HashSet;

use linker_actors::core::code::CloseCode;
use serde_json::json;

use super::{Domain, Member};
use crate::harness::{Client, WAIT, eventually, fast, message, referenced, references, user};

async fn greet(sender: &mut Client, to: &str) {
    sender.delivery_fence(to, "greeting").await;
}

#[tokio::test]
async fn what_was_sent_while_the_bus_was_cut_arrives_by_itself_when_it_is_healed() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login_with(&a, "ANZ-1", json!({"accepted": true})).await;
    let mut neighbour = Client::login(&a, "ANZ-3").await;
    greet(&mut sender, "ANZ-2").await;
    receiver.expect("MESSAGE").await;
    for cut in [&a, &b] {
        cut.bus.cut();
        for n in 0..100 {
            sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        }
        for reference in references(100) {
            sender.expect_for("MESSAGE_ACCEPTED", &reference).await;
        }
        sender.send(fast("ANZ-3", "here"));
        assert_eq!(neighbour.expect("MESSAGE").await["data"]["content"], "here");
        receiver.expect_quiet().await;
        cut.bus.heal();
        let mut seen = HashSet::new();
        while seen.len() < 100 {
            seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
        }
        for reference in references(100) {
            sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
        }
        domain.await_rows("ANZ-2", 0).await;
        sender.send(message("ANZ-2", "live"));
        while receiver.expect("MESSAGE").await["data"]["content"] != "live" {}
        sender = Client::login_with(&a, "ANZ-4", json!({"accepted": true})).await;
    }
}

#[tokio::test]
async fn messages_that_the_bus_lost_arrive_all_the_same() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    greet(&mut sender, "ANZ-2").await;
    receiver.expect("MESSAGE").await;
    a.bus.lose(true);
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    sender.fence().await;
    domain.await_rows("ANZ-2", 50).await;
    a.bus.lose(false);
    let mut seen = HashSet::new();
    while seen.len() < 50 {
        seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
    }
    for reference in references(50) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    receiver.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn proofs_that_the_bus_lost_are_asked_for_and_nothing_is_delivered_twice() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    greet(&mut sender, "ANZ-2").await;
    receiver.expect("MESSAGE").await;
    b.bus.lose(true);
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    receiver.expect_in_order(0..50).await;
    domain.await_rows("ANZ-2", 50).await;
    b.bus.lose(false);
    for reference in references(50) {
        sender.expect_for("MESSAGE_CONFIRMATION", &reference).await;
    }
    receiver.expect_quiet().await;
    domain.await_rows("ANZ-2", 0).await;
}

#[tokio::test]
async fn a_bus_that_comes_and_goes_loses_nothing_reliable() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut receiver = Client::login(&b, "ANZ-2").await;
    let mut sender = Client::login(&a, "ANZ-1").await;
    let mut confirmed = Vec::new();
    for round in 0..6 {
        let of = if round % 2 == 0 { &a } else { &b };
        let before = of.bus.lost();
        for n in 0..50 {
            let n = round * 50 + n;
            sender.send(referenced("ANZ-2", n, &format!("r{n}")));
            if n % 50 == 25 {
                confirmed.extend(sender.fence().await);
                match round % 3 {
                    0 => of.bus.cut(),
                    _ => of.bus.lose(true),
                }
            }
        }
        confirmed.extend(sender.fence().await);
        match round % 3 {
            0 => await_some_stored(&domain).await,
            _ => await_loss(of, before).await,
        }
        of.bus.lose(false);
        of.bus.heal();
    }
    let mut seen = HashSet::new();
    while seen.len() < 300 {
        seen.insert(receiver.expect("MESSAGE").await["reference"].to_string());
    }
    let mut confirmed: HashSet<String> = confirmed
        .iter()
        .map(|frame| frame["data"]["reference"].to_string())
        .collect();
    while confirmed.len() < 300 {
        confirmed.insert(sender.expect("MESSAGE_CONFIRMATION").await["data"]["reference"].to_string());
    }
    domain.await_rows("ANZ-2", 0).await;
}

/// Until what cannot go out has come to the store.
async fn await_some_stored(domain: &Domain) {
    let stored = async || (domain.rows_of("ANZ-2").await > 0).then_some(());
    eventually("something is stored", WAIT, stored).await;
}

/// Until the bus has lost something that this node sent since it has lost so much.
async fn await_loss(of: &Member, before: u64) {
    let lost = async || (of.bus.lost() > before).then_some(());
    eventually("the word is lost", WAIT, lost).await;
}

#[tokio::test]
async fn a_close_that_the_bus_lost_is_repeated() {
    let domain = Domain::new();
    let (a, b) = domain.two().await;
    let mut closed = Client::login(&b, "ANZ-2").await;
    let mut spared = Client::login(&b, "ANZ-3").await;
    a.bus.lose(true);
    assert_eq!(a.handle.close(&user("ANZ-2")).await, Ok(1));
    await_loss(&a, 0).await;
    await_loss(&a, a.bus.lost()).await;
    closed.expect_quiet().await;
    a.bus.lose(false);
    assert_eq!(closed.closed().await, Some(CloseCode::ClosedByMaster.number()));
    // One that comes later is another.
    let mut back = Client::login(&b, "ANZ-2").await;
    back.expect_quiet().await;
    spared.expect_quiet().await;
}

#[tokio::test]
async fn a_session_learns_that_it_was_replaced_though_the_bus_lost_that() {
    let domain = Domain::with_sessions_per_user(1);
    let (a, b) = domain.two().await;
    let mut oldest = Client::login(&a, "ANZ-1").await;
    b.bus.lose(true);
    let mut newest = Client::login(&b, "ANZ-1").await;
    await_loss(&b, 0).await;
    oldest.expect_quiet().await;
    b.bus.lose(false);
    assert_eq!(oldest.closed().await, Some(CloseCode::Replaced.number()));
    newest.expect_quiet().await;
}
