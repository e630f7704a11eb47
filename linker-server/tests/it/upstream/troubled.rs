//! A sender whose messages the application does not take, for long and by the megabyte, is in nobody's way, and loses nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::hook::Hook;
use super::{referenced, upstream};
use crate::harness::{Client, Node, WAIT, eventually};

/// Of [`PADDING`] each, together twice what is kept in memory for the application.
const MUCH: u64 = 300;
/// More than may stand in others' way.
const ENOUGH: u64 = 100;
const PADDING: usize = 60_000;

/// Does not take what `ANZ-1` sends while it is told so.
pub(super) async fn stumbling() -> (Hook, Arc<AtomicBool>) {
    let stumbles = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&stumbles);
    let hook = Hook::saying(move |body| {
        let fails = body["from"] == "ANZ-1" && told.load(Ordering::SeqCst);
        (if fails { 500 } else { 200 }, Duration::ZERO)
    })
    .await;
    (hook, stumbles)
}

/// `ANZ-1` sends so many large ones, and all of it is accepted.
async fn send_large(client: &mut Client, count: u64) {
    let padding = "x".repeat(PADDING);
    for n in 0..count {
        client.send(referenced("n", json!({"n": n, "x": padding}), &format!("t{n}")));
    }
    client
        .expect_for_all("MESSAGE_ACCEPTED", (0..count).map(|n| format!("t{n}")))
        .await;
}

/// Others are served meanwhile, as if nothing were.
async fn others_go_on(node: &Node, round: &str) {
    // One with the number of the troubled one, of another app, among them.
    for id in ["XYZ-1", "ANZ-2", "ANZ-3"] {
        let mut other = Client::login(node, id).await;
        for n in 0..20 {
            let reference = format!("{round}{n}");
            other.send(referenced("n", n, &reference));
            let began = std::time::Instant::now();
            other.expect_for("MESSAGE_CONFIRMATION", &reference).await;
            assert!(began.elapsed() < Duration::from_secs(3), "{id} had to wait");
        }
    }
}

/// What the application has of `ANZ-1`, once it has all of it.
pub(super) async fn numbers_taken(hook: &Hook, count: u64) -> Vec<u64> {
    eventually("it has taken everything", WAIT * 3, async || {
        let numbers: Vec<u64> = hook
            .posts()
            .iter()
            .filter(|post| post.status == 200 && post.body["from"] == "ANZ-1")
            .map(|post| post.body["content"]["n"].as_u64().expect("a number"))
            .collect();
        let different: HashSet<&u64> = numbers.iter().collect();
        (different.len() as u64 >= count).then_some(numbers)
    })
    .await
}

/// Each at least once, and none before one that was sent earlier.
pub(super) fn assert_in_order(numbers: &[u64], count: u64) {
    let mut next = 0;
    for &n in numbers {
        assert!(n <= next, "{n} before {next}");
        next = next.max(n + 1);
    }
    assert_eq!(next, count);
}

pub(super) async fn await_aside(node: &Node, senders: f64) {
    eventually("senders are set aside", WAIT, async || {
        let aside = node.metrics().await.value("linker_upstream_aside", &[]);
        (aside == senders).then_some(())
    })
    .await;
}

#[tokio::test]
async fn others_go_on_while_one_sends_megabytes_that_are_not_taken_and_nothing_of_it_is_lost() {
    let (hook, stumbles) = stumbling().await;
    let node = hook.config().start().await;
    let mut troubled = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_large(&mut troubled, MUCH).await;
    others_go_on(&node, "a").await;
    await_aside(&node, 1.0).await;
    let up = node.metrics().await.value("linker_upstream_up", &[]);
    assert_eq!(up, 1.0, "the application is there");
    stumbles.store(false, Ordering::SeqCst);
    let numbers = numbers_taken(&hook, MUCH).await;
    assert_in_order(&numbers, MUCH);
    troubled
        .expect_for_all("MESSAGE_CONFIRMATION", (0..MUCH).map(|n| format!("t{n}")))
        .await;
    await_aside(&node, 0.0).await;
    // From now on it is as everybody.
    troubled.send(referenced("n", json!({"n": MUCH}), "last"));
    troubled.expect_for("MESSAGE_CONFIRMATION", "last").await;
}

#[tokio::test]
async fn what_was_set_aside_survives_kill_9_and_stays_in_nobodys_way() {
    let (hook, stumbles) = stumbling().await;
    let mut node = hook.config().start().await;
    let mut troubled = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_large(&mut troubled, ENOUGH).await;
    await_aside(&node, 1.0).await;
    node.kill9();
    node.start_again().await;
    await_aside(&node, 1.0).await;
    others_go_on(&node, "b").await;
    let mut troubled = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in ENOUGH..ENOUGH + 20 {
        troubled.send(referenced("n", json!({"n": n}), &format!("t{n}")));
    }
    troubled
        .expect_for_all("MESSAGE_ACCEPTED", (ENOUGH..ENOUGH + 20).map(|n| format!("t{n}")))
        .await;
    stumbles.store(false, Ordering::SeqCst);
    let numbers = numbers_taken(&hook, ENOUGH + 20).await;
    assert_in_order(&numbers, ENOUGH + 20);
    await_aside(&node, 0.0).await;
}

#[tokio::test]
async fn what_had_waited_for_everybody_is_set_aside_where_its_sender_is() {
    let (mut hook, stumbles) = stumbling().await;
    let node = hook.config().start().await;
    let mut troubled = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    troubled.send(referenced("n", json!({"n": 0}), "t0"));
    await_aside(&node, 1.0).await;
    // All of it is in the store when the application comes, among that of others.
    hook.die().await;
    let mut other = Client::login_with(&node, "ANZ-2", json!({"accepted": true})).await;
    let padding = "x".repeat(1000);
    for n in 1..1500_u64 {
        troubled.send(referenced("n", json!({"n": n, "x": padding}), &format!("t{n}")));
        if n % 50 == 0 {
            other.send(referenced("n", n, &format!("o{n}")));
        }
    }
    troubled
        .expect_for_all("MESSAGE_ACCEPTED", (0..1500).map(|n| format!("t{n}")))
        .await;
    hook.come_back().await;
    other
        .expect_for_all("MESSAGE_CONFIRMATION", (1..30).map(|n| format!("o{}", n * 50)))
        .await;
    stumbles.store(false, Ordering::SeqCst);
    assert_in_order(&numbers_taken(&hook, 1500).await, 1500);
}

#[tokio::test]
async fn one_whose_messages_take_long_leaves_room_for_others() {
    let hook = Hook::saying(
        |body| match body["from"] == "ANZ-1" && body["content"]["n"] == 0 {
            true => (200, Duration::from_secs(4)),
            false => (200, Duration::ZERO),
        },
    )
    .await;
    let node = hook.config().start().await;
    let mut slow = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_large(&mut slow, ENOUGH).await;
    others_go_on(&node, "a").await;
    assert_in_order(&numbers_taken(&hook, ENOUGH).await, ENOUGH);
}

#[tokio::test]
async fn many_who_are_not_taken_are_in_nobodys_way_either() {
    let hook = Hook::answering_bad_with(500).await;
    let node = hook.config().start().await;
    let mut troubled = Vec::new();
    for n in 100..140 {
        let client = Client::login(&node, &format!("ANZ-{n}")).await;
        client.send(upstream("n", "bad"));
        client.send(upstream("n", Value::from(n)));
        troubled.push(client);
    }
    others_go_on(&node, "a").await;
    await_aside(&node, 40.0).await;
    others_go_on(&node, "b").await;
}
