//! A flood pushes back on the sender's socket instead of growing memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use linker_actors::adapter::memory::{Fault, FaultSwitch, FaultyStore, MemoryStore};
use serde_json::json;

use crate::harness::{Dial, Node, NodeSpec, Raw, Transport, WAIT, eventually, message, user};

/// More than all buffers of the kernel and all credit of the node together.
const MESSAGES: usize = 4000;
const BYTES: usize = 10_000;
const ABSENT: usize = 10;

async fn node(transport: Transport, max_pending_bytes: usize) -> (Node, FaultSwitch) {
    let (store, switch) = FaultyStore::new(MemoryStore::new());
    let node = NodeSpec::new(transport)
        .config(|config| config.max_pending_bytes = max_pending_bytes)
        .build(|builder| builder.store(Arc::new(store)))
        .start()
        .await;
    (node, switch)
}

/// Writes as fast as the node reads.
async fn flood(mut sender: Raw, written: Arc<AtomicUsize>) -> Raw {
    for n in 0..MESSAGES {
        let to = format!("ANZ-{}", 100 + n % ABSENT);
        assert!(sender.text(&message(&to, "x".repeat(BYTES))).await, "cut");
        written.fetch_add(1, Ordering::Relaxed);
    }
    sender.fence().await;
    sender
}

/// How much was written when nothing more was for a while.
async fn standstill(written: &AtomicUsize) -> usize {
    loop {
        let before = written.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(700)).await;
        if before > 0 && written.load(Ordering::Relaxed) == before {
            return before;
        }
    }
}

async fn assert_all_stored(node: &Node) {
    eventually("all is stored", WAIT, async || {
        let mut all = 0;
        for n in 0..ABSENT {
            let waits = node.handle.missing(user(&format!("ANZ-{}", 100 + n))).await;
            all += waits.expect("the store is there");
        }
        (all == MESSAGES as u64).then_some(())
    })
    .await;
}

pub(super) async fn a_flood_to_absent_users_is_slowed_and_nothing_is_lost(transport: Transport) {
    let (node, switch) = node(transport, 256 << 20).await;
    let sender = Raw::login_with(&node, "ANZ-1", json!({}), &Dial::default()).await;
    switch.set(Fault::Held);
    let written = Arc::new(AtomicUsize::new(0));
    let flooding = tokio::spawn(flood(sender, Arc::clone(&written)));
    let stood = standstill(&written).await;
    assert!(
        stood < MESSAGES * 3 / 4,
        "{stood} of {MESSAGES} were taken by a node that stores nothing"
    );
    switch.set(Fault::None);
    flooding.await.expect("nothing was cut");
    assert_all_stored(&node).await;
}

pub(super) async fn a_crowded_node_slows_its_senders_and_loses_nothing(transport: Transport) {
    // Less than the credits of all senders together.
    let (node, switch) = node(transport, 1 << 20).await;
    switch.set(Fault::Slow(Duration::from_millis(20)));
    let mut senders = Vec::new();
    for n in 0..8 {
        let mut sender = Raw::login(&node, &format!("ANZ-{n}")).await;
        senders.push(tokio::spawn(async move {
            for n in 0..MESSAGES / 8 {
                let to = format!("ANZ-{}", 100 + n % ABSENT);
                assert!(sender.text(&message(&to, "x".repeat(BYTES))).await, "cut");
            }
            let frames = sender.fence().await;
            assert!(
                frames.is_empty(),
                "nothing is refused by a store that is slow: {frames:?}"
            );
        }));
    }
    for sender in senders {
        sender.await.expect("nothing was cut or refused");
    }
    switch.set(Fault::None);
    assert_all_stored(&node).await;
}
