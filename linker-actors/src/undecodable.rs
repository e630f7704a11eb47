//! What cannot be read stops nothing: it is counted, logged now and then, and set aside.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::node::Node;

/// How often it is logged, at most.
const LOG_EVERY_MS: u64 = 60_000;

/// Payloads of one source that cannot be read.
pub(crate) struct Undecodable {
    source: &'static str,
    logged_at_ms: AtomicU64,
}

impl Undecodable {
    pub(crate) fn new(source: &'static str) -> Self {
        Self {
            source,
            logged_at_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn set_aside(&self, node: &Node, error: &str) {
        metrics::counter!("linker_bus_undecodable_total").increment(1);
        let now = node.clock.now().unix_ms;
        if self.logged_at_ms.load(Ordering::Relaxed) + LOG_EVERY_MS <= now {
            self.logged_at_ms.store(now, Ordering::Relaxed);
            tracing::warn!(error, "something came {} that cannot be read", self.source);
        }
    }
}
