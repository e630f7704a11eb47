//! A fault in one session stays there.

use std::borrow::Cow;
use std::sync::Arc;

use linker_actors::core::code::FrameError;
use linker_actors::core::frame::ClientFrame;
use linker_actors::core::message_type::MessageType;
use linker_actors::core::session::FrameContext;
use serde_json::json;

use crate::harness::{Client, Node, NodeSpec, Raw, Transport, WAIT, eventually, referenced, user};

/// A message type with a bug, inside the session itself.
struct Buggy;

impl MessageType for Buggy {
    fn name(&self) -> Cow<'static, str> {
        "BUG".into()
    }

    fn handle(&self, _: &ClientFrame<'_>, _: &mut FrameContext<'_>) -> Result<(), FrameError> {
        panic!("a bug")
    }
}

async fn buggy_node(transport: Transport) -> Node {
    NodeSpec::new(transport)
        .build(|builder| builder.message_type(Arc::new(Buggy)))
        .start()
        .await
}

async fn the_session_ends_and_its_unproven_messages_reach_the_next_one(transport: Transport) {
    let node = buggy_node(transport).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut hit = Raw::login(&node, "ANZ-2").await;
    for n in 0..5 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        assert_eq!(hit.expect("MESSAGE").await["reference"], format!("r{n}"));
    }
    hit.text(&json!({"type": "BUG"})).await;
    assert_eq!(hit.closed().await, Some(1011));
    let mut next = Client::login_with(&node, "ANZ-2", json!({"replay": true})).await;
    for n in 0..5 {
        assert_eq!(next.expect("MESSAGE").await["reference"], format!("r{n}"));
        sender.expect_for("MESSAGE_CONFIRMATION", &format!("r{n}")).await;
    }
}

async fn the_users_other_session_gets_what_it_alone_had(transport: Transport) {
    let node = buggy_node(transport).await;
    let mut sender = Client::login(&node, "ANZ-1").await;
    let mut hit = Raw::login(&node, "ANZ-2").await;
    sender.send(referenced("ANZ-2", "x", "r"));
    hit.expect("MESSAGE").await;
    let mut other = Client::login(&node, "ANZ-2").await;
    hit.text(&json!({"type": "BUG"})).await;
    assert_eq!(other.expect("MESSAGE").await["reference"], "r");
    sender.expect_for("MESSAGE_CONFIRMATION", "r").await;
}

/// A client that does not answer the close frame must not keep its connection for that.
async fn the_connection_is_cut_though_the_client_says_nothing(transport: Transport) {
    let node = buggy_node(transport).await;
    let mut hit = Raw::login(&node, "ANZ-2").await;
    hit.text(&json!({"type": "BUG"})).await;
    let cut = async { while !matches!(hit.receive().await, crate::harness::Received::End) {} };
    let cut = tokio::time::timeout(std::time::Duration::from_secs(15), cut).await;
    cut.expect("the linger of a close frame is a second");
    eventually("presence knows", WAIT, async || {
        (!node.handle.is_online(user("ANZ-2")).await).then_some(())
    })
    .await;
}

async fn the_node_goes_on(transport: Transport) {
    let node = buggy_node(transport).await;
    let mut bystanders = Vec::new();
    for n in 10..14 {
        bystanders.push(Client::login(&node, &format!("ANZ-{n}")).await);
    }
    for n in 20..26 {
        let mut hit = Client::login(&node, &format!("ANZ-{n}")).await;
        hit.send(json!({"type": "BUG"}));
        assert_eq!(hit.closed().await, Some(1011));
    }
    for bystander in &mut bystanders {
        bystander.delivery_fence("ANZ-10", "still here").await;
    }
    eventually("all that were hit are gone", WAIT, async || {
        (node.handle.sessions() == 4).then_some(())
    })
    .await;
}

macro_rules! on_both {
    ($($behaviour:ident)+) => {
        mod upgraded {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(super::Transport::Upgraded).await;
            })+
        }
        mod hosted {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(super::Transport::Hosted).await;
            })+
        }
    };
}

on_both! {
    the_session_ends_and_its_unproven_messages_reach_the_next_one
    the_users_other_session_gets_what_it_alone_had
    the_connection_is_cut_though_the_client_says_nothing
    the_node_goes_on
}
