//! Message types of a host's own.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use linker_actors::core::code::FrameError;
use linker_actors::core::frame::ClientFrame;
use linker_actors::core::message_type::{MessageType, RegisterError};
use linker_actors::core::session::FrameContext;
use linker_actors::{Caller, Handler, HandlerError, Linker, Reply, StartError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::spec;
use crate::harness::{Client, Node, Raw, WAIT, eventually, with};

/// Does as it is told.
struct Obedient {
    running: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Order {
    Answer { times: u32 },
    Refuse,
    Panic,
    Wait,
}

impl Handler for Obedient {
    const TYPE: &'static str = "DO_IT";
    type Request = Order;

    async fn handle(&self, caller: Caller, order: Order) -> Result<Vec<Reply>, HandlerError> {
        match order {
            Order::Answer { times } => (0..times)
                .map(|n| Reply::new("DONE", &json!({"n": n, "for": caller.user.to_string()})))
                .collect(),
            Order::Refuse => Err(HandlerError::forbidden("not for you")),
            Order::Panic => panic!("as it was told"),
            Order::Wait => {
                self.running.fetch_add(1, Ordering::SeqCst);
                self.gate.acquire().await.expect("never closed").forget();
                Ok(vec![Reply::new("DONE", &json!({}))?])
            }
        }
    }
}

struct Obeyed {
    node: Node,
    running: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

async fn obedient_node() -> Obeyed {
    let (running, gate) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
    let handler = Obedient {
        running: Arc::clone(&running),
        gate: Arc::clone(&gate),
    };
    let node = spec().build(|builder| builder.handler(handler)).start().await;
    Obeyed { node, running, gate }
}

fn order(data: Value) -> Value {
    with(json!({"type": "DO_IT", "data": data}), "reference", "mine")
}

#[tokio::test]
async fn a_request_is_answered_by_frames_with_its_reference() {
    let Obeyed { node, .. } = obedient_node().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    client.send(order(json!({"do": "answer", "times": 3})));
    for n in 0..3 {
        let frame = client.next().await;
        assert_eq!((frame.kind(), &frame["reference"]), ("DONE", &json!("mine")));
        assert_eq!(frame["data"], json!({"n": n, "for": "ANZ-1"}));
    }
}

#[tokio::test]
async fn what_is_wrong_is_answered_and_the_connection_lives() {
    let Obeyed { node, .. } = obedient_node().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for (data, code) in [
        (json!({"do": "refuse"}), "FORBIDDEN"),
        (json!({"do": "panic"}), "UNAVAILABLE"),
        (json!({"do": "answer"}), "INVALID_FIELD"),
        (json!({"do": "answer", "times": "three"}), "INVALID_FIELD"),
        (json!({"do": "something else"}), "INVALID_FIELD"),
        (json!({}), "INVALID_FIELD"),
        (Value::Null, "INVALID_FIELD"),
        (json!([1]), "INVALID_FIELD"),
    ] {
        client.send(order(data.clone()));
        let error = client.next().await;
        assert_eq!((error.kind(), error.code()), ("ERROR", code), "{data}");
        assert_eq!(error["reference"], "mine");
        error.error_text();
    }
    client.send(json!({"type": "DO_IT"}));
    assert_eq!(client.next().await.code(), "INVALID_FIELD");
    client.send(order(json!({"do": "answer", "times": 1})));
    assert_eq!(client.next().await.kind(), "DONE");
}

#[tokio::test]
async fn nobody_asks_before_the_login() {
    let Obeyed { node, .. } = obedient_node().await;
    let mut raw = Raw::connect(&node).await;
    raw.text(&order(json!({"do": "answer", "times": 1}))).await;
    assert_eq!(raw.expect("ERROR").await.code(), "NOT_AUTHENTICATED");
}

#[tokio::test]
async fn more_requests_than_may_run_at_once_wait_in_the_socket_and_are_all_answered() {
    let Obeyed { node, running, gate } = obedient_node().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    let mut other = Client::login(&node, "ANZ-2").await;
    for _ in 0..50 {
        client.send(order(json!({"do": "wait"})));
    }
    let at_once = linker_actors::core::limit::HANDLER_CALLS_MAX;
    eventually("as many as may do run", WAIT, async || {
        (running.load(Ordering::SeqCst) == at_once).then_some(())
    })
    .await;
    // Others are not held up, and what has come from this one waits.
    other.send(order(json!({"do": "answer", "times": 1})));
    assert_eq!(other.next().await.kind(), "DONE");
    assert_eq!(running.load(Ordering::SeqCst), at_once);
    gate.add_permits(1);
    eventually("the next one runs", WAIT, async || {
        (running.load(Ordering::SeqCst) == at_once + 1).then_some(())
    })
    .await;
    gate.add_permits(49);
    for _ in 0..50 {
        assert_eq!(client.next().await.kind(), "DONE");
    }
    client.expect_quiet().await;
}

struct Named(&'static str);

impl MessageType for Named {
    fn name(&self) -> Cow<'static, str> {
        self.0.into()
    }

    fn handle(&self, _: &ClientFrame<'_>, _: &mut FrameContext<'_>) -> Result<(), FrameError> {
        Ok(())
    }
}

#[tokio::test]
async fn names_that_are_taken_or_none_at_all_are_refused_at_the_start() {
    let start = async |names: &[&'static str]| {
        let mut builder = Linker::builder();
        for name in names {
            builder = builder.message_type(Arc::new(Named(name)));
        }
        builder.start().await.err()
    };
    let error_of = async |names: &[&'static str]| match start(names).await {
        Some(StartError::MessageType(error)) => error,
        other => panic!("{other:?} for {names:?}"),
    };
    for name in [
        "MESSAGE",
        "PING",
        "PONG",
        "ERROR",
        "AUTH_CLIENT",
        "MESSAGE_ACCEPTED",
    ] {
        assert_eq!(error_of(&[name]).await, RegisterError::Reserved(name.into()));
    }
    assert_eq!(
        error_of(&["MINE", "MINE"]).await,
        RegisterError::Repeated("MINE".into())
    );
    for name in ["", "lower", "WITH SPACE", "\u{dc}BER"] {
        assert_eq!(error_of(&[name]).await, RegisterError::Malformed(name.into()));
    }
    assert!(start(&["MINE", "MINE_2"]).await.is_none());
}
