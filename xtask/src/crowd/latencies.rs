//! Latencies of several processes put together.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Latencies in microseconds, and how often each was.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(BTreeMap<u64, u64>);

impl Latencies {
    /// Adds a list of pairs, as a part of the crowd tells it; anything else is nothing.
    pub(super) fn add(&mut self, pairs: &Value) {
        let pairs = pairs.as_array().into_iter().flatten();
        for pair in pairs {
            if let (Some(latency_us), Some(count)) = (pair[0].as_u64(), pair[1].as_u64()) {
                *self.0.entry(latency_us).or_default() += count;
            }
        }
    }

    /// The latency in milliseconds that this share of all did not exceed.
    pub(super) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let total: u64 = self.0.values().sum();
        let wanted = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
        let mut seen = 0;
        self.0.iter().find_map(|(latency_us, count)| {
            seen += count;
            (seen >= wanted).then_some(*latency_us as f64 / 1000.0)
        })
    }

    pub(super) fn json(&self) -> Value {
        if self.0.is_empty() {
            return Value::Null;
        }
        json!({
            "count": self.0.values().sum::<u64>(),
            "p50Ms": self.quantile_ms(0.5),
            "p99Ms": self.quantile_ms(0.99),
            "p999Ms": self.quantile_ms(0.999),
            "maxMs": self.quantile_ms(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_over_all_that_was_added() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile_ms(0.5), None);
        latencies.add(&json!([[1000, 50], [3000, 1]]));
        latencies.add(&json!([[1000, 1], [2000, 48]]));
        latencies.add(&json!("nonsense"));
        assert_eq!(latencies.quantile_ms(0.5), Some(1.0));
        assert_eq!(latencies.quantile_ms(0.99), Some(2.0));
        assert_eq!(latencies.quantile_ms(1.0), Some(3.0));
        assert_eq!(latencies.json()["count"], 100);
    }
}
