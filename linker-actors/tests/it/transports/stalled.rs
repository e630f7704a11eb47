//! Clients that really stop reading: their window is closed, and what the kernel holds for them is full.

use std::time::Duration;

use linker_actors::Event;
use serde_json::json;

use super::test_name;
use crate::harness::{
    Client, Dial, Node, NodeSpec, Raw, Transport, WAIT, Wire, eventually, fast, in_a_process_of_its_own,
    peak_resident_kib, referenced, user,
};

const PING: u8 = 9;

fn unread() -> Dial {
    Dial {
        receive_buffer: Some(4096),
        ..Dial::default()
    }
}

async fn node(transport: Transport, timeout: Duration) -> Node {
    NodeSpec::new(transport)
        .config(|config| {
            config.session.max_unproven_bytes = 64 * 1024;
            config.session.stall_timeout = timeout;
            config.session.heartbeat_interval = timeout / 2;
            config.session.heartbeat_timeout = timeout;
        })
        .start()
        .await
}

/// So much FAST that every buffer on the way is full.
async fn fill_all_buffers(sender: &mut Client, to: &str) {
    let chunk = "x".repeat(10_000);
    for _ in 0..20 {
        for _ in 0..100 {
            sender.send(fast(to, chunk.as_str()));
        }
        sender.fence().await;
    }
}

async fn send_and_await_safety(sender: &mut Client, numbers: std::ops::Range<usize>) {
    for n in numbers.clone() {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
    }
    for n in numbers {
        sender.expect_for("MESSAGE_ACCEPTED", &format!("r{n}")).await;
    }
}

pub(super) async fn a_client_that_reads_nothing_is_gone_in_time_and_its_messages_are_given_back(
    transport: Transport,
) {
    let node = node(transport, Duration::from_secs(2)).await;
    let mut events = node.handle.subscribe();
    let asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    let mut sender = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    send_and_await_safety(&mut sender, 0..20).await;
    fill_all_buffers(&mut sender, "ANZ-2").await;
    send_and_await_safety(&mut sender, 20..40).await;
    let gone = async { while events.next().await != Some(Event::UserDisconnected(user("ANZ-2"))) {} };
    let gone = tokio::time::timeout(WAIT, gone).await;
    gone.expect("it is given up");
    eventually("all is given back", WAIT, async || {
        (node.handle.missing(user("ANZ-2")).await == Ok(40)).then_some(())
    })
    .await;
    let mut back = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for n in 0..40 {
        assert_eq!(back.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
    drop(asleep);
}

pub(super) async fn a_flood_to_a_client_that_reads_nothing_costs_its_bound(transport: Transport) {
    if !in_a_process_of_its_own(&test_name(
        transport,
        "a_flood_to_a_client_that_reads_nothing_costs_its_bound",
    )) {
        return;
    }
    let node = node(transport, Duration::from_secs(60)).await;
    let _asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    fill_all_buffers(&mut sender, "ANZ-2").await;
    let before = peak_resident_kib();
    for _ in 0..3 {
        fill_all_buffers(&mut sender, "ANZ-2").await;
    }
    let grown = peak_resident_kib() - before;
    assert!(
        grown < 4096,
        "60 MB to a client that reads nothing cost {grown} KiB"
    );
}

pub(super) async fn a_flood_of_pings_from_a_client_that_reads_nothing_costs_its_bound(transport: Transport) {
    if !in_a_process_of_its_own(&test_name(
        transport,
        "a_flood_of_pings_from_a_client_that_reads_nothing_costs_its_bound",
    )) {
        return;
    }
    let node = node(transport, Duration::from_secs(3)).await;
    let mut rude = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    Client::login(&node, "ANZ-1")
        .await
        .delivery_fence("ANZ-1", "warm")
        .await;
    let before = peak_resident_kib();
    let many = Wire::new(PING, &[7; 125]).bytes().repeat(500);
    let mut written = 0;
    // Until the node has cut the connection, having read no further before.
    while rude.bytes(&many).await {
        written += many.len();
        assert!(
            written < 64 << 20,
            "{written} bytes of pings were taken, and no answer was read"
        );
    }
    let grown = peak_resident_kib() - before;
    assert!(grown < 8192, "unread pongs cost {grown} KiB");
    let mut other = Client::login(&node, "ANZ-3").await;
    other.delivery_fence("ANZ-3", "alive").await;
}

pub(super) async fn a_client_that_reads_nothing_holds_up_nobody(transport: Transport) {
    let node = node(transport, Duration::from_secs(60)).await;
    let _asleep = Raw::login_with(&node, "ANZ-2", json!({}), &unread()).await;
    // On the same thread as the one that sleeps, as some of several are.
    let mut awake = Vec::new();
    for n in 3..7 {
        awake.push(Client::login(&node, &format!("ANZ-{n}")).await);
    }
    let mut sender = Client::login(&node, "ANZ-1").await;
    fill_all_buffers(&mut sender, "ANZ-2").await;
    for n in 3..7 {
        sender.delivery_fence(&format!("ANZ-{n}"), &format!("r{n}")).await;
    }
}
