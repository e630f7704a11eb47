//! Metrics, and traces over OTLP.

mod away;
mod metrics;
mod one_node;
mod path;

pub(crate) use metrics::whole_exposition;
