//! What load threads show to the observer while they run, without locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::clients::Clients;
use crate::clock::{MS, SECOND, thread_cpu_ns};
use crate::error::LoadError;
use crate::tally::{Counts, Latencies};

/// How often a thread reads its own CPU time, which takes a system call.
const CPU_INTERVAL_NS: u64 = 5 * MS;

/// One thread's gauges. All are written by that thread and read by the observer.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    /// Where in its scenario the thread is: an index into the scenario's phase names.
    pub(crate) phase: AtomicU32,
    pub(crate) ready: AtomicU32,
    pub(crate) sent: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) answered: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) faults: AtomicU64,
    /// CPU time, less what went into polling in vain.
    pub(crate) cpu_ns: AtomicU64,
    /// Of the last full second, in microseconds.
    pub(crate) p50_us: AtomicU64,
    pub(crate) p99_us: AtomicU64,
    pub(crate) ended: AtomicBool,
}

/// What the threads of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// When all threads begin together; 0 until all their clients are logged in.
    start_ns: AtomicU64,
    /// Set when one thread fails, so that the others do not wait for it.
    stop: AtomicBool,
    /// The last phase that the observer has taken its readings at.
    seen: AtomicU32,
    pub(crate) threads: Vec<Gauges>,
}

impl Shared {
    pub(crate) fn new(threads: u32) -> Arc<Self> {
        Arc::new(Self {
            start_ns: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            seen: AtomicU32::new(0),
            threads: (0..threads).map(|_| Gauges::default()).collect(),
        })
    }

    /// Lets all threads begin at `start_ns`.
    pub(crate) fn start(&self, start_ns: u64) {
        self.start_ns.store(start_ns, Ordering::Release);
    }

    pub(crate) fn started(&self) -> bool {
        self.start_ns.load(Ordering::Acquire) != 0
    }

    /// Has all threads end as soon as they can.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Notes that the readings of `phase` are taken, so that scenarios may go on to the next.
    pub(crate) fn see(&self, phase: u32) {
        self.seen.store(phase, Ordering::Release);
    }

    /// Adds up one gauge over all threads.
    pub(crate) fn sum(&self, of: impl Fn(&Gauges) -> &AtomicU64) -> u64 {
        self.threads
            .iter()
            .map(|gauges| of(gauges).load(Ordering::Relaxed))
            .sum()
    }

    /// The largest of one gauge over all threads.
    pub(crate) fn max(&self, of: impl Fn(&Gauges) -> &AtomicU64) -> u64 {
        self.threads
            .iter()
            .map(|gauges| of(gauges).load(Ordering::Relaxed))
            .max()
            .unwrap_or(0)
    }

    /// The phase that all threads have reached.
    pub(crate) fn phase(&self) -> u32 {
        self.threads
            .iter()
            .map(|gauges| gauges.phase.load(Ordering::Acquire))
            .min()
            .unwrap_or(0)
    }

    /// Clients logged in.
    pub(crate) fn ready(&self) -> u32 {
        self.threads
            .iter()
            .map(|gauges| gauges.ready.load(Ordering::Relaxed))
            .sum()
    }
}

/// A load thread's end of its gauges.
#[derive(Debug)]
pub(crate) struct Reporter {
    shared: Arc<Shared>,
    index: usize,
    this_second: Latencies,
    second_ends_ns: u64,
    next_cpu_ns: u64,
}

impl Reporter {
    /// # Errors
    /// As [`Latencies::new`].
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Result<Self, LoadError> {
        Ok(Self {
            shared,
            index,
            this_second: Latencies::new()?,
            second_ends_ns: 0,
            next_cpu_ns: 0,
        })
    }

    /// When all threads begin; `None` while some still log in.
    pub(crate) fn start_ns(&self) -> Option<u64> {
        Some(self.shared.start_ns.load(Ordering::Acquire)).filter(|start_ns| *start_ns != 0)
    }

    /// Whether all threads have reached `phase` and the readings of its beginning are taken.
    pub(crate) fn phase_seen(&self, phase: u32) -> bool {
        self.shared.seen.load(Ordering::Acquire) >= phase
    }

    /// Notes a latency for the progress line.
    pub(crate) fn latency(&mut self, latency_ns: u64) {
        self.this_second.record(latency_ns);
    }

    /// Shows where the thread is. Cheap enough for every turn of the loop.
    pub(crate) fn publish(
        &mut self,
        phase: u32,
        clients: &Clients,
        counts: &Counts,
        in_flight: u64,
        now: u64,
    ) {
        let Some(gauges) = self.shared.threads.get(self.index) else {
            return;
        };
        let new_phase = gauges.phase.load(Ordering::Relaxed) != phase;
        gauges.sent.store(counts.sent, Ordering::Relaxed);
        gauges.delivered.store(counts.delivered, Ordering::Relaxed);
        gauges.answered.store(counts.answered, Ordering::Relaxed);
        gauges.in_flight.store(in_flight, Ordering::Relaxed);
        gauges.ready.store(clients.ready(), Ordering::Relaxed);
        let faults =
            counts.lost + counts.duplicates + counts.out_of_order + counts.misdelivered + counts.refused;
        gauges.faults.store(faults, Ordering::Relaxed);
        if new_phase || now >= self.next_cpu_ns {
            self.next_cpu_ns = now + CPU_INTERVAL_NS;
            let polled_ns = clients.polled_ns();
            gauges
                .cpu_ns
                .store(thread_cpu_ns().saturating_sub(polled_ns), Ordering::Relaxed);
        }
        if now >= self.second_ends_ns {
            self.second_ends_ns = now + SECOND;
            let percentiles = self.this_second.percentiles();
            let us = |ms: f64| (ms * 1_000.0) as u64;
            gauges
                .p50_us
                .store(percentiles.map_or(0, |found| us(found.p50_ms)), Ordering::Relaxed);
            gauges
                .p99_us
                .store(percentiles.map_or(0, |found| us(found.p99_ms)), Ordering::Relaxed);
            self.this_second.clear();
        }
        gauges.phase.store(phase, Ordering::Release);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(gauges) = self.shared.threads.get(self.index) {
            gauges.ended.store(true, Ordering::Release);
        }
    }
}
