//! The thread that sends.

use std::time::Duration;

use linker_actors::Span;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::SpanExporter as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::client::Faults;
use super::words;

/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to be sent with.
const COMPANY: Duration = Duration::from_millis(500);
/// How long a collector that did not take something is left alone, and twice as long each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Sends batch by batch.
pub(super) struct Worker {
    exporter: SpanExporter,
    faults: Faults,
    users: bool,
    sent: metrics::Counter,
    dropped: metrics::Counter,
    /// How long it was left alone last, while it takes nothing.
    pause: Option<Duration>,
}

impl Worker {
    pub(super) fn new(exporter: SpanExporter, faults: Faults, users: bool) -> Self {
        Self {
            exporter,
            faults,
            users,
            sent: metrics::counter!("linker_trace_spans_total"),
            dropped: metrics::counter!("linker_trace_spans_dropped_total"),
            pause: None,
        }
    }

    /// Until it is told to stop; then what is in the queue, as long as the time allows.
    pub(super) async fn run(
        mut self,
        mut spans: mpsc::Receiver<Span>,
        mut stop: watch::Receiver<bool>,
        flush_within: Duration,
    ) {
        let mut batch = Vec::new();
        while self.collect(&mut spans, &mut batch, &mut stop).await {
            let count = batch.len() as u64;
            let sending = self.send(std::mem::take(&mut batch));
            let sent = tokio::select! {
                () = sending => true,
                () = stopped_for(&mut stop, flush_within) => false,
            };
            if !sent {
                self.dropped.increment(count);
                self.pause = Some(PAUSE_MIN);
            }
            if let Some(pause) = self.pause {
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = stop.wait_for(|stop| *stop) => break,
                }
            }
        }
        spans.close();
        self.flush(spans, batch, flush_within).await;
    }

    /// Waits for some spans, and for company of theirs. False when it is to stop.
    async fn collect(
        &self,
        spans: &mut mpsc::Receiver<Span>,
        batch: &mut Vec<Span>,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let mut until = None;
        while batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            tokio::select! {
                more = spans.recv_many(batch, room) => match more {
                    0 => return false,
                    _ => until = until.or(Some(Instant::now() + COMPANY)),
                },
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => return true,
                _ = stop.wait_for(|stop| *stop) => return false,
            }
        }
        true
    }

    async fn flush(&mut self, mut spans: mpsc::Receiver<Span>, mut batch: Vec<Span>, within: Duration) {
        let deadline = Instant::now() + within;
        // One that takes nothing is not asked again.
        while self.pause.is_none() {
            if batch.is_empty() && spans.recv_many(&mut batch, BATCH_MAX).await == 0 {
                return;
            }
            let count = batch.len() as u64;
            if timeout_at(deadline, self.send(std::mem::take(&mut batch)))
                .await
                .is_err()
            {
                self.dropped.increment(count);
                break;
            }
        }
        self.dropped.increment((batch.len() + spans.len()) as u64);
    }

    async fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let told = batch.into_iter().map(|span| words::span_data(span, self.users));
        match self.exporter.export(told.collect()).await {
            Ok(()) => {
                self.sent.increment(count);
                if self.pause.take().is_some() {
                    tracing::info!("the collector takes traces again");
                }
            }
            Err(error) => {
                self.dropped.increment(count);
                let why = self.faults.take().unwrap_or_else(|| error.to_string());
                if self.pause.is_none() {
                    tracing::warn!(error = %why, "the collector takes no traces; they are dropped until it does");
                }
                self.pause = Some(self.pause.map_or(PAUSE_MIN, |last| (last * 2).min(PAUSE_MAX)));
            }
        }
    }
}

/// Until it is to stop, and so much time has passed since.
async fn stopped_for(stop: &mut watch::Receiver<bool>, time: Duration) {
    // An error means that whoever could say so is gone.
    let _ = stop.wait_for(|stop| *stop).await;
    sleep(time).await;
}
