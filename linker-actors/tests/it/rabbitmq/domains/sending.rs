//! What goes through a link arrives in order, where it should.

use linker_core::port::{LINK_SLOTS, LinkError, LinkWay, PAYLOAD_MAX};

use super::fixture::{Domain, is_down, patiently, remove, text_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_is_confirmed_and_arrives_in_the_order_of_the_calls() {
    const COUNT: usize = 200;
    let domain = Domain::new();
    let mut node = domain.node(1).await;
    let mut way = domain.link();
    way.up().await;
    let slot_of = |n: usize| (n % usize::from(LINK_SLOTS)) as u8;
    let sent: Vec<_> = (0..COUNT)
        .map(|n| way.begin(LinkWay::Reliable(slot_of(n)), &n.to_string()))
        .collect();
    let mut last = [None; LINK_SLOTS as usize];
    for _ in 0..COUNT {
        let arrival = node.next().await;
        let n: usize = text_of(&arrival).parse().expect("a number");
        assert_eq!(arrival.way, LinkWay::Reliable(slot_of(n)));
        let before = last[usize::from(slot_of(n))].replace(n);
        assert!(before.is_none_or(|before| before < n), "{n} after {before:?}");
        arrival.receipt.expect("of RELIABLE").sign();
    }
    // In whatever order they are looked at.
    for answer in sent.into_iter().rev() {
        assert_eq!(patiently(answer).await, Ok(()));
    }
    node.stays_quiet().await;
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_payload_passes_and_a_larger_one_is_refused() {
    let domain = Domain::new();
    let mut node = domain.node(1).await;
    let mut way = domain.link();
    way.up().await;
    let large = "x".repeat(PAYLOAD_MAX);
    assert_eq!(way.send(LinkWay::Reliable(0), &large).await, Ok(()));
    assert_eq!(node.sign(1).await, std::slice::from_ref(&large));
    let answer = way.send(LinkWay::Reliable(0), &(large + "x")).await;
    assert_eq!(answer, Err(LinkError::TooLarge(PAYLOAD_MAX + 1)));
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_reach_all_nodes_and_fast_payloads_one() {
    let domain = Domain::new();
    let mut nodes = [domain.node(1).await, domain.node(2).await];
    let mut way = domain.link();
    way.up().await;
    way.send_all(LinkWay::States, ["1", "2"]).await;
    for node in &mut nodes {
        for expected in ["1", "2"] {
            let arrival = node.next().await;
            assert_eq!(
                (arrival.way, text_of(&arrival).as_str()),
                (LinkWay::States, expected)
            );
            assert!(arrival.receipt.is_none());
        }
    }
    let [mut first, mut second] = nodes;
    way.send_all(LinkWay::Fast(7), ["1", "2", "3"]).await;
    for expected in ["1", "2", "3"] {
        let arrival = first.next().await;
        assert_eq!(
            (arrival.way, text_of(&arrival).as_str()),
            (LinkWay::Fast(7), expected)
        );
        assert!(arrival.receipt.is_none());
    }
    second.stays_quiet().await;
    way.close().await;
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_takes_is_dropped_and_nothing_hangs() {
    let domain = Domain::new();
    domain.node(1).await.close().await;
    remove(&domain.url, domain.fast_queues(), None)
        .await
        .expect("removed");
    let mut way = domain.link();
    way.up().await;
    for kind in [LinkWay::Fast(0), LinkWay::States, LinkWay::Probe] {
        for _ in 0..10 {
            assert_eq!(way.send(kind, "for nobody").await, Ok(()), "{kind:?}");
        }
    }
    // That nobody is there does not matter to what is kept on disk.
    assert_eq!(way.send(LinkWay::Reliable(0), "for later").await, Ok(()));
    way.is_told_nothing().await;
    let mut node = domain.node(2).await;
    assert_eq!(node.sign(1).await, ["for later"]);
    node.stays_quiet().await;
    way.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payload_that_comes_back_is_not_taken_for_confirmed() {
    let domain = Domain::new();
    let node = domain.node(1).await;
    let mut way = domain.link();
    way.up().await;
    node.close().await;
    let gone = domain.reliable_queues().swap_remove(1);
    remove(&domain.url, vec![gone], None).await.expect("removed");
    // Slots 0 and 2 still have a queue; whose confirmation brings back what slot 1 lost is the broker's and lapin's choice.
    let sent: Vec<_> = (0..60)
        .map(|n| (n % 3, way.begin(LinkWay::Reliable(n % 3), "x")))
        .collect();
    for (slot, answer) in sent {
        let answer = patiently(answer).await;
        assert!(is_down(&answer) || slot != 1, "it is nowhere: {answer:?}");
    }
    let why = way.down().await;
    assert!(why.contains("has not set up its ingress"), "{why}");
    way.close().await;
}
