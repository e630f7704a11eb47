//! What is measured. Each suite runs its loads once a round, and later tells what came of them.

mod api;
mod durable;
mod groups;
mod growth;
mod latency;
mod logins;
mod memory;
mod messages;
mod nodes;
mod overload;

use anyhow::Result;

use super::page::Page;
use super::results::Results;
use super::running::Bench;

/// A part of the page with its measurements.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// One round. An error ends that round; what failed within a load is noted there instead.
    pub(crate) round: fn(&mut Bench) -> Result<()>,
    pub(crate) render: fn(&Results, &mut Page),
}

/// All suites, in the order of the page.
pub(crate) const SUITES: &[Suite] = &[
    messages::SUITE,
    groups::SUITE,
    latency::SUITE,
    memory::SUITE,
    logins::SUITE,
    durable::SUITE,
    growth::SUITE,
    nodes::SUITE,
    overload::SUITE,
    api::SUITE,
];

/// The server's CPU time for what the load counts as its work.
const CPU: &str = "server.cpuUsPerWork";
const PER_SECOND: &str = "workPerSecond";
const P50: &str = "latency.p50Ms";
const P99: &str = "latency.p99Ms";
