//! The store actor: one transaction at a time, tried again until it is answered.

use std::sync::atomic::Ordering;
use std::time::Duration;

use linker_core::port::{InsertOutcome, StoreBatch};

use super::node::DEDUPE_WINDOW;
use super::store::StoreOp;
use super::world::{Event, Mail, World, trace};

const RETRY_AFTER_MIN: Duration = Duration::from_millis(50);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

impl World {
    pub(crate) fn store_ops(&mut self, ops: Vec<StoreOp>) {
        let now = self.now;
        let node = self.node();
        for op in ops {
            if let Some((user, id, forwarded)) = node.writer.queue.push(op) {
                node.shared.claims().deleted(user, id, forwarded, now);
            }
        }
        self.commit_next();
    }

    fn commit_next(&mut self) {
        let now = self.clock();
        let writer = &mut self.node().writer;
        if writer.in_flight.is_some() || writer.queue.is_empty() {
            return;
        }
        let mut taken = writer.queue.take();
        taken.batch.now_ms = now.unix_ms;
        taken.batch.dedupe_since_ms = now.unix_ms - DEDUPE_WINDOW.as_millis() as u64;
        taken.batch.max_per_user = u64::MAX;
        writer.in_flight = Some(taken);
        self.recommit();
    }

    pub(crate) fn recommit(&mut self) {
        let Some(taken) = &self.node().writer.in_flight else {
            return;
        };
        let batch = Box::new(taken.batch.clone());
        let after = self.store_takes();
        let (at, life) = (self.at, self.domains[self.at].life);
        self.schedule_in_world(after, Event::Commit(at, life, batch));
    }

    /// The transaction takes place, whether or not anybody is there to hear of it.
    pub(crate) fn commit(&mut self, place: usize, life: u32, batch: &StoreBatch) {
        self.at = place;
        let domain = &mut self.domains[place];
        let lives = domain.life == life;
        if domain.store_is_away {
            if lives {
                self.schedule(Duration::ZERO, Event::Committed(None));
            }
            return;
        }
        let outcomes = domain.store.apply(batch);
        // Its answer may be lost: then it is repeated.
        let is_told = self.healed || !self.rng.percent(3);
        if lives {
            let after = self.store_takes();
            self.schedule(after, Event::Committed(Some(outcomes).filter(|_| is_told)));
        }
    }

    pub(crate) fn committed(&mut self, outcomes: Option<Vec<InsertOutcome>>) {
        let now = self.now;
        let node = self.node();
        let is_away = outcomes.is_none();
        let was_away = node.shared.store_away.swap(is_away, Ordering::AcqRel);
        if is_away != was_away {
            trace!(self, "store is away: {is_away}");
        }
        let Some(outcomes) = outcomes else {
            let after = &mut self.node().writer.retry_after;
            let retry = (*after).max(RETRY_AFTER_MIN);
            *after = (retry * 2).min(RETRY_AFTER_MAX);
            self.schedule(retry, Event::Recommit);
            return;
        };
        let node = self.node();
        node.writer.retry_after = RETRY_AFTER_MIN;
        let Some(taken) = node.writer.in_flight.take() else {
            return;
        };
        for (user, id, forwarded) in taken.deleted {
            node.shared.claims().deleted(user, id, forwarded, now);
        }
        if !taken.tickets.is_empty() {
            self.mail(Mail::Stored(taken.tickets.into_iter().zip(outcomes).collect()));
        }
        self.commit_next();
    }
}
