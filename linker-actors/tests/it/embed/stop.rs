//! The end of a node.

use std::sync::{Arc, Weak};
use std::time::Duration;

use linker_actors::adapter::memory::{Fault, FaultyStore, MemoryStore};
use linker_actors::core::port::{CountRequest, Store};
use linker_actors::{Caller, Handler, HandlerError, Reply, SendError};
use serde_json::json;

use super::{node, outgoing, spec};
use crate::harness::{Client, Dial, Node, Raw, WAIT, eventually, referenced, upgrade_status, user};

async fn in_store(store: &Arc<FaultyStore<MemoryStore>>, who: &str) -> u64 {
    let request = CountRequest {
        user: user(who),
        except: Vec::new(),
    };
    store
        .store()
        .count(vec![request])
        .await
        .expect("memory is never away")[0]
}

#[tokio::test]
async fn a_stop_closes_with_1001_and_stores_what_is_not_proven() {
    let (store, _) = FaultyStore::new(MemoryStore::new());
    let store = Arc::new(store);
    let shared = Arc::clone(&store);
    let node = spec()
        // Nothing is stored for its age.
        .config(|config| config.commit_window = Duration::from_secs(60))
        .build(|builder| builder.store(shared))
        .start()
        .await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut silent = Raw::login(&node, "ANZ-2").await;
    for n in 0..20 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        silent.expect("MESSAGE").await;
    }
    let handle = node.handle.clone();
    let (stopped, silent_code, sender_code) =
        tokio::join!(node.linker.stop(), silent.closed(), sender.closed());
    assert!(stopped);
    assert_eq!((silent_code, sender_code), (Some(1001), Some(1001)));
    assert_eq!(in_store(&store, "ANZ-2").await, 20);
    assert_eq!(
        handle.send(user("ANZ-2"), outgoing(1)).await,
        Err(SendError::Stopping)
    );
}

#[tokio::test]
async fn a_host_may_stop_its_server_first() {
    let (store, _) = FaultyStore::new(MemoryStore::new());
    let store = Arc::new(store);
    let shared = Arc::clone(&store);
    let node = spec()
        .config(|config| config.commit_window = Duration::from_secs(60))
        .build(|builder| builder.store(shared))
        .start()
        .await;
    let sender = Client::login(&node, "ANZ-1").await;
    let mut silent = Raw::login(&node, "ANZ-2").await;
    for n in 0..20 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        silent.expect("MESSAGE").await;
    }
    let Node { linker, server, .. } = node;
    server.stop().await;
    assert!(linker.stop().await);
    assert_eq!(in_store(&store, "ANZ-2").await, 20);
}

#[tokio::test]
async fn a_draining_node_lets_nobody_in_and_serves_those_who_are() {
    let node = node().await;
    let mut inside = Client::login(&node, "ANZ-1").await;
    node.linker.refuse_connections();
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 503);
    assert!(!node.handle.health().is_ready());
    inside.delivery_fence("ANZ-1", "still served").await;
    let (stopped, code) = tokio::join!(node.linker.stop(), inside.closed());
    assert!(stopped);
    assert_eq!(code, Some(1001));
}

#[tokio::test]
async fn a_stop_without_a_store_takes_its_time_and_says_what_it_could_not_do() {
    let (store, switch) = FaultyStore::new(MemoryStore::new());
    let node = spec()
        .config(|config| config.drain_timeout = Duration::from_millis(500))
        .build(|builder| builder.store(Arc::new(store)))
        .start()
        .await;
    switch.set(Fault::Away);
    let handle = node.handle.clone();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.send(user("ANZ-2"), outgoing(1)).await }
    });
    eventually("the node notices", WAIT, async || {
        (!handle.health().is_ready()).then_some(())
    })
    .await;
    assert!(!node.linker.stop().await, "it could not be stored");
    // Who waits for word of a message is told that there will be none.
    let told = tokio::time::timeout(WAIT, waiting).await.expect("in time");
    assert_eq!(told.expect("no panic"), Err(SendError::Stopping));
}

#[tokio::test]
async fn subscribers_learn_of_the_end() {
    let node = node().await;
    let mut events = node.handle.subscribe();
    let handle = node.handle.clone();
    assert!(node.linker.stop().await);
    let end = tokio::time::timeout(WAIT, events.next()).await;
    assert_eq!(end.expect("in time"), None);
    // Also those who come later.
    assert_eq!(handle.subscribe().next().await, None);
}

struct Anything;

impl Handler for Anything {
    const TYPE: &'static str = "ANYTHING";
    type Request = serde_json::Value;

    async fn handle(&self, _: Caller, _: serde_json::Value) -> Result<Vec<Reply>, HandlerError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn nothing_of_a_stopped_node_is_kept() {
    let (store, _) = FaultyStore::new(MemoryStore::new());
    let store: Arc<FaultyStore<MemoryStore>> = Arc::new(store);
    let watched: Weak<FaultyStore<MemoryStore>> = Arc::downgrade(&store);
    let node = spec()
        .build(|builder| builder.store(store).handler(Anything))
        .start()
        .await;
    let client = Client::login_with(&node, "ANZ-1", json!({"replay": true})).await;
    client.send(json!({"type": "ANYTHING"}));
    client.close().await;
    let Node {
        linker,
        server,
        handle,
        ..
    } = node;
    assert!(linker.stop().await);
    server.stop().await;
    drop(handle);
    eventually("the store is let go of", WAIT, async || {
        watched.upgrade().is_none().then_some(())
    })
    .await;
}
