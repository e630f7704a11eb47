//! Falling behind is not a fault: a slow session is fed from the store, in order, until it is live
//! again.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Checker, Client, Frame, Node, NodeConfig, Raw, Received, WAIT, Wire, eventually, fast, referenced,
};

const PONG: u8 = 10;
const BOUND: usize = 16 * 1024;
/// How long a slow client takes for a proof.
const SLOWLY: Duration = Duration::from_millis(300);

async fn node() -> Node {
    NodeConfig::new()
        .set("limits.maxUnprovenBytes", BOUND)
        .start()
        .await
}

/// A kilobyte that says which it is.
fn kilobyte(n: usize) -> String {
    format!("{n}:{}", "x".repeat(1000))
}

async fn send_all(sender: &mut Client, to: &str, numbers: std::ops::Range<usize>) {
    let references: Vec<String> = numbers.clone().map(|n| format!("r{n}")).collect();
    for (n, reference) in numbers.zip(&references) {
        sender.send(referenced(to, kilobyte(n), reference));
    }
    for reference in &references {
        sender.expect_for("MESSAGE_ACCEPTED", reference).await;
    }
}

/// Whatever the node has to say to a session that proves nothing.
async fn everything_unproven(raw: &mut Raw) -> Vec<Frame> {
    let mut frames = raw.fence().await;
    while let Some(received) = raw.receive_within(Duration::from_millis(300)).await {
        if let Received::Text(frame) = received {
            frames.push(frame);
        }
    }
    frames
}

#[tokio::test]
async fn a_session_that_proves_nothing_is_sent_its_bound_and_not_much_more() {
    let node = node().await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, "ANZ-2", 0..100).await;
    let sent = everything_unproven(&mut slow).await;
    let bytes: usize = sent.iter().map(|frame| frame.text.len()).sum();
    assert!(bytes >= BOUND / 2, "only {bytes} bytes are on their way");
    assert!(
        bytes <= BOUND * 2,
        "{bytes} bytes are unproven, {BOUND} are allowed"
    );
    assert!(node.metrics().await.value("linker_slow_consumers_total", &[]) >= 1.0);
}

#[tokio::test]
async fn a_session_that_fell_behind_catches_up_in_order_and_is_live_again() {
    let node = node().await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    let mut checker = Checker::default();
    for n in 0..100 {
        checker.sent("ANZ-1", "ANZ-2", &format!("r{n}"));
        checker.promised("ANZ-1", "ANZ-2", &format!("r{n}"));
    }
    send_all(&mut sender, "ANZ-2", 0..100).await;
    for frame in everything_unproven(&mut slow).await {
        checker.received("ANZ-2", &frame);
    }
    slow.pong_newest().await;
    slow.answers_pings = true;
    let mut last = String::new();
    while last != "r99" {
        let frame = slow.next_text().await;
        frame["reference"].as_str().unwrap().clone_into(&mut last);
        checker.received("ANZ-2", &frame);
    }
    checker.verify();
    checker.verify_no_repetitions();
    let confirmed = async {
        for n in 0..100 {
            sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
        }
        // FAST is dropped until it has caught up, which takes a moment longer than the last proof.
        loop {
            sender.send(fast("ANZ-2", "live again"));
            sender.fence().await;
        }
    };
    let live = async {
        loop {
            let frame = slow.next_text().await;
            if frame["feature"] == "FAST" {
                return frame;
            }
        }
    };
    let frame = tokio::select! {
        never = confirmed => never,
        frame = live => frame,
    };
    assert_eq!(frame["data"]["content"], "live again");
}

#[tokio::test]
async fn messages_sent_while_it_catches_up_keep_their_order() {
    let node = node().await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, "ANZ-2", 0..60).await;
    let mut expected = 0;
    for frame in everything_unproven(&mut slow).await {
        assert_eq!(frame["reference"], format!("r{expected}"));
        expected += 1;
    }
    slow.pong_newest().await;
    for n in 60..200 {
        sender.send(referenced("ANZ-2", kilobyte(n), &format!("r{n}")));
    }
    slow.answers_pings = true;
    while expected < 200 {
        let frame = slow.next_text().await;
        assert_eq!(frame["reference"], format!("r{expected}"), "out of order");
        expected += 1;
    }
}

#[tokio::test]
async fn fast_messages_to_a_session_behind_are_dropped_and_counted() {
    let node = node().await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, "ANZ-2", 0..60).await;
    for n in 0..10 {
        sender.send(fast("ANZ-2", n));
    }
    sender.fence().await;
    let dropped = eventually("the dropped ones are counted", WAIT, async || {
        let metrics = node.metrics().await;
        let labels = [("feature", "FAST"), ("outcome", "dropped")];
        metrics
            .sum("linker_messages_total", &labels)
            .filter(|count| *count >= 10.0)
    });
    assert_eq!(dropped.await, 10.0);
    let frames = everything_unproven(&mut slow).await;
    assert!(
        frames.iter().all(|frame| frame["feature"] == "RELIABLE"),
        "a FAST one came through"
    );
}

#[tokio::test]
async fn a_session_that_proves_slowly_is_never_closed() {
    const MESSAGES: usize = 150;
    let stall_timeout = Duration::from_secs(3);
    let config = NodeConfig::new()
        .set("limits.maxUnprovenBytes", BOUND)
        .set("limits.stallTimeout", "3s");
    let node = config.start().await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    let sender = Client::login(&node, "ANZ-1").await;
    for n in 0..MESSAGES {
        sender.send(referenced("ANZ-2", kilobyte(n), &format!("r{n}")));
    }
    let (mut next, mut waited) = (0, Duration::ZERO);
    while next < MESSAGES {
        match slow.receive().await {
            Received::Text(frame) => {
                assert_eq!(frame["reference"], format!("r{next}"));
                next += 1;
            }
            Received::Ping(payload) => {
                slow.pings.clear();
                // Slower than the network, quicker than the timeout: that is what is tested.
                tokio::time::sleep(SLOWLY).await;
                waited += SLOWLY;
                slow.wire(Wire::new(PONG, &payload)).await;
            }
            over => panic!("{over:?} after {next} messages"),
        }
    }
    assert!(waited > stall_timeout, "it was slow for {waited:?} only");
}

#[tokio::test]
async fn another_session_of_the_same_user_is_not_held_up() {
    let node = node().await;
    let _slow = Raw::login(&node, "ANZ-2").await;
    let mut quick = Client::login(&node, "ANZ-2").await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    for n in 0..100 {
        sender.send(referenced("ANZ-2", kilobyte(n), &format!("r{n}")));
    }
    for n in 0..100 {
        assert_eq!(quick.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
    for n in 0..100 {
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

#[tokio::test]
async fn what_waits_for_a_session_behind_survives_kill_9() {
    let mut node = node().await;
    let slow = Raw::login(&node, "ANZ-2").await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, "ANZ-2", 0..60).await;
    node.kill9();
    drop(slow);
    node.start_again().await;
    let mut back = Client::login(&node, "ANZ-2").await;
    assert_eq!(back.missing(), 60);
    let (page, left) = back.fetch(100).await;
    assert_eq!((page.len(), left), (60, 0));
    for (n, frame) in page.iter().enumerate() {
        assert_eq!(frame["reference"], format!("r{n}"));
    }
}

#[tokio::test]
async fn a_page_is_paced_by_the_proof_window() {
    let node = node().await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_all(&mut sender, "ANZ-2", 0..100).await;
    let mut slow = Raw::login(&node, "ANZ-2").await;
    slow.text(&crate::harness::fetch(100)).await;
    let sent = everything_unproven(&mut slow).await;
    let bytes: usize = sent.iter().map(|frame| frame.text.len()).sum();
    assert!(
        bytes <= BOUND * 2,
        "{bytes} bytes of the page are unproven, {BOUND} are allowed"
    );
    slow.pong_newest().await;
    slow.answers_pings = true;
    for n in sent.len()..100 {
        assert_eq!(slow.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
    let complete = slow.expect("FETCH_MISSING_MESSAGES_COMPLETE").await;
    assert_eq!(complete["data"]["leftMissingCount"], 0);
}
