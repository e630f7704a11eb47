//! One run as a column of the table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::MIB;
use crate::cli::TargetKind;
use crate::clock::SECOND;
use crate::runner::{Mark, Outcome};
use crate::tally::{Counts, Percentiles, Tally};

/// A load thread busier than this, of a hundred, was what limited the run.
const BUSY_PERCENT: f64 = 95.0;
/// Above this delay at p99, in milliseconds, the tester did not keep its own schedule.
const SEND_DELAY_MAX_MS: f64 = 1.0;

/// What a run counted as its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Work {
    Delivered,
    Accepted,
    /// Nobody says more of it.
    Sent,
    LoggedIn,
}

/// One run: what was asked for and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) target: &'static str,
    pub(crate) feature: &'static str,
    pub(crate) load: String,
    pub(crate) size: Option<u32>,
    pub(crate) work: Work,
    pub(crate) seconds: f64,
    pub(crate) sent_per_second: f64,
    pub(crate) work_per_second: f64,
    pub(crate) latency: Option<Percentiles>,
    /// From sending to the confirmation or acceptance; to the last member, of a group.
    pub(crate) answer: Option<Percentiles>,
    pub(crate) send_delay: Option<Percentiles>,
    pub(crate) counts: Counts,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) disconnects: BTreeMap<String, u64>,
    pub(crate) server: Option<ServerUse>,
    pub(crate) tester: TesterUse,
    pub(crate) cpu_of_echo: Option<f64>,
    pub(crate) p99_of_echo: Option<f64>,
}

/// What a run cost the server.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerUse {
    /// Of one core.
    pub(crate) cpu_percent: f64,
    pub(crate) cpu_us_per_work: f64,
    pub(crate) rss_before_bytes: u64,
    pub(crate) rss_after_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
}

/// What it cost the tester.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TesterUse {
    pub(crate) cpu_us_per_work: f64,
    /// Of its core.
    pub(crate) busiest_thread_percent: f64,
    /// Whether the tester, not the server, set the result.
    pub(crate) was_the_limit: bool,
}

/// What a run is called in the report, and what of it counts.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) feature: &'static str,
    /// What the run has in common with the one on the echo server that it is compared with.
    pub(crate) load: String,
    pub(crate) size: Option<u32>,
    pub(crate) work: Work,
    pub(crate) span: Span,
}

/// Between which readings a run counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) until: u32,
}

impl ServerUse {
    fn between(first: &Mark, before: &Mark, after: &Mark, last: &Mark, worked: u64) -> Option<Self> {
        let cpu_ns = after.server.as_ref()?.cpu_ns_since(before.server.as_ref()?);
        let last = last.server.as_ref()?;
        Some(Self {
            cpu_percent: percent(cpu_ns, after.at_ns.saturating_sub(before.at_ns)),
            cpu_us_per_work: per_work(cpu_ns, worked),
            rss_before_bytes: first.server.as_ref()?.rss_bytes,
            rss_after_bytes: last.rss_bytes,
            rss_peak_bytes: last.rss_peak_bytes,
        })
    }
}

fn per_work(cpu_ns: u64, worked: u64) -> f64 {
    cpu_ns as f64 / 1_000.0 / worked.max(1) as f64
}

fn percent(cpu_ns: u64, of_ns: u64) -> f64 {
    cpu_ns as f64 / of_ns.max(1) as f64 * 100.0
}

impl Row {
    /// Sums up a run. `None` if it never reached the readings between which it counts.
    pub(crate) fn of(target: TargetKind, label: Label, outcome: &Outcome) -> Option<Self> {
        let (first, last) = (outcome.marks.first()?, outcome.marks.last()?);
        let (before, after) = (outcome.mark(label.span.from)?, outcome.mark(label.span.until)?);
        let lasted_ns = after.at_ns.saturating_sub(before.at_ns).max(1);
        let seconds = lasted_ns as f64 / SECOND as f64;
        let done = |mark: &Mark| match label.work {
            Work::Accepted => mark.answered,
            Work::Sent => mark.sent,
            Work::Delivered | Work::LoggedIn => mark.delivered,
        };
        let worked = done(after).saturating_sub(done(before));
        let threads: Vec<u64> = after
            .thread_cpu_ns
            .iter()
            .zip(&before.thread_cpu_ns)
            .map(|(after, before)| after.saturating_sub(*before))
            .collect();
        let busiest_thread_percent = percent(threads.iter().copied().max().unwrap_or(0), lasted_ns);
        let Tally {
            counts,
            delivery,
            answer,
            send_delay,
            errors,
            disconnects,
            ..
        } = &outcome.tally;
        let send_delay = send_delay.percentiles();
        let late = send_delay.is_some_and(|delay| delay.p99_ms > SEND_DELAY_MAX_MS);
        let server = ServerUse::between(first, before, after, last, worked);
        Some(Self {
            target: target.name(),
            feature: if target == TargetKind::Echo {
                "-"
            } else {
                label.feature
            },
            load: label.load,
            size: label.size,
            work: label.work,
            seconds,
            sent_per_second: after.sent.saturating_sub(before.sent) as f64 / seconds,
            work_per_second: worked as f64 / seconds,
            latency: delivery.percentiles(),
            answer: answer.percentiles(),
            send_delay,
            counts: *counts,
            errors: errors.clone(),
            disconnects: disconnects.clone(),
            server,
            tester: TesterUse {
                cpu_us_per_work: per_work(threads.iter().sum(), worked),
                busiest_thread_percent,
                was_the_limit: busiest_thread_percent > BUSY_PERCENT || late,
            },
            cpu_of_echo: None,
            p99_of_echo: None,
        })
    }

    /// Its figures by name, for the table.
    pub(super) fn cells(&self) -> Vec<(&'static str, String)> {
        let mut cells = vec![
            ("target", self.target.to_owned()),
            ("feature", self.feature.to_owned()),
            ("load", self.load.clone()),
        ];
        cells.extend(self.size.map(|size| ("characters", size.to_string())));
        cells.push(("seconds", format!("{:.1}", self.seconds)));
        cells.push(("sent/s", format!("{:.0}", self.sent_per_second)));
        let (work, timed) = match self.work {
            Work::Delivered => ("delivered/s", DELIVERY_LABELS),
            Work::Accepted => ("accepted/s", DELIVERY_LABELS),
            Work::Sent => ("work (sent)/s", DELIVERY_LABELS),
            Work::LoggedIn => ("logins/s", LOGIN_LABELS),
        };
        cells.push((work, format!("{:.0}", self.work_per_second)));
        cells.extend(
            self.latency
                .iter()
                .flat_map(|latency| percentile_cells(latency, timed)),
        );
        cells.extend(
            self.answer
                .iter()
                .flat_map(|answer| percentile_cells(answer, ANSWER_LABELS)),
        );
        cells.extend(self.fault_cells());
        if let Some(server) = &self.server {
            let mib = |bytes: u64| format!("{:.1}", bytes as f64 / MIB);
            cells.push(("server CPU, %", format!("{:.1}", server.cpu_percent)));
            cells.push(("server CPU, µs each", format!("{:.2}", server.cpu_us_per_work)));
            cells.push(("server RSS before, MiB", mib(server.rss_before_bytes)));
            cells.push(("server RSS after, MiB", mib(server.rss_after_bytes)));
            cells.push(("server RSS peak, MiB", mib(server.rss_peak_bytes)));
        }
        cells.push((
            "tester CPU, µs each",
            format!("{:.2}", self.tester.cpu_us_per_work),
        ));
        cells.push((
            "tester's thread, % busy",
            format!("{:.1}", self.tester.busiest_thread_percent),
        ));
        cells.extend(
            self.cpu_of_echo
                .map(|ratio| ("server CPU / echo's", format!("{ratio:.2}"))),
        );
        cells.extend(
            self.p99_of_echo
                .map(|ratio| ("p99 / echo's", format!("{ratio:.2}"))),
        );
        cells
    }

    fn fault_cells(&self) -> Vec<(&'static str, String)> {
        let counts = &self.counts;
        let mut cells = vec![
            ("lost", counts.lost.to_string()),
            ("duplicates", counts.duplicates.to_string()),
            ("out of order", counts.out_of_order.to_string()),
        ];
        let rarer = [
            ("misdelivered", counts.misdelivered),
            ("late", counts.late),
            ("refused", counts.refused),
            ("unanswered", counts.unanswered),
            ("answered twice", counts.repeated_answers),
            ("answered too early", counts.answered_too_early),
            ("skipped", counts.skipped),
            ("of other runs", counts.foreign),
            ("confirmed later", counts.confirmed),
        ];
        cells.extend(
            rarer
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| (name, count.to_string())),
        );
        cells
    }

    /// What a reader must know about it.
    pub(super) fn notes(&self) -> Vec<String> {
        let name = format!("{} {} {}", self.target, self.feature, self.load);
        let mut notes = Vec::new();
        if self.tester.was_the_limit {
            let busy = self.tester.busiest_thread_percent;
            let delay = self.send_delay.map_or(0.0, |delay| delay.p99_ms);
            let why = if busy > BUSY_PERCENT {
                "it had no time left"
            } else {
                "something else had its core"
            };
            notes.push(format!(
                "{name}: the tester itself was the limit: {why} (thread {busy:.0} % busy, sending late by {delay:.2} ms at p99)"
            ));
        }
        let foreign = self.counts.foreign;
        if foreign > 0 {
            notes.push(format!(
                "{name}: {foreign} messages of earlier runs came along, at the cost of this one's figures"
            ));
        }
        for (what, counts) in [("errors", &self.errors), ("ended connections", &self.disconnects)] {
            notes.extend(
                counts
                    .iter()
                    .map(|(which, count)| format!("{name}: {what}: {which} × {count}")),
            );
        }
        notes
    }
}

const DELIVERY_LABELS: [&str; 6] = [
    "mean, ms",
    "p50, ms",
    "p90, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
];
const LOGIN_LABELS: [&str; 6] = [
    "login mean, ms",
    "login p50, ms",
    "login p90, ms",
    "login p99, ms",
    "login p99.9, ms",
    "login max, ms",
];
const ANSWER_LABELS: [&str; 6] = [
    "answered mean, ms",
    "answered p50, ms",
    "answered p90, ms",
    "answered p99, ms",
    "answered p99.9, ms",
    "answered max, ms",
];

fn percentile_cells(latency: &Percentiles, labels: [&'static str; 6]) -> Vec<(&'static str, String)> {
    let values = [
        latency.mean_ms,
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        latency.p999_ms,
        latency.max_ms,
    ];
    labels
        .into_iter()
        .zip(values.map(|value| format!("{value:.3}")))
        .collect()
}
