//! Turns that their nodes do not end.

use std::time::{Duration, Instant};

use linker_core::port::{Presence, TURN_ASK_TIME, TURN_TIME, Turn};
use linker_core::testkit::sample::{node, user};

use super::harness::{Domain, PATIENCE, shared_url};
use crate::wait::eventually;

/// Asks until it is this node's turn; answers how long that took.
async fn begin(presence: &impl Presence, by: u64) -> Duration {
    let since = Instant::now();
    eventually("it is its turn", PATIENCE, async || {
        let turn = presence.begin_turn(user(1), node(by)).await;
        (turn != Ok(Turn::Theirs)).then_some(())
    })
    .await;
    since.elapsed()
}

#[tokio::test]
async fn a_turn_that_is_not_renewed_is_over_in_time() {
    let domain = Domain::at(shared_url());
    let presence = domain.open().await;
    let begun = Instant::now();
    begin(&presence, 1).await;
    let waited = begin(&presence, 2).await;
    assert!(begun.elapsed() >= TURN_TIME - Duration::from_millis(20));
    assert!(waited < TURN_TIME + TURN_ASK_TIME);
}

#[tokio::test]
async fn who_waits_and_asks_no_more_keeps_nobody_waiting() {
    let domain = Domain::at(shared_url());
    let presence = domain.open().await;
    begin(&presence, 1).await;
    let refused = presence.begin_turn(user(1), node(2)).await;
    assert_eq!(refused, Ok(Turn::Theirs));
    presence.end_turn(user(1), node(1)).await.expect("ended");
    let waited = begin(&presence, 3).await;
    assert!(waited < TURN_TIME, "the wish lapses before a turn would");
}
