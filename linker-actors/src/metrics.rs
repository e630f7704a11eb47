//! Metrics: their names (CONTRACT.md) and handles that are looked up once.

use std::time::Duration;

use linker_core::code::ErrorCode;
use linker_core::custody::Outcome;
use linker_core::envelope::Feature;
use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::load::Tally;

const OUTCOMES: [(Outcome, &str); 6] = [
    (Outcome::Delivered, "delivered"),
    (Outcome::Stored, "stored"),
    (Outcome::Dropped, "dropped"),
    (Outcome::Refused, "refused"),
    (Outcome::Forwarded, "forwarded"),
    (Outcome::Duplicate, "duplicate"),
];

struct OfFeature {
    outcomes: [Counter; 6],
    delivery_seconds: Histogram,
}

impl OfFeature {
    fn new(feature: Feature) -> Self {
        let feature = feature.as_str();
        let outcomes = OUTCOMES.map(
            |(_, outcome)| counter!("linker_messages_total", "feature" => feature, "outcome" => outcome),
        );
        Self {
            outcomes,
            delivery_seconds: histogram!("linker_delivery_seconds", "feature" => feature),
        }
    }
}

/// What a node counts. With no recorder installed it costs next to nothing.
pub(crate) struct Metrics {
    reliable: OfFeature,
    fast: OfFeature,
    expired: Counter,
    batch_size: Histogram,
    commit_seconds: Histogram,
    sessions: Gauge,
    presence_entries: Gauge,
    pending: Gauge,
    claims: Gauge,
    login_accepted: Counter,
    login_refused: Counter,
    login_unavailable: Counter,
    tally: Tally,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        describe();
        // Those that are counted where they happen are shown from the start.
        counter!("linker_slow_consumers_total").increment(0);
        counter!("linker_stalled_sessions_total").increment(0);
        for actor in ["session", "router", "store", "presence"] {
            counter!("linker_mailbox_full_total", "actor" => actor).increment(0);
        }
        for actor in ["session", "router", "store", "presence", "graph", "handler"] {
            counter!("linker_actor_panics_total", "actor" => actor).increment(0);
        }
        for name in [
            "linker_bus_overrun_total",
            "linker_bus_undecodable_total",
            "linker_bus_restarts_total",
            "linker_ingress_overrun_total",
        ] {
            counter!(name).increment(0);
        }
        // The name is there also where there is no other node.
        let _ = histogram!("linker_bus_batch_size");
        let auth = |outcome| counter!("linker_auth_total", "outcome" => outcome);
        let metrics = Self {
            reliable: OfFeature::new(Feature::Reliable),
            fast: OfFeature::new(Feature::Fast),
            expired: counter!("linker_messages_total", "feature" => "RELIABLE", "outcome" => "expired"),
            batch_size: histogram!("linker_store_batch_size"),
            commit_seconds: histogram!("linker_store_commit_seconds"),
            sessions: gauge!("linker_sessions"),
            presence_entries: gauge!("linker_presence_entries"),
            pending: gauge!("linker_pending_messages"),
            claims: gauge!("linker_store_claims"),
            login_accepted: auth("accepted"),
            login_refused: auth("refused"),
            login_unavailable: auth("unavailable"),
            tally: Tally::default(),
        };
        for of in [&metrics.reliable, &metrics.fast] {
            of.outcomes.iter().for_each(|counter| counter.increment(0));
        }
        for counter in [
            &metrics.expired,
            &metrics.login_accepted,
            &metrics.login_refused,
            &metrics.login_unavailable,
        ] {
            counter.increment(0);
        }
        metrics
    }

    pub(crate) fn message(&self, feature: Feature, outcome: Outcome, latency: Option<Duration>) {
        self.tally.message(feature, outcome);
        let of = match feature {
            Feature::Reliable => &self.reliable,
            Feature::Fast => &self.fast,
        };
        if let Some(place) = OUTCOMES.iter().position(|(known, _)| *known == outcome) {
            of.outcomes[place].increment(1);
        }
        if let Some(latency) = latency {
            of.delivery_seconds.record(latency);
        }
    }

    /// What can be read again.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn expired(&self, messages: u64) {
        self.expired.increment(messages);
    }

    pub(crate) fn commit(&self, rows: usize, took: Duration) {
        self.batch_size.record(rows as f64);
        self.commit_seconds.record(took);
    }

    /// A login has ended: believed, or refused with this code.
    pub(crate) fn login(&self, refused: Option<ErrorCode>) {
        match refused {
            None => {
                self.tally.login();
                self.login_accepted.increment(1);
            }
            Some(ErrorCode::AuthUnavailable) => self.login_unavailable.increment(1),
            Some(_) => self.login_refused.increment(1),
        }
    }

    /// Whether a part of the node, or what it needs, is well: what health says.
    pub(crate) fn check(&self, part: &'static str, is_well: bool) {
        gauge!("linker_check_ok", "part" => part).set(if is_well { 1.0 } else { 0.0 });
    }

    pub(crate) fn gauges(&self, sessions: usize, presence_entries: u64, pending: usize, claims: usize) {
        self.sessions.set(sessions as f64);
        self.presence_entries.set(presence_entries as f64);
        self.pending.set(pending as f64);
        self.claims.set(claims as f64);
    }
}

fn describe() {
    describe_gauge!("linker_sessions", "Logged-in sessions of this node");
    describe_gauge!(
        "linker_presence_entries",
        "Sessions of this node in the presence registry"
    );
    describe_counter!(
        "linker_messages_total",
        "Messages by feature and what became of them"
    );
    describe_histogram!(
        "linker_delivery_seconds",
        metrics::Unit::Seconds,
        "From accepted to proven"
    );
    describe_gauge!(
        "linker_pending_messages",
        "Messages in memory that are neither proven nor only in the store"
    );
    describe_gauge!(
        "linker_store_claims",
        "Rows of the store that this node has in hand, or that it has removed within the last seconds"
    );
    describe_histogram!("linker_store_batch_size", "Rows of one commit");
    describe_histogram!(
        "linker_store_commit_seconds",
        metrics::Unit::Seconds,
        "Time of one commit, retries included"
    );
    describe_gauge!(
        "linker_check_ok",
        "1 while a part of the node, or what it needs, is well, as /health/ready tells in words"
    );
    describe_counter!("linker_slow_consumers_total", "Sessions that fell behind");
    describe_counter!("linker_stalled_sessions_total", "Sessions closed with 4011");
    describe_counter!("linker_auth_total", "Logins by outcome");
    describe_counter!(
        "linker_mailbox_full_total",
        "Messages that found an actor's mailbox full"
    );
    describe_counter!(
        "linker_actor_panics_total",
        "Panics caught at an actor's boundary"
    );
    describe_between_nodes();
    describe_between_domains();
}

fn describe_between_nodes() {
    describe_histogram!("linker_bus_batch_size", "Frames of one payload to another node");
    describe_counter!(
        "linker_bus_overrun_total",
        "Payloads of other nodes that came faster than they were read, and were dropped"
    );
    describe_counter!(
        "linker_bus_undecodable_total",
        "Payloads of other nodes and domains that could not be read"
    );
    describe_counter!(
        "linker_bus_restarts_total",
        "Times that another node had missed something and was sent it again"
    );
}

fn describe_between_domains() {
    describe_gauge!(
        "linker_link_up",
        "1 while the link to a neighbouring domain can be used"
    );
    describe_gauge!(
        "linker_link_backlog",
        "Messages of this domain that wait in the store for a neighbouring domain"
    );
    describe_counter!(
        "linker_ingress_overrun_total",
        "Payloads of other domains, none of them RELIABLE, that came faster than they were read, and were dropped"
    );
}
