//! Links that are cut, slow or silent, and what becomes of what is on its way.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    Client, Network, Node, WAIT, eventually, fast, reaches, referenced, references, user_of,
};

/// Messages `from` to `to` in order, each with its number as its content and in its reference.
fn send_numbers(client: &Client, user: &str, numbers: Range<usize>) {
    for (n, reference) in numbers.clone().zip(numbered(numbers)) {
        client.send(referenced(user, n, &reference));
    }
}

fn numbered(numbers: Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|n| format!("n-{n}"))
}

async fn has_backlog(node: &Node, to: &str, at_least: f64) {
    eventually("messages wait for the link", WAIT, async || {
        (node.link_backlog(to).await >= at_least).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_while_the_link_is_down_is_kept_and_goes_on_in_order() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let two = user_of(1, 2);
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    let mut reader = Client::login(&nodes[1], &two).await;
    send_numbers(&sender, &two, 0..20);
    reader.expect_in_order(0..20).await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    send_numbers(&sender, &two, 20..220);
    sender.expect_for_all("MESSAGE_ACCEPTED", numbered(20..220)).await;
    has_backlog(&nodes[0], network.name(1), 200.0).await;
    sender.send(fast(&two, "gone"));
    network.heal(0, 1);
    // While it drains: newer ones stay behind older ones.
    send_numbers(&sender, &two, 220..320);
    reader.expect_in_order(20..320).await;
    sender
        .expect_for_all("MESSAGE_CONFIRMATION", numbered(0..320))
        .await;
    eventually("nothing waits any more", WAIT, async || {
        (nodes[0].link_backlog(network.name(1)).await == 0.0).then_some(())
    })
    .await;
    // And live again.
    reaches(&mut sender, &mut reader, &two, "after").await;
}

#[tokio::test]
async fn a_neighbour_that_was_never_there_gets_what_waits_when_it_comes() {
    let network = Network::line(2).await;
    let node = network.start(0, "a").await;
    let two = user_of(1, 2);
    let mut sender = Client::login_with(&node, &user_of(0, 1), json!({"accepted": true})).await;
    let references = references(20);
    sender.store_for(&two, &references).await;
    let other = network.start(1, "a").await;
    let mut reader = Client::login_with(&other, &two, json!({"replay": true})).await;
    for reference in &references {
        assert_eq!(reader.expect("MESSAGE").await["reference"], reference.as_str());
        sender.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
}

#[tokio::test]
async fn what_waits_for_a_link_survives_the_death_of_its_node() {
    let network = Network::line(2).await;
    let mut nodes = network.start_all().await;
    let two = user_of(1, 2);
    let mut reader = Client::login(&nodes[1], &two).await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    send_numbers(&sender, &two, 0..100);
    sender.expect_for_all("MESSAGE_ACCEPTED", numbered(0..100)).await;
    nodes[0].kill9();
    nodes[0].start_again().await;
    network.heal(0, 1);
    reader.expect_in_order(0..100).await;
}

#[tokio::test]
async fn another_node_hands_over_what_a_dead_one_had_for_a_link() {
    let network = Network::line(2).await;
    let mut nodes = network.start_all().await;
    let other = network.start(0, "b").await;
    network.await_link(&other, 1, true).await;
    let two = user_of(1, 2);
    let mut reader = Client::login(&nodes[1], &two).await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    send_numbers(&sender, &two, 0..50);
    sender.expect_for_all("MESSAGE_ACCEPTED", numbered(0..50)).await;
    nodes[0].kill9();
    network.heal(0, 1);
    network.await_link(&other, 1, true).await;
    reader.expect_in_order(0..50).await;
}

#[tokio::test]
async fn a_silent_link_is_noticed_and_loses_nothing() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let two = user_of(1, 2);
    let mut sender = Client::login(&nodes[0], &user_of(0, 1)).await;
    let mut reader = Client::login(&nodes[1], &two).await;
    send_numbers(&sender, &two, 0..20);
    network.stall(0, 1);
    send_numbers(&sender, &two, 20..60);
    network.await_link(&nodes[0], 1, false).await;
    network.heal(0, 1);
    send_numbers(&sender, &two, 60..80);
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 80 {
        // What was on its way when it fell silent may come twice, under its own id.
        let frame = reader.expect("MESSAGE").await;
        seen.insert(frame["data"]["content"].as_u64().unwrap());
    }
    sender
        .expect_for_all("MESSAGE_CONFIRMATION", numbered(0..80))
        .await;
}

#[tokio::test]
async fn a_slow_link_slows_its_own_traffic_only() {
    let network = Network::new(3, &[(0, 1), (0, 2)]).await;
    let nodes = network.start_all().await;
    let (slow, quick) = (user_of(1, 2), user_of(2, 3));
    let sender = Client::login(&nodes[0], &user_of(0, 1)).await;
    let mut other = Client::login(&nodes[0], &user_of(0, 9)).await;
    let mut slow_reader = Client::login(&nodes[1], &slow).await;
    let mut quick_reader = Client::login(&nodes[2], &quick).await;
    network.delay(0, 1, Duration::from_millis(150));
    send_numbers(&sender, &slow, 0..300);
    let began = Instant::now();
    for n in 0..20 {
        reaches(&mut other, &mut quick_reader, &quick, &format!("q{n}")).await;
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    slow_reader.expect_in_order(0..300).await;
}

#[tokio::test]
async fn messages_take_the_other_way_round_a_ring() {
    let network = Network::ring().await;
    let nodes = network.start_all().await;
    let two = user_of(1, 2);
    let mut sender = Client::login(&nodes[0], &user_of(0, 1)).await;
    let mut reader = Client::login(&nodes[1], &two).await;
    reaches(&mut sender, &mut reader, &two, "direct").await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    for n in 0..20 {
        reaches(&mut sender, &mut reader, &two, &format!("round-{n}")).await;
    }
    network.heal(0, 1);
    network.await_link(&nodes[0], 1, true).await;
    reaches(&mut sender, &mut reader, &two, "direct again").await;
}

#[tokio::test]
async fn a_cut_far_away_is_gone_around_too() {
    // From 0 to 2 by 1, the first of two equal ways.
    let network = Network::ring().await;
    let nodes = network.start_all().await;
    let two = user_of(2, 2);
    let mut sender = Client::login(&nodes[0], &user_of(0, 1)).await;
    let mut reader = Client::login(&nodes[2], &two).await;
    reaches(&mut sender, &mut reader, &two, "before").await;
    network.cut(1, 2);
    network.await_link(&nodes[1], 2, false).await;
    for n in 0..20 {
        reaches(&mut sender, &mut reader, &two, &format!("round-{n}")).await;
    }
}

#[tokio::test]
async fn a_partition_heals_by_itself() {
    let network = Network::line(4).await;
    let nodes = network.start_all().await;
    let ends = [user_of(0, 1), user_of(3, 1)];
    let mut first = Client::login_with(&nodes[0], &ends[0], json!({"accepted": true})).await;
    let mut last = Client::login_with(&nodes[3], &ends[1], json!({"accepted": true})).await;
    network.cut(1, 2);
    network.await_link(&nodes[1], 2, false).await;
    send_numbers(&first, &ends[1], 0..100);
    send_numbers(&last, &ends[0], 0..100);
    first.expect_for_all("MESSAGE_ACCEPTED", numbered(0..100)).await;
    last.expect_for_all("MESSAGE_ACCEPTED", numbered(0..100)).await;
    network.heal(1, 2);
    first.expect_in_order(0..100).await;
    last.expect_in_order(0..100).await;
    first
        .expect_for_all("MESSAGE_CONFIRMATION", numbered(0..100))
        .await;
    last.expect_for_all("MESSAGE_CONFIRMATION", numbered(0..100))
        .await;
}
