//! What a host does by the handle.

use linker_actors::core::code::{ErrorCode, FrameError};
use linker_actors::{Event, SendError, SendState};
use serde_json::json;

use super::{node, outgoing, spec};
use crate::harness::{Client, Node, WAIT, eventually, user};

fn refused<T>(result: Result<T, SendError>) -> ErrorCode {
    match result {
        Err(SendError::Refused(FrameError { code, .. })) => code,
        Err(other) => panic!("{other} instead of a refusal"),
        Ok(_) => panic!("it was taken"),
    }
}

#[tokio::test]
async fn a_message_to_somebody_there_is_delivered_in_the_masters_name() {
    // Only a proof can answer, as the window in which nothing is stored never ends.
    let node = spec()
        .config(|config| config.commit_window = WAIT * 10)
        .start()
        .await;
    let mut client = Client::login(&node, "ANZ-2").await;
    let receipt = node
        .handle
        .send(user("ANZ-2"), outgoing(json!({"order": 7})))
        .await
        .expect("sent");
    assert_eq!(receipt.state, SendState::Delivered);
    let arrived = client.expect("MESSAGE").await;
    assert_eq!(
        arrived["data"],
        json!({"from": "ANZ-1000", "content": {"order": 7}})
    );
    assert_eq!(arrived.id(), receipt.id.to_string());
}

#[tokio::test]
async fn a_message_to_somebody_absent_is_stored_and_a_fast_one_is_dropped() {
    let node = node().await;
    let absent = user("ANZ-2");
    let stored = node.handle.send(absent, outgoing(1)).await.expect("sent");
    assert_eq!(stored.state, SendState::Stored);
    let dropped = node.handle.send(absent, outgoing(2).fast()).await.expect("sent");
    assert_eq!(dropped.state, SendState::Dropped);
    assert_eq!(node.handle.missing(absent).await, Ok(1));
    let mut back = Client::login(&node, "ANZ-2").await;
    let (page, left) = back.fetch(10).await;
    assert_eq!((page.len(), left), (1, 0));
    assert_eq!(page[0].id(), stored.id.to_string());
    let fast = node.handle.send(absent, outgoing(3).fast()).await.expect("sent");
    assert_eq!(fast.state, SendState::Delivered);
    assert_eq!(back.expect("MESSAGE").await["feature"], "FAST");
}

#[tokio::test]
async fn what_a_client_would_be_refused_for_is_refused() {
    let node = spec()
        .config(|config| config.retention_max_per_user = 2)
        .start()
        .await;
    let handle = &node.handle;
    assert_eq!(
        refused(handle.send(user("NOPE-1"), outgoing(1)).await),
        ErrorCode::UnknownUser
    );
    let from_outside = outgoing(1).from_user(user("ANZ-1"));
    assert_eq!(
        refused(handle.send(user("LONE-1"), from_outside).await),
        ErrorCode::Forbidden
    );
    for reference in [String::new(), "r".repeat(257)] {
        let bad = outgoing(1).with_reference(&reference);
        assert_eq!(
            refused(handle.send(user("ANZ-1"), bad).await),
            ErrorCode::InvalidField
        );
    }
    assert_eq!(
        handle.send(user("XYZ-1"), outgoing(1)).await,
        Err(SendError::NoSender(user("XYZ-1")))
    );
    for _ in 0..2 {
        handle
            .send(user("ANZ-2"), outgoing(1))
            .await
            .expect("there is room");
    }
    assert_eq!(
        refused(handle.send(user("ANZ-2"), outgoing(1)).await),
        ErrorCode::InboxFull
    );
    assert_eq!(handle.missing(user("ANZ-2")).await, Ok(2));
}

#[tokio::test]
async fn a_reference_makes_a_repetition_one_message_and_tells_the_sender() {
    let node = node().await;
    let mut author = Client::login(&node, "ANZ-1").await;
    let message = outgoing("once").from_user(user("ANZ-1")).with_reference("r");
    let first = node
        .handle
        .send(user("ANZ-2"), message.clone())
        .await
        .expect("sent");
    let again = node.handle.send(user("ANZ-2"), message).await.expect("sent");
    assert_eq!(first, again);
    assert_eq!(node.handle.missing(user("ANZ-2")).await, Ok(1));
    let mut receiver = Client::login(&node, "ANZ-2").await;
    receiver.fetch(10).await;
    author.expect_for("MESSAGE_CONFIRMATION", "r").await;
}

#[tokio::test]
async fn many_are_answered_one_by_one_in_order() {
    let node = node().await;
    let mut there = Client::login(&node, "ANZ-0").await;
    let mut to: Vec<_> = (0..600).map(|n| user(&format!("ANZ-{n}"))).collect();
    to.push(user("NOPE-1"));
    let mut answers = node.handle.send_to_many(&to, &outgoing("all")).await;
    assert_eq!(answers.len(), 601);
    assert_eq!(refused(answers.pop().expect("601")), ErrorCode::UnknownUser);
    for answer in &answers[1..] {
        assert_eq!(answer.as_ref().expect("sent").state, SendState::Stored);
    }
    assert!(answers[0].is_ok());
    assert_eq!(there.expect("MESSAGE").await["data"]["content"], "all");
}

#[tokio::test]
async fn who_is_online_is_known_and_can_be_closed() {
    let node = node().await;
    let absent = user("ANZ-2");
    assert!(!node.handle.is_online(absent).await);
    assert_eq!(node.handle.close(&absent).await, Ok(0));
    let mut phone = Client::login(&node, "ANZ-2").await;
    let mut laptop = Client::login(&node, "ANZ-2").await;
    assert!(node.handle.is_online(absent).await);
    assert_eq!(node.handle.sessions(), 2);
    assert_eq!(node.handle.close(&absent).await, Ok(2));
    assert_eq!(phone.closed().await, Some(4010));
    assert_eq!(laptop.closed().await, Some(4010));
    eventually("presence forgets both", WAIT, async || {
        (!node.handle.is_online(absent).await).then_some(())
    })
    .await;
    assert_eq!(node.handle.sessions(), 0);
}

#[tokio::test]
async fn a_subscriber_hears_of_users_and_messages() {
    let node = node().await;
    let mut events = node.handle.subscribe();
    let client = Client::login(&node, "ANZ-2").await;
    let connected = events.next().await;
    assert_eq!(connected, Some(Event::UserConnected(user("ANZ-2"))));
    // The second session of a user is no event.
    Client::login(&node, "ANZ-2").await.close().await;
    client.close().await;
    let disconnected = events.next().await;
    assert_eq!(disconnected, Some(Event::UserDisconnected(user("ANZ-2"))));
    let sent = node.handle.send(user("ANZ-2"), outgoing(1)).await.expect("sent");
    assert_eq!(events.next().await, Some(Event::MessageStored(sent.id)));
}

#[tokio::test]
async fn nodes_of_one_process_do_not_meet() {
    let (one, other): (Node, Node) = (node().await, node().await);
    assert_ne!(one.handle.node_name(), other.handle.node_name());
    let mut here = Client::login(&one, "ANZ-2").await;
    assert!(!other.handle.is_online(user("ANZ-2")).await);
    let elsewhere = other.handle.send(user("ANZ-2"), outgoing(1)).await.expect("sent");
    assert_eq!(elsewhere.state, SendState::Stored);
    assert!(other.linker.stop().await);
    here.delivery_fence("ANZ-2", "the first goes on").await;
}

#[tokio::test]
async fn a_host_is_told_how_its_node_does_with_what_it_measures_itself() {
    let node = node().await;
    let name = node.handle.node_name().clone();
    let mut client = Client::login(&node, "ANZ-2").await;
    node.handle
        .send(user("ANZ-2"), outgoing(1).fast())
        .await
        .expect("sent");
    client.expect("MESSAGE").await;
    let load = node.handle.loads().await.remove(&name).expect("its own");
    assert_eq!((load.sessions, load.slow_consumers), (1, 0));
    assert!(
        load.rates.delivered.fast > 0.0 && load.rates.logins > 0.0,
        "{load:?}"
    );
    assert_eq!(load.process, None, "nothing measures it");
    assert_eq!((load.troubles.len(), load.notes.len()), (0, 0));
    assert_eq!(
        node.handle.slow_sessions().await,
        linker_actors::SlowSessions::default()
    );
}

#[tokio::test]
async fn what_the_host_measures_of_its_process_is_told_with_the_rest() {
    use linker_actors::{Linker, ProcessUse};
    let started = std::time::Instant::now();
    // As if one core were busy all the time.
    let probe = move || {
        Some(ProcessUse {
            cpu: started.elapsed(),
            memory_bytes: 7,
        })
    };
    let linker = Linker::builder()
        .process_use(probe)
        .start()
        .await
        .expect("starts");
    let handle = linker.handle();
    let process = eventually("a share of a core", WAIT, async || {
        let load = handle.loads().await.remove(handle.node_name())?;
        load.process.filter(|process| process.cpu > 0.9)
    })
    .await;
    assert!(process.cpu < 1.1, "{process:?}");
    assert_eq!(process.memory_bytes, 7);
    linker.stop().await;
}
