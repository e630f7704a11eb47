//! What is counted of messages to the application.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// What became of a message or event, for the last time.
#[derive(Debug, Clone, Copy)]
pub(super) enum UpstreamOutcome {
    Delivered,
    Refused,
    Dropped,
}

pub(super) struct UpstreamMetrics {
    pub(super) messages: [Counter; 3],
    pub(super) events: [Counter; 3],
    pub(super) failures: Counter,
    pub(super) backlog: Gauge,
    pub(super) aside: Gauge,
    pub(super) up: Gauge,
}

impl UpstreamMetrics {
    pub(super) fn new() -> Self {
        describe_counter!(
            "linker_upstream_total",
            "Messages to the application, and events, by what became of them"
        );
        describe_counter!(
            "linker_upstream_failures_total",
            "Attempts to hand something to the application that failed and are made again"
        );
        describe_gauge!(
            "linker_upstream_backlog",
            "Messages and events of this domain that wait in the store for the application"
        );
        describe_gauge!(
            "linker_upstream_aside",
            "Senders of this node whose messages the application does not take, and which wait in the store for that"
        );
        describe_gauge!(
            "linker_upstream_up",
            "1 while this node hands messages to the application"
        );
        let of = |kind: &'static str| {
            ["delivered", "refused", "dropped"].map(|outcome| {
                let counter = counter!("linker_upstream_total", "kind" => kind, "outcome" => outcome);
                counter.increment(0);
                counter
            })
        };
        let failures = counter!("linker_upstream_failures_total");
        failures.increment(0);
        let metrics = Self {
            messages: of("message"),
            events: of("event"),
            failures,
            backlog: gauge!("linker_upstream_backlog"),
            aside: gauge!("linker_upstream_aside"),
            up: gauge!("linker_upstream_up"),
        };
        metrics.backlog.set(0.0);
        metrics.aside.set(0.0);
        metrics.up.set(0.0);
        metrics
    }
}
