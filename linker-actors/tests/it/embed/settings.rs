//! Settings change in a running node.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use linker_actors::NodeConfig;

use super::spec;
use crate::harness::{Client, Dial, Node, NodeSpec, Transport, auth, message, upgrade_status};

async fn change(node: &Node, change: impl FnOnce(&mut NodeConfig)) {
    let mut config = NodeConfig::clone(&node.handle.config());
    change(&mut config);
    assert_eq!(node.handle.set_config(config).await, Ok(()));
}

#[tokio::test]
async fn sessions_of_both_transports_go_by_the_new_settings_at_once() {
    for transport in [Transport::Upgraded, Transport::Hosted] {
        let node = NodeSpec::new(transport).start().await;
        let mut user = Client::login(&node, "ANZ-1").await;
        change(&node, |config| config.max_frame_bytes = 300).await;
        assert_eq!(node.handle.max_frame_bytes(), 300);
        user.send(message("ANZ-1", "x".repeat(300)));
        assert_eq!(user.closed().await, Some(1009));
        let mut oldest = Client::login(&node, "ANZ-1").await;
        change(&node, |config| {
            config.sessions_per_user = 1;
            config.sessions_per_app = 2;
        })
        .await;
        let _newest = Client::login(&node, "ANZ-1").await;
        assert_eq!(oldest.closed().await, Some(4009));
        change(&node, |config| {
            config.allowed_origins = vec!["https://good.example".into()]
        })
        .await;
        let evil = Dial {
            origin: Some("https://evil.example".into()),
            ..Dial::default()
        };
        assert_eq!(upgrade_status(node.ws, &evil).await, 403);
    }
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let node = spec().start().await;
    let mut config = NodeConfig::clone(&node.handle.config());
    config.max_frame_bytes = 300;
    config.session.heartbeat_timeout = config.session.heartbeat_interval;
    let refused = node.handle.set_config(config).await;
    let said = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(said.contains("heartbeat_timeout"), "{said}");
    assert_eq!(node.handle.max_frame_bytes(), 64 * 1024);
}

#[tokio::test]
async fn what_is_of_the_start_stays() {
    let node = spec().start().await;
    let before = node.handle.config();
    change(&node, |config| {
        config.commit_window = Duration::from_secs(7);
        config.retention_max_per_user = 1;
        config.weight = 9;
    })
    .await;
    let after = node.handle.config();
    assert_eq!(after.commit_window, before.commit_window);
    assert_eq!(after.retention_max_per_user, before.retention_max_per_user);
    assert_eq!(after.weight, 9);
}

#[tokio::test]
async fn who_arrives_counts_to_the_connections_of_the_address() {
    let node = spec()
        .config(|config| config.max_connections_per_address = 2)
        .start()
        .await;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let first = node.handle.arriving(here).expect("there is room");
    let user = Client::login(&node, "ANZ-1").await;
    assert!(node.handle.arriving(here).is_none());
    assert_eq!(upgrade_status(node.ws, &Dial::default()).await, 429);
    drop(first);
    let again = node.handle.arriving(here);
    assert!(again.is_some());
    drop((again, user));
}

#[tokio::test]
async fn an_app_with_too_many_sessions_is_refused_one_more() {
    let node = spec().config(|config| config.sessions_per_app = 1).start().await;
    let user = Client::login(&node, "ANZ-1").await;
    assert_eq!(Client::refused(&node, auth("ANZ-2")).await.code(), "RATE_LIMITED");
    let _other = Client::login(&node, "XYZ-1").await;
    assert_eq!(node.handle.sessions(), 2);
    drop(user);
}
