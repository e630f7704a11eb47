//! A link that is down says why, answers at once, and comes up by itself.

use std::time::{Duration, Instant};

use linker_core::port::LinkWay;

use super::fixture::{Domain, is_down};
use crate::rabbitmq::fixture::{by_way_of, host_of};

const A_FEW_SECONDS: Duration = Duration::from_secs(15);
const ALL_WAYS: [LinkWay; 4] = [
    LinkWay::Reliable(0),
    LinkWay::Fast(0),
    LinkWay::States,
    LinkWay::Probe,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_down_until_the_neighbour_has_set_up_its_ingress() {
    let domain = Domain::new();
    let mut way = domain.link();
    let why = way.down().await;
    let expected = format!("domain {} has not set up its ingress at ", domain.name);
    assert!(why.starts_with(&expected), "{why}");
    for kind in ALL_WAYS {
        assert!(is_down(&way.send(kind, "too early").await));
    }
    way.is_told_nothing().await;
    let mut node = domain.node(1).await;
    way.up().await;
    assert_eq!(way.send(LinkWay::Reliable(0), "now").await, Ok(()));
    assert_eq!(node.sign(1).await, ["now"]);
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_or_virtual_host_is_said_without_the_password() {
    let domain = Domain::new();
    let host = host_of(&domain.url);
    for (url, expected) in [
        (format!("amqp://guest:hunter2@{host}/%2F"), "guest"),
        (
            format!("amqp://guest:guest@{host}/no-such-vhost"),
            "no-such-vhost",
        ),
    ] {
        let mut way = domain.link_by(&url);
        let why = way.down().await;
        assert!(why.contains(expected) && why.contains(&host), "{why}");
        assert!(!why.contains("hunter2"), "{why}");
        assert!(is_down(&way.send(LinkWay::Probe, "").await));
        way.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_is_told_soon_and_heals_by_itself() {
    let domain = Domain::new();
    let mut node = domain.node(1).await;
    let (proxy, mut way) = domain.link_by_proxy().await;
    way.up().await;
    proxy.stall();
    for kind in ALL_WAYS {
        for _ in 0..50 {
            way.watch(kind, "on its way");
        }
    }
    proxy.cut();
    way.down().await;
    for kind in ALL_WAYS {
        assert!(is_down(&way.send(kind, "meanwhile").await));
    }
    proxy.heal();
    way.up().await;
    assert_eq!(way.send(LinkWay::Reliable(0), "again").await, Ok(()));
    while node.sign_any().await != "again" {}
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_says_nothing_is_found_out_by_its_heartbeat() {
    let domain = Domain::new();
    let node = domain.node(1).await;
    let (proxy, mut way) = domain.link_by_proxy().await;
    way.up().await;
    proxy.stall();
    let began = Instant::now();
    way.watch(LinkWay::Reliable(0), "into the void");
    way.down().await;
    assert!(began.elapsed() < A_FEW_SECONDS, "{:?}", began.elapsed());
    proxy.heal();
    way.up().await;
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_reset_answers_at_once_and_connects_anew() {
    let domain = Domain::new();
    let node = domain.node(1).await;
    let (proxy, mut way) = domain.link_by_proxy().await;
    way.up().await;
    proxy.stall();
    for kind in ALL_WAYS {
        way.watch(kind, "into the void");
    }
    let began = Instant::now();
    way.link.reset();
    way.down().await;
    assert!(began.elapsed() < Duration::from_secs(2), "it waits for nothing");
    proxy.heal();
    way.up().await;
    assert_eq!(way.send(LinkWay::Probe, "").await, Ok(()));
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_closed_for_good_whatever_it_is_doing() {
    let domain = Domain::new();
    let mut node = domain.node(1).await;
    let (proxy, mut way) = domain.link_by_proxy().await;
    way.up().await;
    let last_words = way.begin(LinkWay::Reliable(0), "last words");
    way.link.close().await;
    assert_eq!(last_words.await, Ok(()), "what can still be confirmed is");
    assert_eq!(node.sign(1).await, ["last words"]);
    assert!(is_down(&way.send(LinkWay::Reliable(0), "too late").await));
    // One that gets no answer.
    proxy.stall();
    let other = domain.link_by(&by_way_of(&domain.url, proxy.address()));
    proxy.reached(2).await;
    let began = Instant::now();
    other.close().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "it does not wait for the attempt"
    );
    node.close().await;
}
