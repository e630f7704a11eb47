//! What a crowd tells, a JSON object a line.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::tally::Latencies;

/// Reasons told apart; further ones count together.
const REASONS_MAX: usize = 40;

/// Counts since the start. Sums of hashes are hexadecimal, since JSON numbers are not exact so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// Clients logged in now.
    pub(crate) ready: u32,
    /// Logins that succeeded, returns included.
    pub(crate) logins: u64,
    pub(crate) returns: u64,
    pub(crate) pings: u64,
    pub(crate) sent: u64,
    pub(crate) sent_hashes: String,
    /// Sent again, after a reconnection or a refusal, under the same reference.
    pub(crate) resent: u64,
    pub(crate) arrived: u64,
    pub(crate) arrived_hashes: String,
    pub(crate) duplicates: u64,
    pub(crate) confirmed: u64,
    pub(crate) repeated_confirmations: u64,
    /// Sent and not confirmed.
    pub(crate) under_way: u64,
    /// How long ago the oldest of these was sent.
    pub(crate) oldest_ms: u64,
    /// Not sent at their time: too many were under way, or nobody was logged in.
    pub(crate) skipped: u64,
    /// Of another run.
    pub(crate) foreign: u64,
    pub(crate) errors: BTreeMap<String, u64>,
    /// Why connections ended or logins failed.
    pub(crate) ends: BTreeMap<String, u64>,
}

/// Latencies since the last report, as pairs of microseconds and how often.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Clients that were pinged since the last report.
    pub(crate) pinged: u32,
    /// From when a message should have been sent to its arrival.
    pub(crate) delivery: Vec<(u64, u64)>,
    /// From then to its confirmation.
    pub(crate) confirmation: Vec<(u64, u64)>,
    /// From connecting to being logged in.
    pub(crate) login: Vec<(u64, u64)>,
    /// From a connection's end to being logged in again.
    pub(crate) back: Vec<(u64, u64)>,
    /// Some of the messages that have waited long for their confirmation, in words.
    pub(crate) overdue: Vec<String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    Status(Box<Status>),
    Report(Box<Report>),
    /// An order that was not understood.
    Refused(String),
}

/// Counts `what` by name, within reason.
pub(super) fn count(by_name: &mut BTreeMap<String, u64>, what: &str) {
    let known = by_name.len() < REASONS_MAX || by_name.contains_key(what);
    let name = if known { what } else { "others" };
    *by_name.entry(name.to_owned()).or_default() += 1;
}

/// What was recorded, and forgotten here.
pub(super) fn taken(latencies: &mut Latencies) -> Vec<(u64, u64)> {
    let recorded = latencies.recorded_us();
    latencies.clear();
    recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_without_number_do_not_take_memory_without_bound() {
        let mut by_name = BTreeMap::new();
        for number in 0..1000 {
            count(&mut by_name, &format!("reason {number}"));
        }
        assert_eq!(by_name.len(), REASONS_MAX + 1);
        assert_eq!(by_name["others"], 1000 - REASONS_MAX as u64);
    }
}
