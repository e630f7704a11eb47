//! The host as the application that clients write to.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linker_actors::adapter::memory::{Fault, FaultyStore, MemoryStore};
use linker_actors::core::code::FrameError;
use linker_actors::core::frame::ClientFrame;
use linker_actors::core::message_type::MessageType;
use linker_actors::core::port::{UpstreamError, UpstreamMessage};
use linker_actors::core::session::FrameContext;
use linker_actors::core::upstream::UpstreamEvent;
use linker_actors::{Linker, StartError};
use serde_json::{Value, json};

use super::spec;
use crate::harness::{Client, WAIT, eventually};

type Taken = Arc<Mutex<Vec<Arc<UpstreamMessage>>>>;

fn upstream(content: impl Into<Value>, reference: &str) -> Value {
    json!({"type": "UPSTREAM", "data": {"type": "order.created", "content": content.into()}, "reference": reference})
}

fn content_of(message: &UpstreamMessage) -> Value {
    serde_json::from_slice::<Value>(&message.body).expect("JSON")["content"].clone()
}

/// Keeps what it takes.
fn keeping(
    taken: &Taken,
) -> impl Fn(Arc<UpstreamMessage>) -> std::future::Ready<Result<(), UpstreamError>> + use<> {
    let taken = Arc::clone(taken);
    move |message| {
        taken.lock().unwrap().push(message);
        std::future::ready(Ok(()))
    }
}

#[tokio::test]
async fn the_host_takes_messages_and_events_and_its_clients_are_confirmed() {
    let taken = Taken::default();
    let node = spec()
        .build(|builder| {
            builder
                .upstream_handler(keeping(&taken))
                .upstream_events([UpstreamEvent::Connected])
        })
        .start()
        .await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for n in 0..100 {
        client.send(upstream(n, &format!("r{n}")));
    }
    client
        .expect_for_all("MESSAGE_CONFIRMATION", (0..100).map(|n| format!("r{n}")))
        .await;
    let (events, messages): (Vec<_>, Vec<_>) = taken
        .lock()
        .unwrap()
        .clone()
        .into_iter()
        .partition(|message| message.is_event);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].routing_key(), "ANZ.event.connected");
    assert_eq!(messages[0].routing_key(), "ANZ.order.created");
    assert_eq!(messages[0].reference.as_deref(), Some("r0"));
    let contents: Vec<Value> = messages.iter().map(|message| content_of(message)).collect();
    assert_eq!(contents, (0..100).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_taken_comes_again_and_a_panic_is_no_end() {
    let calls = Arc::<Mutex<HashMap<u64, usize>>>::default();
    let counted = Arc::clone(&calls);
    let handler = move |message: Arc<UpstreamMessage>| {
        let n = content_of(&message).as_u64().unwrap();
        let call = {
            let mut calls = counted.lock().unwrap();
            let call = calls.entry(n).or_default();
            *call += 1;
            *call
        };
        async move {
            match (n, call) {
                (0, 1) => panic!("a bug"),
                (0, 2) => Err(UpstreamError::Failed("not now".into())),
                (1, 1) => Err(UpstreamError::Away("gone for a while".into())),
                (2, _) => Err(UpstreamError::Refused("never".into())),
                _ => Ok(()),
            }
        }
    };
    let node = spec()
        .build(|builder| builder.upstream_handler(handler))
        .start()
        .await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for n in 0..4 {
        client.send(upstream(n, &format!("r{n}")));
    }
    for reference in ["r0", "r1", "r3"] {
        client.expect_for("MESSAGE_CONFIRMATION", reference).await;
    }
    assert_eq!(client.expect_error("REFUSED").await["reference"], "r2");
    client.expect_quiet().await;
    let calls = calls.lock().unwrap();
    assert_eq!((calls[&0], calls[&1], calls[&2], calls[&3]), (3, 2, 1, 1));
}

#[tokio::test]
async fn one_of_each_sender_is_with_the_handler_at_a_time() {
    #[derive(Default)]
    struct Seen {
        now: Mutex<HashMap<String, usize>>,
        most: AtomicUsize,
        twice: AtomicBool,
    }
    let seen = Arc::<Seen>::default();
    let watching = Arc::clone(&seen);
    let handler = move |message: Arc<UpstreamMessage>| {
        let seen = Arc::clone(&watching);
        async move {
            let from = message.from.to_string();
            {
                let mut now = seen.now.lock().unwrap();
                let count = now.entry(from.clone()).or_default();
                *count += 1;
                if *count > 1 {
                    seen.twice.store(true, Ordering::SeqCst);
                }
                let all = now.values().sum();
                seen.most.fetch_max(all, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            *seen.now.lock().unwrap().get_mut(&from).unwrap() -= 1;
            Ok(())
        }
    };
    let node = spec()
        .build(|builder| builder.upstream_handler(handler))
        .start()
        .await;
    let mut clients = Vec::new();
    for n in 1..=5 {
        let client = Client::login(&node, &format!("ANZ-{n}")).await;
        for m in 0..10 {
            client.send(upstream(m, &format!("r{m}")));
        }
        clients.push(client);
    }
    for client in &mut clients {
        client.expect_for("MESSAGE_CONFIRMATION", "r9").await;
    }
    assert!(!seen.twice.load(Ordering::SeqCst));
    assert!(
        seen.most.load(Ordering::SeqCst) > 1,
        "senders do not wait for each other"
    );
}

#[tokio::test]
async fn what_neither_handler_nor_store_takes_is_refused_beyond_the_bound_and_goes_on_by_itself() {
    let (store, switch) = FaultyStore::new(MemoryStore::new());
    let is_there = Arc::new(AtomicBool::new(false));
    let taken = Taken::default();
    let (there, keep) = (Arc::clone(&is_there), keeping(&taken));
    let handler = move |message: Arc<UpstreamMessage>| {
        let result = match there.load(Ordering::SeqCst) {
            true => Some(keep(message)),
            false => None,
        };
        async move {
            match result {
                Some(taking) => taking.await,
                None => Err(UpstreamError::Away("not there".into())),
            }
        }
    };
    let node = spec()
        .config(|config| config.max_pending_bytes = 64 * 1024)
        .build(|builder| builder.store(Arc::new(store)).upstream_handler(handler))
        .start()
        .await;
    switch.set(Fault::Away);
    let mut client = Client::login_with(&node, "ANZ-1", json!({"accepted": true})).await;
    client.send(upstream("x".repeat(1000), "r0"));
    eventually("the store is seen to be away", WAIT, async || {
        (!node.handle.health().is_ready()).then_some(())
    })
    .await;
    for n in 1..200 {
        client.send(upstream("x".repeat(1000), &format!("r{n}")));
    }
    let refused = client.expect_error("UNAVAILABLE").await;
    let refused = refused["reference"].as_str().unwrap().to_owned();
    switch.set(Fault::None);
    is_there.store(true, Ordering::SeqCst);
    client.expect_for("MESSAGE_CONFIRMATION", "r0").await;
    let references: Vec<_> = taken
        .lock()
        .unwrap()
        .iter()
        .map(|message| message.reference.clone())
        .collect();
    assert!(!references.contains(&Some(refused.into())));
}

#[tokio::test]
async fn without_an_application_there_is_nothing_to_write_to_and_nothing_to_tell() {
    let node = spec().start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(upstream(1, "r"));
    assert_eq!(client.expect_error("UNKNOWN_TYPE").await["reference"], "r");
    let started = Linker::builder()
        .upstream_events([UpstreamEvent::Stored])
        .start()
        .await;
    assert!(matches!(started, Err(StartError::Config(_))));
}

struct Own;

impl MessageType for Own {
    fn name(&self) -> Cow<'static, str> {
        "UPSTREAM".into()
    }

    fn handle(&self, _: &ClientFrame<'_>, _: &mut FrameContext<'_>) -> Result<(), FrameError> {
        Ok(())
    }
}

#[tokio::test]
async fn the_type_is_the_protocols_also_where_it_is_not_used() {
    let started = Linker::builder().message_type(Arc::new(Own)).start().await;
    assert!(started.is_err());
}
