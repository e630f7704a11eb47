//! Logs and metrics.

use std::io::IsTerminal;
use std::sync::Arc;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, reload};

use crate::config::{LogFormat, TelemetryConfig};

/// Upper bounds of `linker_delivery_seconds` and `linker_store_commit_seconds`.
const SECONDS_BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of `linker_store_batch_size`, rows.
const ROWS_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// What logs less than the level allows, unless it is asked for by name. How many threads the HTTP server starts is no news to anybody, nor is that
/// PostgreSQL found a table that there was already; the client of RabbitMQ writes contents of messages, and tells nothing that the bus does not tell.
const QUIET: [(&str, &str); 4] = [
    ("actix_server", "warn"),
    ("sqlx::postgres::notice", "warn"),
    ("lapin", "off"),
    ("amq_protocol", "off"),
];

/// What was set up for the process.
#[derive(Clone)]
pub(crate) struct Telemetry {
    prometheus: PrometheusHandle,
    /// Logs by this filter from now on.
    refilter: Refilter,
}

type Refilter = Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

impl Telemetry {
    /// Logs to standard error and counts from now on.
    pub(crate) fn start(config: &TelemetryConfig) -> anyhow::Result<Self> {
        let refilter = start_logs(config)?;
        let prometheus = PrometheusBuilder::new()
            .set_buckets_for_metric(
                metrics_exporter_prometheus::Matcher::Suffix("_seconds".into()),
                &SECONDS_BUCKETS,
            )?
            .set_buckets_for_metric(
                metrics_exporter_prometheus::Matcher::Suffix("_size".into()),
                &ROWS_BUCKETS,
            )?
            .install_recorder()?;
        Ok(Self { prometheus, refilter })
    }

    /// Logs at another level from now on, see [`TelemetryConfig::level`].
    pub(crate) fn set_level(&self, level: &str) -> anyhow::Result<()> {
        (self.refilter)(filter(level)?)?;
        Ok(())
    }

    /// The metrics as Prometheus text.
    pub(crate) fn render(&self) -> String {
        self.prometheus.render()
    }

    /// Keeps what histograms buffer from growing while nobody asks.
    pub(crate) fn upkeep(&self) {
        self.prometheus.run_upkeep();
    }
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let mut filter = EnvFilter::try_new(level)?;
    for (target, quiet) in QUIET {
        if !level.contains(target) {
            filter = filter.add_directive(format!("{target}={quiet}").parse()?);
        }
    }
    Ok(filter)
}

/// Logs to standard error from now on; answers with what changes the filter.
pub(crate) fn start_logs(config: &TelemetryConfig) -> anyhow::Result<Refilter> {
    let filter = filter(&config.level)?;
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written (a full disk, a reader that is gone) is lost; told on the same standard error, it would be a panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let (set, refilter): (_, Refilter) = if json {
        let builder = builder.json().flatten_event(true).with_filter_reloading();
        let handle = builder.reload_handle();
        (builder.try_init(), Arc::new(move |filter| handle.reload(filter)))
    } else {
        let builder = builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_filter_reloading();
        let handle = builder.reload_handle();
        (builder.try_init(), Arc::new(move |filter| handle.reload(filter)))
    };
    set.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    Ok(refilter)
}
