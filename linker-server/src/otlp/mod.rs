//! Traces over OTLP (http/protobuf): what [`linker_actors::SpanSink`] is told goes into a bounded queue, and a thread of its own sends it in batches.
//!
//! Nobody waits for a collector: what does not fit into the queue, or cannot be sent, is dropped and counted.

mod client;
mod words;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, mpsc as threads};
use std::time::Duration;

use linker_actors::{Span, SpanSink};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::{mpsc, watch};

use crate::config::{NodeConfig, TracesConfig};
use client::Client;
use worker::Worker;

/// Spans that wait to be sent: some megabytes.
const QUEUE_MAX: usize = 8192;
/// How long the collector may take for one batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a stop waits for what is still in the queue.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Says what the counters are, also where nothing is traced: alerts ask for them.
pub(crate) fn describe() {
    metrics::describe_counter!(
        "linker_trace_spans_total",
        "Spans that the collector of telemetry.otlpUrl has taken"
    );
    metrics::describe_counter!(
        "linker_trace_spans_dropped_total",
        "Spans that came faster than they could be sent, or that the collector did not take"
    );
    metrics::counter!("linker_trace_spans_total").increment(0);
    metrics::counter!("linker_trace_spans_dropped_total").increment(0);
}

/// The way to the collector.
pub(crate) struct Otlp {
    sink: Arc<Queue>,
    stop: watch::Sender<bool>,
    stopped: threads::Receiver<()>,
}

/// What nodes hand spans to.
struct Queue {
    spans: mpsc::Sender<Span>,
    dropped: metrics::Counter,
}

impl SpanSink for Queue {
    fn record(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.dropped.increment(1);
        }
    }
}

impl Otlp {
    /// Sends to the collector from now on. That it is away is no failure.
    pub(crate) fn start(config: &TracesConfig, node: &NodeConfig) -> anyhow::Result<Self> {
        let client = Client::new(&config.url, &config.headers, EXPORT_TIMEOUT)?;
        let faults = client.faults();
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(&config.url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIMEOUT)
            .with_headers(HashMap::new())
            // What was not taken is dropped; what comes after it must not wait.
            .with_retry_policy(RetryPolicy::disabled())
            .build()?;
        exporter.set_resource(&words::resource(node));
        let (spans, coming) = mpsc::channel(QUEUE_MAX);
        let (stop, told) = watch::channel(false);
        let (ended, stopped) = threads::channel();
        let worker = Worker::new(exporter, faults, config.users);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new().name("otlp".into()).spawn(move || {
            runtime.block_on(worker.run(coming, told, FLUSH_TIMEOUT));
            // Whoever stops may have given up.
            let _ = ended.send(());
        })?;
        let dropped = metrics::counter!("linker_trace_spans_dropped_total");
        Ok(Self {
            sink: Arc::new(Queue { spans, dropped }),
            stop,
            stopped,
        })
    }

    pub(crate) fn sink(&self) -> Arc<dyn SpanSink> {
        Arc::clone(&self.sink) as Arc<dyn SpanSink>
    }

    /// Sends what is in the queue, as far as the time allows.
    pub(crate) fn stop(self) {
        self.stop.send_replace(true);
        // For a batch under way, and for what is behind it.
        let _ = self
            .stopped
            .recv_timeout(2 * FLUSH_TIMEOUT + Duration::from_millis(200));
    }
}
