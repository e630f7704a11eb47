//! What a recipient is to see.

use std::collections::HashSet;

use crate::harness::Client;

/// Reads so many messages whose contents count up, where they may come again under the same id.
pub(super) async fn in_order_dropping_repetitions(
    client: &mut Client,
    seen: &mut HashSet<String>,
    numbers: std::ops::Range<usize>,
) {
    for n in numbers {
        loop {
            let frame = client.expect("MESSAGE").await;
            if seen.insert(frame.id().to_owned()) {
                assert_eq!(frame["data"]["content"], n, "out of order: {}", frame.text);
                break;
            }
        }
    }
}
