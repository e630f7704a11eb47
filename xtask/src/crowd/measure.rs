//! What a phase of the run cost: CPU time by who used it, what Redis, the bus and the store had to do, memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::asking::{address_in, redis_calls};
use super::field::Field;
use super::latencies::Latencies;
use super::machine::{Memory, cpu_of, share_of_memory};
use super::node::Node;
use super::part::{Part, Totals};
use crate::local::metric;
use crate::processes::{self, tree};
use crate::services::Service;

/// What is read of the nodes' metrics.
const METRICS: [&str; 4] = [
    "linker_bus_batch_size_sum",
    "linker_bus_batch_size_count",
    "linker_store_batch_size_sum",
    "linker_store_batch_size_count",
];

/// CPU time in nanoseconds, by process. Those that end take theirs along.
#[derive(Default)]
struct Used(BTreeMap<&'static str, BTreeMap<u32, u64>>);

impl Used {
    fn read(field: &Field) -> Result<Self> {
        let mut used = Self::default();
        used.note("nodes", field.nodes.iter().filter_map(Node::pid));
        used.note("testers", field.parts.iter().map(Part::pid));
        let processes = processes::all();
        for (service, pid) in field.service_pids() {
            used.note(service.name(), tree(&processes, *pid));
        }
        Ok(used)
    }

    fn note(&mut self, who: &'static str, pids: impl IntoIterator<Item = u32>) {
        let times = pids.into_iter().map(|pid| (pid, cpu_of(pid))).collect();
        self.0.insert(who, times);
    }

    /// Seconds since `earlier`.
    fn since(&self, earlier: &Self) -> BTreeMap<&'static str, f64> {
        let seconds = |who: &&'static str, now: &BTreeMap<u32, u64>| -> f64 {
            let before = earlier.0.get(who);
            let used = now.iter().map(|(pid, time)| {
                let before = before.and_then(|before| before.get(pid)).copied().unwrap_or(0);
                time.saturating_sub(before)
            });
            used.sum::<u64>() as f64 / 1e9
        };
        self.0
            .iter()
            .map(|(who, now)| (*who, seconds(who, now)))
            .collect()
    }
}

/// All that is read when a phase begins.
pub(super) struct Reading {
    at: Instant,
    used: Used,
    redis: BTreeMap<String, u64>,
    metrics: BTreeMap<&'static str, f64>,
    pub(super) totals: Totals,
}

impl Reading {
    /// Also has the latencies begin anew.
    pub(super) fn take(field: &mut Field) -> Result<Self> {
        if !field.parts.is_empty() {
            field.reports()?;
        }
        Self::take_quietly(field)
    }

    fn take_quietly(field: &Field) -> Result<Self> {
        let text = field.metrics()?;
        let metrics = METRICS.map(|name| (name, metric(&text, name, "")));
        Ok(Self {
            at: Instant::now(),
            used: Used::read(field)?,
            redis: redis_calls(address_in(field.service_url(Service::Redis)?)?)?,
            metrics: metrics.into_iter().collect(),
            totals: field.totals(),
        })
    }
}

/// A phase that is over.
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) time: Duration,
    pub(super) cpu_seconds: BTreeMap<&'static str, f64>,
    redis: BTreeMap<String, u64>,
    metrics: BTreeMap<&'static str, f64>,
    counts: BTreeMap<&'static str, u64>,
    pub(super) latencies: BTreeMap<&'static str, Latencies>,
    errors: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    pub(super) memory: MemoryUse,
    /// Clients that were pinged, and answered.
    pub(super) pinged: u64,
    /// What is particular to it.
    pub(super) more: BTreeMap<&'static str, Value>,
}

impl Phase {
    /// What happened since `before`.
    pub(super) fn end(name: &'static str, before: &Reading, field: &mut Field) -> Result<Self> {
        let mut latencies: BTreeMap<&'static str, Latencies> = BTreeMap::new();
        let mut pinged = 0;
        for report in field.reports()? {
            pinged += report["pinged"].as_u64().unwrap_or(0);
            for kind in ["delivery", "confirmation", "login", "back"] {
                latencies.entry(kind).or_default().add(&report[kind]);
            }
        }
        let now = Reading::take_quietly(field)?;
        let counts = [
            "logins",
            "returns",
            "pings",
            "sent",
            "resent",
            "arrived",
            "duplicates",
            "confirmed",
            "repeatedConfirmations",
            "skipped",
            "foreign",
        ];
        let more_than = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let more = now.iter().map(|(name, count)| {
                let earlier = before.get(name).copied().unwrap_or(0);
                (name.clone(), count.saturating_sub(earlier))
            });
            more.filter(|(_, count)| *count > 0).collect()
        };
        let counted = |name| (name, now.totals.get(name).saturating_sub(before.totals.get(name)));
        Ok(Self {
            name,
            time: now.at.duration_since(before.at),
            cpu_seconds: now.used.since(&before.used),
            redis: more_than(&now.redis, &before.redis),
            // Of a node that ended meanwhile there is nothing to tell.
            metrics: METRICS
                .map(|name| (name, (now.metrics[name] - before.metrics[name]).max(0.0)))
                .into_iter()
                .collect(),
            counts: counts.map(counted).into_iter().collect(),
            latencies,
            errors: more_than(&now.totals.errors, &before.totals.errors),
            ends: more_than(&now.totals.ends, &before.totals.ends),
            memory: MemoryUse::read(field)?,
            pinged,
            more: BTreeMap::new(),
        })
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    pub(super) fn json(&self) -> Value {
        let works = match (self.count("arrived"), self.count("logins")) {
            (0, logins) => logins,
            (arrived, _) => arrived,
        };
        let each = |total: f64| (works > 0).then(|| total / works as f64);
        let cpu_each: BTreeMap<_, _> = self
            .cpu_seconds
            .iter()
            .map(|(who, seconds)| (who, each(seconds * 1e6)))
            .collect();
        let latencies: BTreeMap<_, _> = self
            .latencies
            .iter()
            .map(|(kind, latencies)| (kind, latencies.json()))
            .collect();
        json!({
            "phase": self.name,
            "seconds": self.time.as_secs_f64(),
            "counts": self.counts,
            "latencies": latencies,
            "errors": self.errors,
            "ends": self.ends,
            "cpuSeconds": self.cpu_seconds,
            "cpuMicrosecondsPerMessageOrLogin": cpu_each,
            "redisCalls": self.redis,
            "metrics": self.metrics,
            "pinged": self.pinged,
            "memory": self.memory.json(),
            "more": self.more,
        })
    }
}

/// Who has how much memory, in bytes.
#[derive(Clone, Debug)]
pub(super) struct MemoryUse {
    pub(super) available: u64,
    pub(super) slab: u64,
    pub(super) of: BTreeMap<&'static str, u64>,
}

impl MemoryUse {
    pub(super) fn read(field: &Field) -> Result<Self> {
        let shares = |pids: Vec<u32>| pids.into_iter().map(share_of_memory).sum();
        let mut of = BTreeMap::from([
            (
                "nodes",
                shares(field.nodes.iter().filter_map(Node::pid).collect()),
            ),
            ("testers", shares(field.parts.iter().map(Part::pid).collect())),
        ]);
        let processes = processes::all();
        for (service, pid) in field.service_pids() {
            of.insert(service.name(), shares(tree(&processes, *pid)));
        }
        let Memory { available, slab } = Memory::read()?;
        Ok(Self { available, slab, of })
    }

    fn json(&self) -> Value {
        json!({"available": self.available, "slab": self.slab, "of": self.of})
    }
}
