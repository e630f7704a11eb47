//! Rates, from what was counted a few seconds ago and now.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::domain::Asked;
use super::slow::SlowSessions;
use super::tally::{Counts, Tally};
use super::{ByFeature, NodeLoad, ProcessLoad, ProcessUse, Rates};
use crate::node::Node;

const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// A rate is that of this time.
const SAMPLES: usize = 5;
/// Of a shorter time there is no rate.
const SHORTEST: Duration = Duration::from_secs(1);

/// Asks the host what the process has used.
pub(crate) type Probe = Arc<dyn Fn() -> Option<ProcessUse> + Send + Sync>;

/// What was counted by some time.
#[derive(Clone, Copy)]
struct Sample {
    at: Duration,
    counts: Counts,
    process: Option<ProcessUse>,
}

/// What a node needs to tell how it does, and what the others told lately.
pub(crate) struct Meter {
    probe: Option<Probe>,
    /// The last ones, oldest first.
    samples: Mutex<VecDeque<Sample>>,
    pub(super) loads: Asked<NodeLoad>,
    pub(super) slow: tokio::sync::Mutex<Option<(Duration, SlowSessions)>>,
}

impl Meter {
    pub(crate) fn new(probe: Option<Probe>) -> Self {
        Self {
            probe,
            samples: Mutex::default(),
            loads: Asked::default(),
            slow: tokio::sync::Mutex::default(),
        }
    }

    fn samples(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sample(&self, at: Duration, tally: &Tally) -> Sample {
        Sample {
            at,
            counts: tally.counts(),
            process: self.probe.as_ref().and_then(|probe| probe()),
        }
    }

    fn keep(&self, sample: Sample) {
        let mut samples = self.samples();
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Rates until now, and what the process uses.
    fn measure(&self, at: Duration, tally: &Tally) -> (Rates, Option<ProcessLoad>) {
        let now = self.sample(at, tally);
        let before = self.samples().front().copied();
        before.map_or_else(Default::default, |before| between(&before, &now))
    }
}

fn between(before: &Sample, now: &Sample) -> (Rates, Option<ProcessLoad>) {
    let seconds = now.at.saturating_sub(before.at).max(SHORTEST).as_secs_f64();
    let (was, is) = (&before.counts, &now.counts);
    let rate = |was: u64, is: u64| is.saturating_sub(was) as f64 / seconds;
    let by_feature = |was: [u64; 2], is: [u64; 2]| ByFeature {
        reliable: rate(was[0], is[0]),
        fast: rate(was[1], is[1]),
    };
    let rates = Rates {
        received: by_feature(was.received, is.received),
        delivered: by_feature(was.delivered, is.delivered),
        stored: rate(was.stored, is.stored),
        forwarded: rate(was.forwarded, is.forwarded),
        dropped: rate(was.dropped, is.dropped),
        refused: rate(was.refused, is.refused),
        logins: rate(was.logins, is.logins),
    };
    let process = now.process.map(|process| {
        let used = before
            .process
            .map_or(Duration::ZERO, |before| process.cpu.saturating_sub(before.cpu));
        ProcessLoad {
            cpu: used.as_secs_f64() / seconds,
            memory_bytes: process.memory_bytes,
        }
    });
    (rates, process)
}

/// Counts from now on, for as long as the node's runtime lives.
pub(crate) fn start(node: &Arc<Node>) {
    let node = Arc::clone(node);
    node.backend.clone().spawn(async move {
        let mut turns = tokio::time::interval(SAMPLE_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let at = node.clock.now().elapsed;
            node.meter.keep(node.meter.sample(at, node.metrics.tally()));
        }
    });
}

/// How this node does.
pub(crate) fn load_here(node: &Node) -> NodeLoad {
    let at = node.clock.now().elapsed;
    let (rates, process) = node.meter.measure(at, node.metrics.tally());
    let notes = node.notes().into_iter();
    NodeLoad {
        sessions: node.sessions.len() as u64,
        rates,
        process,
        pending_messages: node.custody.pending_messages.load(Ordering::Relaxed) as u64,
        pending_bytes: node.custody.pending_bytes.load(Ordering::Relaxed) as u64,
        slow_consumers: node.sessions.slow(0).0 as u64,
        troubles: node.troubles(),
        notes: notes.map(|(part, note)| (part.to_owned(), note)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use linker_core::custody::Outcome;
    use linker_core::envelope::Feature;

    use super::*;

    fn used(cpu_ms: u64) -> Option<ProcessUse> {
        Some(ProcessUse {
            cpu: Duration::from_millis(cpu_ms),
            memory_bytes: 7,
        })
    }

    #[test]
    fn rates_are_of_the_last_seconds_only() {
        let (meter, tally) = (Meter::new(None), Tally::default());
        for _ in 0..1000 {
            tally.received(Feature::Reliable);
        }
        for second in 0..20 {
            meter.keep(meter.sample(Duration::from_secs(second), &tally));
            if second >= 14 {
                (0..10).for_each(|_| tally.message(Feature::Fast, Outcome::Delivered));
            }
        }
        let (rates, process) = meter.measure(Duration::from_secs(20), &tally);
        assert_eq!(rates.delivered.fast, 10.0);
        assert_eq!((rates.received.reliable, rates.delivered.reliable), (0.0, 0.0));
        assert_eq!(process, None);
    }

    #[test]
    fn a_node_that_has_just_started_tells_no_wild_rates() {
        let (meter, tally) = (Meter::new(None), Tally::default());
        assert_eq!(meter.measure(Duration::ZERO, &tally).0, Rates::default());
        meter.keep(meter.sample(Duration::ZERO, &tally));
        tally.login();
        let (rates, _) = meter.measure(Duration::from_millis(1), &tally);
        assert_eq!(rates.logins, 1.0);
    }

    #[test]
    fn a_process_is_told_in_cores() {
        let cpu = Arc::new(Mutex::new(used(1000)));
        let told = Arc::clone(&cpu);
        let meter = Meter::new(Some(Arc::new(move || *told.lock().expect("not poisoned"))));
        let tally = Tally::default();
        meter.keep(meter.sample(Duration::from_secs(1), &tally));
        *cpu.lock().expect("not poisoned") = used(4000);
        let (_, process) = meter.measure(Duration::from_secs(3), &tally);
        let expected = ProcessLoad {
            cpu: 1.5,
            memory_bytes: 7,
        };
        assert_eq!(process, Some(expected));
        // What cannot be measured now is not told.
        *cpu.lock().expect("not poisoned") = None;
        assert_eq!(meter.measure(Duration::from_secs(4), &tally).1, None);
    }
}
