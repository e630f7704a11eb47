//! A session that had fallen behind, and is fed from the store no more.

use std::time::Duration;

use super::{Client, Raw, WAIT, eventually, fast};

/// Waits until `ANZ-2`, logged in as `slow`, is live again: what is FAST comes through then, and not before.
pub(crate) async fn await_live(slow: &mut Raw, sender: &mut Client) {
    eventually("what is FAST comes through", WAIT, async || {
        sender.send(fast("ANZ-2", "live?"));
        let next = tokio::time::timeout(Duration::from_millis(20), slow.next_text()).await;
        (next.ok()?["feature"] == "FAST").then_some(())
    })
    .await;
}
