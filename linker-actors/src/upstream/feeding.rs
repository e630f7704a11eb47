//! Senders whose messages are not taken: their messages go back to the store, and are handed over from there when it is their turn.

use std::sync::Arc;
use std::time::Duration;

use linker_core::envelope::Feature;
use linker_core::id::UserId;
use linker_core::link::GateMode;

use super::dispatch::Dispatcher;
use super::lane::LaneHop;
use super::outlet::{Item, RELIABLE_BYTES_MAX};
use crate::links::pump;
use crate::links::way::Hop;

/// Senders who are fed at a time: of what the sink takes at once, not more than a quarter.
const FED_MAX: usize = 16;
/// How long one rests whose messages are slow to be taken; routers have all that they were given back by then.
const REST: Duration = Duration::from_millis(250);
/// How soon it is looked again whether somebody can be fed who might be.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What waits for everybody's way goes first: some of it may be redirected yet. But it is waited for no longer than this.
const HELD_MAX: Duration = Duration::from_secs(10);

/// How many are fed at a time where the sink takes `at_once`.
pub(super) fn fed_at_once(at_once: usize) -> usize {
    (at_once / 4).min(FED_MAX)
}

/// Nothing is read for this sender any more.
pub(super) struct Fed {
    sender: UserId,
    /// Nothing waits.
    all: bool,
}

impl Dispatcher {
    /// What it has in memory goes back to the store, and nothing of it is handed over before `until`. False where too many senders are set aside already.
    pub(super) fn set_aside(&mut self, sender: UserId, until: Duration) -> bool {
        let is_new = !self.aside.contains(&sender);
        if !self.aside.rest(sender, until) {
            return false;
        }
        if is_new {
            tracing::info!(user.id = %sender, "the application does not take what a user sends; it waits in the store, in nobody's way");
        }
        self.node.upstream.lanes.set_aside(&sender);
        for item in self.lanes.take((sender, Feature::Reliable)) {
            self.give_back(&item);
        }
        self.show_aside();
        true
    }

    /// Found in the store.
    pub(super) fn find_aside(&mut self, senders: Vec<UserId>) {
        let now = self.node.clock.now().elapsed;
        for sender in senders {
            if !self.aside.contains(&sender) && !self.set_aside(sender, now) {
                // They are found again.
                tracing::warn!(
                    "too many users are set aside; what waits for others of them waits until some are not"
                );
                break;
            }
        }
    }

    /// Custody leaves it to the store.
    pub(super) fn give_back(&mut self, item: &Item) {
        self.outlet.settled(item);
        if let Some(ticket) = item.ticket {
            let back = self.words.given_back.entry(ticket.shard).or_default();
            back.push((ticket, self.outlet.id));
        }
    }

    /// Whether it was handed over before its sender was set aside, or in a turn that is over: it has its place behind what is in the store.
    pub(super) fn is_late(&self, item: &Item) -> bool {
        let sender = &item.envelope.from;
        if item.ticket.is_none() || !self.aside.contains(sender) {
            return false;
        }
        let lane = self.node.upstream.lanes.of(sender);
        let in_turn = |hop: &Arc<LaneHop>| lane.is_some_and(|lane| lane.is_turn(hop));
        !item.lane.as_ref().is_some_and(in_turn)
    }

    /// Of whom so much is held that there is no room for others.
    pub(super) fn make_room(&mut self, now: Duration) {
        while let Some((sender, _)) = self.lanes.crowding(self.outlet.load(), RELIABLE_BYTES_MAX) {
            if self.aside.contains(&sender) || !self.set_aside(sender, now + REST) {
                return;
            }
        }
    }

    /// Begins to feed those whose turn it is.
    pub(super) fn feed(&mut self, now: Duration) {
        let is_open = self.node.upstream.way.gate.mode() == GateMode::Open;
        if is_open || self.aside.is_empty() {
            self.held_since = None;
        } else if *self.held_since.get_or_insert(now) + HELD_MAX > now {
            return;
        }
        let mut blocked = Vec::new();
        while let Some(sender) = self.aside.next(now) {
            let Some(lane) = self.node.upstream.lanes.of(&sender) else {
                self.aside.fed(sender, true, now);
                continue;
            };
            if self.lanes.has(&(sender, Feature::Reliable)) {
                blocked.push(sender);
                continue;
            }
            lane.way.set_hop(Some(LaneHop::new(&self.outlet)));
            let opening = pump::open(
                Arc::clone(&self.node),
                Arc::clone(&self.store),
                Arc::clone(&lane.way),
            );
            self.feeding.push(Box::pin(async move {
                let all = opening.await;
                Fed { sender, all }
            }));
        }
        for sender in blocked {
            // The last of it is still under way.
            self.aside.rest(sender, now + LOOK_AGAIN);
            self.aside.fed(sender, false, now);
        }
    }

    /// When [`Dispatcher::feed`] may have something to do.
    pub(super) fn feed_at(&self, now: Duration) -> Option<Duration> {
        let due = self.aside.deadline()?;
        Some(match self.held_since {
            Some(_) => due.max(now + LOOK_AGAIN),
            None => due,
        })
    }

    pub(super) fn fed(&mut self, Fed { sender, all }: Fed) {
        let now = self.node.clock.now().elapsed;
        if !self.aside.fed(sender, all, now) {
            return;
        }
        if self.node.upstream.lanes.leave(&sender) {
            tracing::info!(user.id = %sender, "the application has taken all that had waited of a user");
        } else {
            self.aside.rest(sender, now + REST);
            self.node.upstream.lanes.set_aside(&sender);
        }
        self.show_aside();
    }

    /// Nobody is fed while the application is away.
    pub(super) fn stop_feeding(&mut self) {
        self.feeding.clear();
        let now = self.node.clock.now().elapsed;
        for sender in self.aside.wake(now) {
            if let Some(lane) = self.node.upstream.lanes.of(&sender) {
                lane.way.set_hop(None);
            }
        }
    }

    fn show_aside(&self) {
        self.node.upstream.show_aside(self.aside.len());
    }
}
