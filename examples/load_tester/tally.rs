//! What a run counts and times.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::MS;
use crate::error::LoadError;

/// Longest latency told apart, in nanoseconds; anything longer is recorded as this.
const LATENCY_MAX_NS: u64 = 600_000 * MS;

/// Latencies in nanoseconds, three digits kept.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// # Errors
    /// Only if the constants above make no histogram.
    pub(crate) fn new() -> Result<Self, LoadError> {
        Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)
            .map(Self)
            .map_err(|error| LoadError::Usage(format!("no histogram: {error}")))
    }

    pub(crate) fn record(&mut self, latency_ns: u64) {
        self.0.saturating_record(latency_ns);
    }

    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so adding cannot fail.
        let _ = self.0.add(&other.0);
    }

    /// Every latency told apart, in microseconds, and how often it was.
    pub(crate) fn recorded_us(&self) -> Vec<(u64, u64)> {
        const MICROSECOND: u64 = 1_000;
        let values = self.0.iter_recorded();
        values
            .map(|value| (value.value_iterated_to() / MICROSECOND, value.count_at_value()))
            .collect()
    }

    /// The percentiles, or `None` where nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        if self.0.is_empty() {
            return None;
        }
        let ms = |nanoseconds: u64| nanoseconds as f64 / MS as f64;
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile));
        Some(Percentiles {
            count: self.0.len(),
            mean_ms: self.0.mean() / MS as f64,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(self.0.max()),
        })
    }
}

/// Latencies summed up, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

/// Counts of one load thread, or of all together, over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// First arrivals.
    pub(crate) delivered: u64,
    /// First confirmations or acceptances.
    pub(crate) answered: u64,
    /// Never arrived.
    pub(crate) lost: u64,
    /// Arrived after they had been counted as lost; `lost` no longer counts them.
    pub(crate) late: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
    /// Arrived at somebody they were not sent to.
    pub(crate) misdelivered: u64,
    /// Confirmations of messages that had waited for their recipient in the store.
    pub(crate) confirmed: u64,
    /// Never confirmed or accepted.
    pub(crate) unanswered: u64,
    pub(crate) repeated_answers: u64,
    /// Confirmed before they had arrived.
    pub(crate) answered_too_early: u64,
    /// Refused by an `ERROR` that named them.
    pub(crate) refused: u64,
    /// Not sent at their time, because too many were under way already.
    pub(crate) skipped: u64,
    /// Messages that another run had left behind.
    pub(crate) foreign: u64,
}

impl Counts {
    /// Whether nothing happened that must not: FAST may lose, but never repeat or reorder.
    pub(crate) fn flawless(&self) -> bool {
        let flaws = self.lost
            + self.duplicates
            + self.out_of_order
            + self.misdelivered
            + self.unanswered
            + self.repeated_answers
            + self.answered_too_early
            + self.refused
            + self.skipped;
        flaws == 0
    }

    fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.answered += other.answered;
        self.lost += other.lost;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.misdelivered += other.misdelivered;
        self.confirmed += other.confirmed;
        self.unanswered += other.unanswered;
        self.repeated_answers += other.repeated_answers;
        self.answered_too_early += other.answered_too_early;
        self.refused += other.refused;
        self.skipped += other.skipped;
        self.foreign += other.foreign;
    }
}

/// All that a load thread brings home.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// From sending (or when it should have been) to arrival.
    pub(crate) delivery: Latencies,
    /// From sending to the confirmation, the acceptance or the login reply.
    pub(crate) answer: Latencies,
    /// How late messages left that had a time to be sent at: the tester's own delay.
    pub(crate) send_delay: Latencies,
    /// `ERROR` frames by code.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Connections that ended unasked, by reason.
    pub(crate) disconnects: BTreeMap<String, u64>,
    /// The first user that could not log in, and why.
    pub(crate) failed_login: Option<(String, String)>,
}

impl Tally {
    /// # Errors
    /// As [`Latencies::new`].
    pub(crate) fn new() -> Result<Self, LoadError> {
        Ok(Self {
            counts: Counts::default(),
            delivery: Latencies::new()?,
            answer: Latencies::new()?,
            send_delay: Latencies::new()?,
            errors: BTreeMap::new(),
            disconnects: BTreeMap::new(),
            failed_login: None,
        })
    }

    /// # Errors
    /// If a client could not log in: the load asked for cannot be made.
    pub(crate) fn refuse_failed_login(&self) -> Result<(), LoadError> {
        match self.failed_login.clone() {
            Some((user, reason)) => Err(LoadError::Login { user, reason }),
            None => Ok(()),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.delivery.merge(&other.delivery);
        self.answer.merge(&other.answer);
        self.send_delay.merge(&other.send_delay);
        for (into, from) in [
            (&mut self.errors, &other.errors),
            (&mut self.disconnects, &other.disconnects),
        ] {
            for (what, count) in from {
                *into.entry(what.clone()).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_known_distribution_are_right_to_three_digits() {
        let mut latencies = Latencies::new().unwrap();
        for microseconds in 1..=100_000_u64 {
            latencies.record(microseconds * 1_000);
        }
        let percentiles = latencies.percentiles().unwrap();
        for (found, expected) in [
            (percentiles.p50_ms, 50.0),
            (percentiles.p90_ms, 90.0),
            (percentiles.p99_ms, 99.0),
            (percentiles.p999_ms, 99.9),
            (percentiles.max_ms, 100.0),
            (percentiles.mean_ms, 50.0005),
        ] {
            assert!(
                (found - expected).abs() <= expected * 0.001,
                "{found} is not {expected}"
            );
        }
        assert_eq!(percentiles.count, 100_000);
    }

    #[test]
    fn nothing_recorded_has_no_percentiles_and_the_absurd_is_cut() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.percentiles(), None);
        latencies.record(u64::MAX);
        latencies.record(0);
        assert_eq!(latencies.percentiles().unwrap().count, 2);
        latencies.clear();
        assert_eq!(latencies.percentiles(), None);
    }

    #[test]
    fn tallies_of_two_threads_add_up() {
        let mut one = Tally::new().unwrap();
        one.counts.sent = 1;
        one.delivery.record(1_000_000);
        one.errors.insert("UNAVAILABLE".to_owned(), 1);
        let mut two = Tally::new().unwrap();
        two.counts.sent = 2;
        two.counts.lost = 1;
        two.delivery.record(3_000_000);
        two.errors.insert("UNAVAILABLE".to_owned(), 2);
        one.merge(&two);
        assert_eq!((one.counts.sent, one.counts.flawless()), (3, false));
        assert_eq!(one.delivery.percentiles().unwrap().count, 2);
        assert_eq!(one.errors["UNAVAILABLE"], 3);
    }
}
