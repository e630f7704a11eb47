//! Runs a scenario on load threads while the calling thread watches: readings at every phase, a progress line a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::clients::Clients;
use crate::clock::{MS, SECOND, now_ns};
use crate::error::LoadError;
use crate::gauges::{Reporter, Shared};
use crate::process::ProcessReading;
use crate::scenario::Scenario;
use crate::tally::Tally;

/// How often the observer looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longest that logging in may take.
const LOG_IN_MAX_NS: u64 = 180 * SECOND;

/// How a run is watched.
pub(crate) struct RunPlan {
    /// What the progress line calls it.
    pub(crate) name: String,
    pub(crate) threads: u32,
    /// Names of the scenario's phases.
    pub(crate) phases: &'static [&'static str],
    /// Clients that log in before the threads begin together; 0 where a scenario logs in by itself.
    pub(crate) clients_first: u32,
    /// Longest the run may take once the threads have begun.
    pub(crate) limit_ns: u64,
    /// The server's process, if known.
    pub(crate) server: Option<u32>,
}

/// Readings when all threads had reached a phase.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) phase: u32,
    pub(crate) at_ns: u64,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) answered: u64,
    /// CPU time of each load thread.
    pub(crate) thread_cpu_ns: Vec<u64>,
    pub(crate) server: Option<ProcessReading>,
}

/// What a run brought.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) marks: Vec<Mark>,
}

impl Outcome {
    /// The reading at `phase`, or at the next one that was reached.
    pub(crate) fn mark(&self, phase: u32) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.phase >= phase)
    }
}

/// Runs what `make` builds for each thread. `make` is called in its thread and has the clients log in.
///
/// # Errors
/// The first error of any thread, or that the run did not end in time.
pub(crate) fn run<S, F>(plan: &RunPlan, make: F) -> Result<Outcome, LoadError>
where
    S: Scenario,
    F: Fn(u32, Reporter) -> Result<(Clients, S), LoadError> + Sync,
{
    let shared = Shared::new(plan.threads);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|index| {
                let (shared, make) = (Arc::clone(&shared), &make);
                scope.spawn(move || {
                    let result = drive(index, &shared, make);
                    if result.is_err() {
                        shared.stop();
                    }
                    result
                })
            })
            .collect();
        let watched = watch(plan, &shared);
        shared.stop();
        let mut tally = Tally::new()?;
        for thread in threads {
            match thread.join() {
                Ok(result) => tally.merge(&result?),
                Err(_) => return Err(LoadError::Server("a load thread failed".to_owned())),
            }
        }
        Ok(Outcome {
            tally,
            marks: watched?,
        })
    })
}

fn drive<S, F>(index: u32, shared: &Arc<Shared>, make: &F) -> Result<Tally, LoadError>
where
    S: Scenario,
    F: Fn(u32, Reporter) -> Result<(Clients, S), LoadError>,
{
    // Without this the kernel may wake the thread 50 µs late, to save power.
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let (mut clients, mut scenario) = make(index, Reporter::new(Arc::clone(shared), index as usize)?)?;
    while !scenario.finished() && !shared.stopped() {
        clients.turn(&mut scenario)?;
    }
    Ok(scenario.into_tally())
}

/// Looks at the threads until all have ended.
fn watch(plan: &RunPlan, shared: &Shared) -> Result<Vec<Mark>, LoadError> {
    let mut marks = vec![read_mark(plan, shared, 0)?];
    let mut progress = Progress::new();
    let began_ns = now_ns();
    let mut deadline_ns = began_ns + LOG_IN_MAX_NS;
    loop {
        thread::sleep(LOOK_EVERY);
        let now = now_ns();
        if shared.stopped()
            || shared
                .threads
                .iter()
                .all(|gauges| gauges.ended.load(Ordering::Acquire))
        {
            break;
        }
        if !shared.started() && shared.ready() >= plan.clients_first {
            let start_ns = now + 200 * MS;
            shared.start(start_ns);
            deadline_ns = start_ns + plan.limit_ns;
        }
        let phase = shared.phase();
        if marks.last().is_some_and(|last| phase > last.phase) {
            marks.push(read_mark(plan, shared, phase)?);
            shared.see(phase);
        }
        if now >= deadline_ns {
            let what = if shared.started() { "the run" } else { "logging in" };
            return Err(LoadError::Overdue(what));
        }
        progress.show(plan, shared, marks.last(), now)?;
    }
    Ok(marks)
}

fn read_mark(plan: &RunPlan, shared: &Shared, phase: u32) -> Result<Mark, LoadError> {
    Ok(Mark {
        phase,
        at_ns: now_ns(),
        sent: shared.sum(|gauges| &gauges.sent),
        delivered: shared.sum(|gauges| &gauges.delivered),
        answered: shared.sum(|gauges| &gauges.answered),
        thread_cpu_ns: shared
            .threads
            .iter()
            .map(|gauges| gauges.cpu_ns.load(Ordering::Relaxed))
            .collect(),
        server: plan.server.map(ProcessReading::take).transpose()?,
    })
}

/// The line that tells once a second how it goes.
struct Progress {
    began_ns: u64,
    last: Option<Mark>,
    next_ns: u64,
}

impl Progress {
    fn new() -> Self {
        let now = now_ns();
        Self {
            began_ns: now,
            last: None,
            next_ns: now + SECOND,
        }
    }

    fn show(
        &mut self,
        plan: &RunPlan,
        shared: &Shared,
        mark: Option<&Mark>,
        now: u64,
    ) -> Result<(), LoadError> {
        if now < self.next_ns {
            return Ok(());
        }
        self.next_ns += SECOND;
        let phase = mark.map_or(0, |mark| mark.phase);
        let current = read_mark(plan, shared, phase)?;
        let last = self
            .last
            .replace(current.clone())
            .unwrap_or_else(|| mark.unwrap_or(&current).clone());
        let seconds = current.at_ns.saturating_sub(last.at_ns).max(1) as f64 / SECOND as f64;
        let rate = |after: u64, before: u64| after.saturating_sub(before) as f64 / seconds;
        let own: u64 = current
            .thread_cpu_ns
            .iter()
            .zip(&last.thread_cpu_ns)
            .map(|(after, before)| after.saturating_sub(*before))
            .sum();
        let percent = |cpu_ns: u64| cpu_ns as f64 / SECOND as f64 / seconds * 100.0;
        let server = match (&current.server, &last.server) {
            (Some(after), Some(before)) => format!(
                " | server {:.0} % CPU, {:.1} MiB",
                percent(after.cpu_ns_since(before)),
                after.rss_bytes as f64 / 1_048_576.0
            ),
            _ => String::new(),
        };
        eprintln!(
            "{:>4} s  {}: {} | {} sessions | sent {:.0}/s, delivered {:.0}/s, answered {:.0}/s, under way {} \
             | p50 {:.2} ms, p99 {:.2} ms | faults {}{server} | tester {:.0} %",
            (now - self.began_ns) / SECOND,
            plan.name,
            plan.phases.get(phase as usize).copied().unwrap_or(""),
            shared.ready(),
            rate(current.sent, last.sent),
            rate(current.delivered, last.delivered),
            rate(current.answered, last.answered),
            shared.sum(|gauges| &gauges.in_flight),
            shared.max(|gauges| &gauges.p50_us) as f64 / 1_000.0,
            shared.max(|gauges| &gauges.p99_us) as f64 / 1_000.0,
            shared.sum(|gauges| &gauges.faults),
            percent(own),
        );
        Ok(())
    }
}
