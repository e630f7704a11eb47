//! The application behind a webhook.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::broker::await_upstream;
use super::hook::{Hook, Post, SECRET};
use super::{referenced, upstream};
use crate::harness::{Client, WAIT, eventually};

/// As an application checks it: what was signed, and when.
fn verify(post: &Post) -> u64 {
    let (time, signature) = post
        .header("Linker-Signature")
        .split_once(",v1=")
        .expect("t=…,v1=…");
    let time = time.strip_prefix("t=").expect("t=…");
    let bytes: Vec<u8> = (0..signature.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&signature[at..at + 2], 16).expect("hex digits"))
        .collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&post.raw);
    mac.verify_slice(&bytes).expect("the signature is right");
    time.parse().expect("seconds")
}

#[tokio::test]
async fn a_message_is_posted_signed_and_confirmed() {
    let hook = Hook::willing().await;
    let node = hook.config().start().await;
    let mut client = Client::login(&node, "ANZ-5").await;
    client.send(referenced("order.created", json!({"n": 1}), "r1"));
    client.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    let posts = hook.posts();
    assert_eq!(posts.len(), 1);
    let post = &posts[0];
    assert_eq!(post.header("Content-Type"), "application/json");
    assert_eq!(post.header("Linker-Id"), post.body["id"].as_str().unwrap());
    assert_eq!(post.header("Linker-Topic"), "ANZ.order.created");
    assert_eq!(post.body["content"], json!({"n": 1}));
    assert_eq!(post.body["type"], "order.created");
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(verify(post).abs_diff(now) < 60);
    assert!(!node.log().contains(SECRET));
    assert!(!node.log().contains("key=1"), "the url may be a secret");
}

#[tokio::test]
async fn what_is_not_taken_is_posted_again_under_its_id_and_in_order() {
    let mut faults = vec![503, 500, 429, 302, 404];
    let hook = Hook::saying(move |_| (faults.pop().unwrap_or(200), Duration::ZERO)).await;
    let node = hook.config().start().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..5 {
        client.send(referenced("n", n, &format!("r{n}")));
    }
    let taken = hook.taken(5).await;
    let contents: Vec<_> = taken.iter().map(|post| post.body["content"].clone()).collect();
    assert_eq!(contents, [json!(0), json!(1), json!(2), json!(3), json!(4)]);
    client
        .expect_for_all("MESSAGE_CONFIRMATION", (0..5).map(|n| format!("r{n}")))
        .await;
    let of_first: Vec<_> = hook
        .posts()
        .into_iter()
        .filter(|post| post.body["content"] == 0)
        .collect();
    assert!(of_first.len() > 1, "the first was not taken at first");
    let id = of_first[0].header("Linker-Id");
    assert!(of_first.iter().all(|post| post.header("Linker-Id") == id));
    for post in &of_first {
        verify(post);
    }
    let failures = node.metrics().await.value("linker_upstream_failures_total", &[]);
    assert_eq!(failures, 5.0);
}

#[tokio::test]
async fn a_refusal_is_told_the_sender_and_holds_up_nobody() {
    let hook = Hook::answering_bad_with(422).await;
    let mut node = hook.config().start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(referenced("n", "bad", "r1"));
    client.send(referenced("n", "good", "r2"));
    client.expect_for("MESSAGE_CONFIRMATION", "r2").await;
    let error = client.expect_error("REFUSED").await;
    assert_eq!(error["reference"], "r1");
    assert!(error["id"].is_string(), "it is RELIABLE: {}", error.text);
    client.expect_quiet().await;
    let refused = [("kind", "message"), ("outcome", "refused")];
    assert_eq!(node.metrics().await.value("linker_upstream_total", &refused), 1.0);
    assert_eq!(hook.posts().len(), 2, "it is not posted again");

    // It waits for a sender who has left.
    client.send(referenced("n", "bad", "r3"));
    client.fence().await;
    client.vanish().await;
    eventually("it was refused", WAIT, async || {
        let metrics = node.metrics().await;
        (metrics.value("linker_upstream_total", &refused) == 2.0).then_some(())
    })
    .await;
    node.restart().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"replay": true})).await;
    let waiting = client.all_until("FETCH_MISSING_MESSAGES_COMPLETE").await;
    let refusals: Vec<_> = waiting
        .iter()
        .filter(|frame| frame.kind() == "ERROR" && frame["reference"] == "r3")
        .collect();
    assert_eq!(refusals.len(), 1, "{waiting:#?}");
}

#[tokio::test]
async fn what_was_accepted_while_the_application_was_dead_survives_kill_9() {
    let mut hook = Hook::willing().await;
    let mut node = hook.config().start().await;
    hook.die().await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..20 {
        client.send(referenced("n", n, &format!("r{n}")));
    }
    client
        .expect_for_all("MESSAGE_ACCEPTED", (0..20).map(|n| format!("r{n}")))
        .await;
    await_upstream(&node, false).await;
    assert!(node.health().await.unwrap().0, "the node is ready all the same");
    node.kill9();
    node.start_again().await;
    hook.come_back().await;
    let taken = hook.taken(20).await;
    let contents: Vec<_> = taken.iter().map(|post| post.body["content"].clone()).collect();
    assert_eq!(contents, (0..20).map(|n| json!(n)).collect::<Vec<_>>());
    await_upstream(&node, true).await;
    let mut client = Client::login_with(&node, "ANZ-1", json!({"replay": true})).await;
    client
        .expect_for_all("MESSAGE_CONFIRMATION", (0..20).map(|n| format!("r{n}")))
        .await;
}

#[tokio::test]
async fn one_senders_trouble_is_not_anothers() {
    let hook = Hook::saying(|body| match body["from"] == "ANZ-1" {
        true => (500, Duration::ZERO),
        false => (200, Duration::ZERO),
    })
    .await;
    let node = hook.config().start().await;
    let mut troubled = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..10 {
        troubled.send(referenced("n", n, &format!("t{n}")));
    }
    troubled.expect_for("MESSAGE_ACCEPTED", "t9").await;
    let mut other = Client::login(&node, "ANZ-2").await;
    for n in 0..10 {
        other.send(referenced("n", n, &format!("r{n}")));
        other.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
    let by_content = hook
        .posts()
        .iter()
        .filter(|post| post.body["from"] == "ANZ-1")
        .fold(HashMap::new(), |mut counts: HashMap<u64, u32>, post| {
            *counts.entry(post.body["content"].as_u64().unwrap()).or_default() += 1;
            counts
        });
    assert_eq!(
        by_content.keys().copied().collect::<Vec<_>>(),
        [0],
        "the rest waits behind it"
    );
}

#[tokio::test]
async fn an_application_that_is_away_for_some_messages_is_found_to_be_there_for_others() {
    let hook = Hook::answering_bad_with(500).await;
    let node = hook.config().start().await;
    let mut troubled = Vec::new();
    for n in 1..=12 {
        let client = Client::login(&node, &format!("ANZ-{n}")).await;
        client.send(upstream("n", "bad"));
        troubled.push(client);
    }
    // Nothing is taken, so it counts as away, and they wait before what is newer.
    await_upstream(&node, false).await;
    let mut other = Client::login(&node, "ANZ-100").await;
    other.send(referenced("n", "good", "r"));
    other.expect_for("MESSAGE_CONFIRMATION", "r").await;
    await_upstream(&node, true).await;
}

#[tokio::test]
async fn a_slow_application_is_given_one_of_each_sender_at_a_time() {
    let hook = Hook::saying(|_| (200, Duration::from_millis(30))).await;
    let node = hook.config().start().await;
    let mut clients = Vec::new();
    for n in 1..=4 {
        let client = Client::login_with(&node, &format!("ANZ-{n}"), json!({"accepted": true})).await;
        for m in 0..15 {
            client.send(upstream("n", m));
        }
        clients.push(client);
    }
    let taken = hook.taken(60).await;
    let mut next: HashMap<String, u64> = HashMap::new();
    for post in &taken {
        let expected = next.entry(post.body["from"].to_string()).or_default();
        assert_eq!(post.body["content"], *expected, "each once, in order");
        *expected += 1;
    }
}

#[tokio::test]
async fn an_application_that_does_not_answer_is_asked_again_and_told_once_by_id() {
    let mut first = true;
    let hook = Hook::saying(move |_| match std::mem::take(&mut first) {
        true => (200, WAIT),
        false => (200, Duration::ZERO),
    })
    .await;
    let node = hook.config().set("upstream.timeout", "200ms").start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(referenced("n", 1, "r"));
    client.expect_for("MESSAGE_CONFIRMATION", "r").await;
    let posts = hook.posts();
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0].header("Linker-Id"), posts[1].header("Linker-Id"));
}

#[tokio::test]
async fn events_are_posted_too() {
    let hook = Hook::willing().await;
    let node = hook
        .config()
        .set("upstream.events", json!(["connected"]))
        .start()
        .await;
    let _client = Client::login(&node, "XYZ-3").await;
    let post = &hook.taken(1).await[0];
    assert_eq!(post.header("Linker-Topic"), "XYZ.event.connected");
    assert_eq!(post.body["userId"], "XYZ-3");
    verify(post);
}
