//! What is told in the end: a table for people, JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::measure::{MemoryUse, Phase};
use super::options::Options;
use super::part::Totals;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

/// What came of a run, as far as it got.
pub(super) struct Outcome {
    options: Options,
    /// Memory before the first login.
    pub(super) empty: Option<MemoryUse>,
    phases: Vec<Phase>,
    /// The counts at the end.
    pub(super) totals: Option<Totals>,
    failure: Option<String>,
}

impl Outcome {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            empty: None,
            phases: Vec::new(),
            totals: None,
            failure: None,
        }
    }

    pub(super) fn failed(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// Notes a phase, and shows it.
    pub(super) fn add(&mut self, phase: Phase) {
        println!("{}", lines(&phase));
        self.phases.push(phase);
    }

    /// Growth since before the first login at the end of this phase, in bytes a session, by who.
    fn growth(&self, phase: &Phase) -> Vec<(&'static str, f64)> {
        let Some(empty) = &self.empty else {
            return Vec::new();
        };
        let users = f64::from(self.options.sessions);
        let grown = |now: u64, before: u64| (now as f64 - before as f64) / users;
        let mut growth: Vec<_> = phase
            .memory
            .of
            .iter()
            .map(|(who, now)| (*who, grown(*now, empty.of.get(who).copied().unwrap_or(0))))
            .collect();
        growth.push(("kernel slab", grown(phase.memory.slab, empty.slab)));
        // What is available sinks by all of it.
        growth.push(("all together", grown(empty.available, phase.memory.available)));
        growth
    }

    /// The table.
    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "\n{} sessions on {} nodes\n",
            self.options.sessions, self.options.nodes
        );
        for phase in &self.phases {
            let _ = write!(text, "\n{}", lines(phase));
            let growth = self.growth(phase);
            if phase.name == "idle" && !growth.is_empty() {
                text += "  memory a session:";
                for (who, bytes) in growth {
                    let _ = write!(text, " {who} {:.2} KiB,", bytes / KIB);
                }
                text.pop();
                text.push('\n');
            }
        }
        let _ = match (&self.failure, &self.totals) {
            (Some(why), _) => writeln!(text, "\nFAILED: {why}"),
            (None, Some(totals)) => writeln!(
                text,
                "\n{} messages sent, {} arrived, the same ones; {} confirmed; repeated: {} messages, {} confirmations",
                totals.get("sent"),
                totals.get("arrived"),
                totals.get("confirmed"),
                totals.get("duplicates"),
                totals.get("repeatedConfirmations")
            ),
            (None, None) => Ok(()),
        };
        text
    }

    pub(super) fn json(&self) -> Value {
        let phases: Vec<Value> = self
            .phases
            .iter()
            .map(|phase| {
                let mut value = phase.json();
                let growth = self.growth(phase).into_iter();
                value["bytesASession"] = growth.map(|(who, bytes)| (who, json!(bytes))).collect();
                value
            })
            .collect();
        let options = &self.options;
        json!({
            "nodes": options.nodes,
            "sessions": options.sessions,
            "rate": options.rate,
            "faultRate": options.fault_rate,
            "heartbeatSeconds": options.heartbeat.as_secs(),
            "contentCharacters": options.size,
            "restarted": options.restart,
            "phases": phases,
            "sent": self.totals.as_ref().map(|totals| totals.get("sent")),
            "arrived": self.totals.as_ref().map(|totals| totals.get("arrived")),
            "duplicates": self.totals.as_ref().map(|totals| totals.get("duplicates")),
            "lost": self.totals.as_ref().map(|totals| totals.get("sent") - totals.get("arrived").min(totals.get("sent"))),
            "failure": self.failure,
        })
    }
}

/// A phase in a few lines.
fn lines(phase: &Phase) -> String {
    let seconds = phase.time.as_secs_f64().max(1e-9);
    let mut text = format!("{}: {seconds:.1} s\n", phase.name);
    let each_second = |name| phase.count(name) as f64 / seconds;
    let _ = writeln!(
        text,
        "  logins {} ({:.0}/s), pings {:.0}/s, messages {} ({:.0}/s), sent again {}, repeated {}",
        phase.count("logins"),
        each_second("logins"),
        each_second("pings"),
        phase.count("arrived"),
        each_second("arrived"),
        phase.count("resent"),
        phase.count("duplicates")
    );
    for (kind, latencies) in &phase.latencies {
        let at = |share| latencies.quantile_ms(share);
        if let (Some(p50), Some(p99), Some(most)) = (at(0.5), at(0.99), at(1.0)) {
            let _ = writeln!(
                text,
                "  {kind}: p50 {p50:.1} ms, p99 {p99:.1} ms, at most {most:.0} ms"
            );
        }
    }
    text += "  CPU:";
    for (who, used) in &phase.cpu_seconds {
        let _ = write!(text, " {who} {:.1} %,", used / seconds * 100.0);
    }
    text.pop();
    text += "; memory:";
    for (who, bytes) in &phase.memory.of {
        let _ = write!(text, " {who} {:.0},", *bytes as f64 / MIB);
    }
    let _ = writeln!(text, " available {:.0} MiB", phase.memory.available as f64 / MIB);
    for (what, value) in &phase.more {
        let shown = match value.as_f64() {
            Some(number) if number.fract() != 0.0 => format!("{number:.1}"),
            _ => value.to_string(),
        };
        let _ = writeln!(text, "  {what}: {shown}");
    }
    text
}
