//! Feeding a session from the store: fetches, catching up after falling behind, replay at login. One job at a time, paced by the proof window.

use std::collections::VecDeque;
use std::time::Duration;

use super::effect::SessionEffect;
use crate::code::{ErrorCode, FrameError};
use crate::custody::Delivery;
use crate::id::MessageId;
use crate::limit::{FETCHES_QUEUED_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX};
use crate::port::PageFilter;

/// How long to wait before the store is asked again: after a failure, or when a hint that was expected did not come.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// How long to wait before a page is asked for again that ended at its first row.
const UNDECIDED_RETRY_AFTER: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Fetch { left: u64 },
    CatchUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The next page may be read as soon as the window has room.
    Ready,
    /// Waiting for the user's turn; asked for again at this time, in case the word got lost.
    Granting(Duration),
    Reading,
    /// As [`Step::Granting`], for the count.
    Counting(Duration),
    GoingLive,
    /// Something is on its way into the store; a hint will tell.
    AwaitingHint(Duration),
    RetryPage(Duration),
}

/// The state of feeding one session.
#[derive(Debug, Default)]
pub(crate) struct Pump {
    job: Option<(Job, Step)>,
    after_seq: u64,
    fetches: VecDeque<u64>,
    behind: bool,
    replaying: bool,
    /// There is more to read behind what was read.
    hinted: bool,
    /// There is more to read among what was passed over.
    rescan: bool,
    /// Live messages that came while others had to go first.
    deferred: VecDeque<Delivery>,
    deferred_bytes: usize,
    /// When something was proven last, or began to be awaited.
    progress_at: Duration,
    progressed: bool,
}

impl Pump {
    pub(super) fn fetch(&mut self, count: u64) -> Result<(), FrameError> {
        if self.fetches.len() >= FETCHES_QUEUED_MAX {
            return Err(FrameError::new(
                ErrorCode::RateLimited,
                "too many fetch requests wait already",
            ));
        }
        self.fetches.push_back(count);
        Ok(())
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// From now on everything comes from the store.
    pub(super) fn fall_behind(&mut self, replaying: bool, now: Duration) {
        if !self.behind {
            self.behind = true;
            self.replaying = replaying;
            self.progress_at = now;
        }
    }

    pub(super) fn hint(&mut self, anywhere: bool) {
        self.hinted = true;
        self.rescan |= anywhere;
    }

    /// Where to read on after a hint.
    fn follow_hint(&mut self) {
        self.hinted = false;
        if std::mem::take(&mut self.rescan) {
            self.after_seq = 0;
        }
    }

    /// Something is awaited of the client from now on.
    pub(super) fn awaits_proof(&mut self, now: Duration) {
        self.progress_at = self.progress_at.max(now);
    }

    pub(super) fn proven(&mut self) {
        self.progressed = true;
    }

    /// Ids of one sender ascend. What another session of the user gave back is older than what came meanwhile, and goes before it.
    pub(super) fn defer(&mut self, delivery: Delivery) {
        self.deferred_bytes += delivery.cost();
        let new = &delivery.envelope;
        let of_the_pair =
            |old: &&Delivery| old.envelope.from == new.from && old.envelope.feature == new.feature;
        let newest_first = self.deferred.iter().enumerate().rev();
        let later = newest_first
            .filter(|(_, old)| of_the_pair(old))
            .take_while(|(_, old)| old.envelope.id > new.id);
        let place = later.last().map_or(self.deferred.len(), |(place, _)| place);
        self.deferred.insert(place, delivery);
    }

    /// One of them, where the store has it.
    pub(super) fn take_deferred_one(&mut self, id: &MessageId) -> Option<Delivery> {
        let at = self
            .deferred
            .iter()
            .position(|delivery| delivery.envelope.id == *id)?;
        let delivery = self.deferred.remove(at)?;
        self.deferred_bytes -= delivery.cost();
        Some(delivery)
    }

    pub(super) fn take_deferred(&mut self) -> VecDeque<Delivery> {
        self.deferred_bytes = 0;
        std::mem::take(&mut self.deferred)
    }

    /// When the session counts as stalled if nothing is proven until then. `waiting`: something is awaited of the client.
    pub(super) fn stall_deadline(&self, waiting: bool, timeout: Duration) -> Option<Duration> {
        let blocked = self.behind || matches!(self.job, Some((_, Step::Ready)));
        (blocked && waiting).then(|| self.progress_at + timeout)
    }

    /// When [`Pump::advance`] wants to be called though nothing happened.
    pub(super) fn retry_at(&self) -> Option<Duration> {
        match self.job {
            Some((
                _,
                Step::Granting(at) | Step::AwaitingHint(at) | Step::RetryPage(at) | Step::Counting(at),
            )) => Some(at),
            _ => None,
        }
    }

    /// Does the next step, if it can be done now.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        backlog_bytes: usize,
        feed_bytes: usize,
        effects: &mut Vec<SessionEffect>,
    ) {
        if self.progressed {
            self.progressed = false;
            self.progress_at = now;
        }
        if self.job.is_none() && !self.begin(now, effects) {
            return;
        }
        if let Some((_, Step::AwaitingHint(at))) = self.job
            && (self.hinted || at <= now)
        {
            // A word that was expected and did not come may have been any.
            self.rescan |= at <= now;
            self.follow_hint();
            self.job = Some((Job::CatchUp, Step::Ready));
        }
        let Some((job, step)) = &mut self.job else {
            return;
        };
        match *step {
            Step::Granting(at) if at <= now => {
                *step = Step::Granting(now + RETRY_AFTER);
                effects.push(SessionEffect::AcquireFetch);
            }
            Step::RetryPage(at) if at <= now => *step = Step::Ready,
            Step::Counting(at) if at <= now => {
                *step = Step::Counting(now + RETRY_AFTER);
                effects.push(SessionEffect::CountWaiting);
            }
            _ => {}
        }
        if *step == Step::Ready && backlog_bytes.saturating_sub(self.deferred_bytes) <= feed_bytes {
            *step = Step::Reading;
            let (max_rows, filter) = match *job {
                Job::Fetch { left } => (left.min(u64::from(PAGE_ROWS_MAX)) as u32, PageFilter::All),
                Job::CatchUp if self.replaying => (PAGE_ROWS_MAX, PageFilter::All),
                Job::CatchUp => (PAGE_ROWS_MAX, PageFilter::Behind),
            };
            // What is held and the page together fit into the window.
            let max_bytes = PAGE_BYTES_MAX.min(feed_bytes);
            effects.push(SessionEffect::ReadPage {
                after_seq: self.after_seq,
                max_rows,
                max_bytes,
                filter,
                deferred: self
                    .deferred
                    .iter()
                    .map(|delivery| delivery.envelope.id)
                    .collect(),
            });
        }
    }

    fn begin(&mut self, now: Duration, effects: &mut Vec<SessionEffect>) -> bool {
        if self.behind {
            self.job = Some((Job::CatchUp, Step::Ready));
            self.hinted = false;
        } else if let Some(count) = self.fetches.pop_front() {
            self.job = Some((Job::Fetch { left: count }, Step::Granting(now + RETRY_AFTER)));
            effects.push(SessionEffect::AcquireFetch);
        } else {
            return false;
        }
        self.after_seq = 0;
        self.progress_at = now;
        true
    }

    pub(super) fn on_fetch_granted(&mut self) {
        if let Some((Job::Fetch { .. }, step @ Step::Granting(_))) = &mut self.job {
            *step = Step::Ready;
        }
    }

    /// A page was sent: so many messages of it, the last row's sequence, and whether there was no more.
    pub(super) fn on_page(
        &mut self,
        sent: usize,
        last_seq: u64,
        exhausted: bool,
        now: Duration,
        effects: &mut Vec<SessionEffect>,
    ) {
        let Some((job, step @ Step::Reading)) = &mut self.job else {
            return;
        };
        if last_seq <= self.after_seq && !exhausted {
            // The next row is undecided, for as long as its transaction may take to be answered.
            *step = Step::RetryPage(now + UNDECIDED_RETRY_AFTER);
            return;
        }
        self.after_seq = self.after_seq.max(last_seq);
        match job {
            Job::Fetch { left } => {
                *left = left.saturating_sub(sent as u64);
                if *left == 0 || exhausted {
                    // Asked with the next step.
                    *step = Step::Counting(Duration::ZERO);
                } else {
                    *step = Step::Ready;
                }
            }
            Job::CatchUp if sent > 0 || !exhausted => *step = Step::Ready,
            Job::CatchUp if self.hinted => {
                *step = Step::Ready;
                self.follow_hint();
            }
            Job::CatchUp => {
                *step = Step::GoingLive;
                effects.push(SessionEffect::TryLive);
            }
        }
    }

    pub(super) fn on_store_failed(&mut self, now: Duration) {
        if let Some((_, step @ Step::Reading)) = &mut self.job {
            *step = Step::RetryPage(now + RETRY_AFTER);
        }
    }

    /// The count after a fetch: whether there was one to be told.
    pub(super) fn on_count(&mut self, effects: &mut Vec<SessionEffect>) -> bool {
        let counting = matches!(self.job, Some((Job::Fetch { .. }, Step::Counting(_))));
        if counting {
            self.job = None;
            effects.push(SessionEffect::ReleaseFetch);
        }
        counting
    }

    /// Whether the session is live now. Answers whether a replay is complete with that.
    pub(super) fn on_live(&mut self, live: bool, now: Duration) -> bool {
        if let Some((Job::CatchUp, step @ Step::GoingLive)) = &mut self.job {
            if live {
                self.job = None;
                self.behind = false;
                return std::mem::take(&mut self.replaying);
            }
            *step = Step::AwaitingHint(now + RETRY_AFTER);
        }
        false
    }

    /// The session ends: its turn to fetch, held or waited for, is over. Answers what was deferred.
    pub(super) fn abandon(&mut self, effects: &mut Vec<SessionEffect>) -> VecDeque<Delivery> {
        if let Some((Job::Fetch { .. }, _)) = self.job {
            effects.push(SessionEffect::ReleaseFetch);
        }
        self.take_deferred()
    }

    /// Whether there is nothing to feed any more: another one may do it next time.
    pub(super) fn is_done(&self) -> bool {
        self.job.is_none() && !self.behind && self.fetches.is_empty() && self.deferred.is_empty()
    }
}
