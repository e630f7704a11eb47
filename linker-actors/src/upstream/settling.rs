//! What becomes of messages that were handed to the application, and who is told.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use linker_core::code::{ErrorCode, FrameError};
use linker_core::custody::{Origin, Submission, Ticket};
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::SessionId;
use linker_core::port::UpstreamError;
use linker_core::upstream::Verdict;
use tokio::time::Instant;

use super::dispatch::{Dispatcher, PAUSE_FIRST, Sent};
use super::metering::UpstreamOutcome;
use super::outlet::Item;
use crate::router::RouterMail;
use crate::runtime::ids::random_u64;

/// Of messages that are not taken or refused, one is logged as a warning so often; metrics count them all.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// What is settled together.
const SETTLED_MAX: usize = 512;

/// What routers are to be told.
#[derive(Default)]
pub(super) struct Words {
    proven: HashMap<u16, Vec<Ticket>>,
    refused: HashMap<u16, Vec<(Ticket, FrameError)>>,
    pub(super) given_back: HashMap<u16, Vec<(Ticket, SessionId)>>,
}

impl Dispatcher {
    /// This one and all others that are ready. `Some` where the application is away.
    pub(super) fn settle(&mut self, first: Sent) -> Option<String> {
        let mut away = self.settle_one(first);
        for _ in 0..SETTLED_MAX {
            let Some(Some(sent)) = self.under_way.next().now_or_never() else {
                break;
            };
            let one = self.settle_one(sent);
            away = away.or(one);
        }
        away
    }

    fn settle_one(&mut self, sent: Sent) -> Option<String> {
        let now = self.node.clock.now().elapsed;
        let Sent { key, number, outcome } = sent;
        match outcome {
            Ok(()) => {
                let item = self.lanes.done(key, number, now)?;
                self.is_there(&item);
                self.taken(&item);
                None
            }
            Err(UpstreamError::Refused(why)) => {
                let item = self.lanes.done(key, number, now)?;
                self.is_there(&item);
                self.refused(&item, &why);
                None
            }
            Err(error) => {
                self.node.upstream.count_failure();
                let why = error.to_string();
                if key.1 == Feature::Fast {
                    let item = self.lanes.drop_failed(key, number)?;
                    self.outlet.settled(&item);
                    self.node.upstream.count(&item.envelope, UpstreamOutcome::Dropped);
                } else {
                    let chance = random_u64() as f64 / u64::MAX as f64;
                    let (verdict, item) = self.lanes.failed(key, number, chance, now)?;
                    self.failed(&item, verdict, &why);
                }
                if matches!(error, UpstreamError::Away(_)) || self.trials.takes_nothing() {
                    return Some(why);
                }
                if self.trials.seems_away() {
                    self.trials.doubt();
                    self.tell_away(&why);
                }
                None
            }
        }
    }

    fn failed(&mut self, item: &Item, verdict: Verdict, why: &str) {
        let (id, user) = (item.envelope.id, item.envelope.from);
        let again = match verdict {
            Verdict::Again(after) | Verdict::Aside(after) => after,
            Verdict::GiveUp => {
                let why = format!("the application takes others and not this one: {why}");
                self.refused(item, &why);
                return;
            }
        };
        match self.may_warn() {
            true => {
                tracing::warn!(message.id = %id, user.id = %user, error = %why, again = ?again, "the application has not taken a message; it is handed over again");
            }
            false => {
                tracing::debug!(message.id = %id, user.id = %user, error = %why, again = ?again, "not taken; it is handed over again");
            }
        }
        let until = self.node.clock.now().elapsed + again;
        let in_memory = matches!(verdict, Verdict::Again(_)) && !self.aside.contains(&user);
        match !in_memory && self.set_aside(user, until) {
            true => self.trials.failed_aside(id),
            false => self.trials.failed(id),
        }
    }

    /// Not one line a message: what one client sends may be refused as fast as it sends.
    fn may_warn(&mut self) -> bool {
        let may = self.warned_at.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if may {
            self.warned_at = Some(Instant::now());
        }
        may
    }

    /// It has answered sensibly.
    fn is_there(&mut self, item: &Item) {
        self.pause = PAUSE_FIRST;
        if let Some(lane) = &item.lane {
            lane.succeeded();
        }
        if self.trials.heard() {
            self.tell_there();
        }
    }

    fn taken(&mut self, item: &Item) {
        self.outlet.settled(item);
        self.node
            .upstream
            .count(&item.envelope, UpstreamOutcome::Delivered);
        match item.ticket {
            Some(ticket) => self.words.proven.entry(ticket.shard).or_default().push(ticket),
            None if item.envelope.confirm => self.confirm_fast(&item.envelope),
            None => {}
        }
    }

    fn refused(&mut self, item: &Item, why: &str) {
        let envelope = &item.envelope;
        match self.may_warn() {
            true => {
                tracing::warn!(message.id = %envelope.id, user.id = %envelope.from, error = %why, "the application refuses a message");
            }
            false => {
                tracing::debug!(message.id = %envelope.id, user.id = %envelope.from, error = %why, "refused");
            }
        }
        self.outlet.settled(item);
        self.node.upstream.count(envelope, UpstreamOutcome::Refused);
        if let Some(ticket) = item.ticket {
            let error = FrameError::new(ErrorCode::Refused, "the application does not take this message");
            let refused = self.words.refused.entry(ticket.shard).or_default();
            refused.push((ticket, error));
        }
    }

    /// Custody has let go of it when it was handed over.
    fn confirm_fast(&mut self, taken: &Envelope) {
        let now_ms = self.node.clock.now().unix_ms;
        let confirmation = Envelope {
            id: self.ids.next(now_ms),
            kind: Kind::Confirmation,
            feature: Feature::Reliable,
            from: taken.to,
            to: taken.from,
            reference: taken.reference.clone(),
            confirm: false,
            timestamp_ms: now_ms,
            content: bytes::Bytes::new(),
            trail: None,
        };
        if let Some(router) = self.node.routers.recipient(0) {
            let submission = Submission {
                envelope: confirmation,
                origin: Origin::Node,
                accepted: false,
            };
            // As its message, it may be lost where there is no room for it.
            let _ = router.try_send(RouterMail::Submit(Box::new(submission)));
        }
    }

    pub(super) async fn tell_routers(&mut self) {
        let Words {
            proven,
            refused,
            given_back,
        } = std::mem::take(&mut self.words);
        let proven = proven
            .into_iter()
            .map(|(shard, tickets)| (shard, RouterMail::Proven(tickets)));
        let refused = refused
            .into_iter()
            .map(|(shard, tickets)| (shard, RouterMail::UpstreamRefused(tickets)));
        let given_back = given_back
            .into_iter()
            .map(|(shard, tickets)| (shard, RouterMail::GivenBack(tickets)));
        for (shard, mail) in proven.chain(refused).chain(given_back) {
            // One that has ended has surrendered its messages, and they are handed over again.
            if let Some(router) = self.node.routers.recipient(shard) {
                let _ = router.send(mail).await;
            }
        }
    }
}

pub(super) fn panicked() -> UpstreamError {
    tracing::error!("what takes messages to the application panicked; the message is handed over again");
    UpstreamError::Failed("it panicked".into())
}
