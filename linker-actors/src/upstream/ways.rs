//! Which way a message goes to the application: everybody's, or its sender's own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use linker_core::custody::{Forwarding, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::{DomainName, SessionId, UserId};
use linker_core::link::GateMode;
use tokio::time::Instant;

use super::Upstream;
use super::lane::Lane;
use super::outlet::UpstreamOutlet;
use crate::links::way::Hop;

/// A lane is kept for so long after its sender has left it: far longer than a router takes from asking for it to using it.
const KEPT: Duration = Duration::from_secs(60);

/// The lanes of senders who are set aside, for all routers of the node.
#[derive(Default)]
pub(super) struct LaneWays {
    lanes: RwLock<HashMap<UserId, Arc<Lane>>>,
    /// How many there are: hardly ever any, and routers ask for every message.
    len: AtomicUsize,
}

impl LaneWays {
    pub(super) fn of(&self, sender: &UserId) -> Option<Arc<Lane>> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.get(sender).cloned()
    }

    fn of_home(&self, home: &DomainName) -> Option<Arc<Lane>> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.of(&home.aside_sender()?)
    }

    /// From now on what it sends goes by its own lane, which is shut.
    pub(super) fn set_aside(&self, sender: &UserId) -> Arc<Lane> {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(*sender).or_insert_with(|| Lane::new(sender));
        let lane = Arc::clone(lane);
        self.len.store(lanes.len(), Ordering::Release);
        drop(lanes);
        lane.set_aside(true);
        // Which shuts it.
        lane.way.set_hop(None);
        lane
    }

    /// From now on what it sends goes everybody's way. False where its lane is not open any more.
    pub(super) fn leave(&self, sender: &UserId) -> bool {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get(sender).cloned() else {
            return true;
        };
        lane.set_aside(false);
        *lane.used_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if lane.way.gate.mode() != GateMode::Open {
            lane.set_aside(true);
            return false;
        }
        lanes.retain(|_, lane| {
            let used_at = *lane.used_at.lock().unwrap_or_else(PoisonError::into_inner);
            lane.is_aside() || lane.way.gate.is_diverting() || used_at.elapsed() < KEPT
        });
        self.len.store(lanes.len(), Ordering::Release);
        true
    }
}

impl Upstream {
    /// Where a message for the application goes. `before`: as it was when the message was handed over, or its row was written.
    ///
    /// While messages wait in the store for everybody's way, what comes new of a sender who is set aside waits behind them: some of them may be its own. Whoever hands those over has them
    /// redirected, in their order.
    pub(crate) fn home_of(&self, envelope: &Envelope, before: Option<&DomainName>) -> DomainName {
        match self.lanes.of(&envelope.from).filter(|lane| lane.is_aside()) {
            Some(lane) if before.is_some() || self.way.gate.mode() == GateMode::Open => lane.way.home.clone(),
            _ => self.home.clone(),
        }
    }

    pub(crate) fn next_link(&self, home: &DomainName) -> Option<SessionId> {
        match self.lanes.of_home(home) {
            Some(lane) => lane.way.hop().map(|hop| hop.id()),
            None => self.way.hop().map(|outlet| outlet.id()),
        }
    }

    /// As [`crate::links::Links::forward`].
    pub(crate) fn forward(
        &self,
        home: &DomainName,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        first: bool,
        epoch_of: impl FnOnce(&UpstreamOutlet) -> u64,
    ) -> Forwarding {
        let outlet = &self.outlet;
        match self.lanes.of_home(home) {
            Some(lane) => lane.way.hand_over(first, |turn| {
                outlet.offer_of_lane(turn, envelope, ticket, epoch_of(outlet))
            }),
            None => self
                .way
                .hand_over(first, |_| outlet.offer(envelope, ticket, epoch_of(outlet))),
        }
    }

    /// As [`linker_core::custody::LocalSessions::divert_forward`].
    pub(crate) fn divert(&self, home: &DomainName, anyhow: bool) -> bool {
        match self.lanes.of_home(home) {
            Some(lane) => lane.way.gate.divert(anyhow),
            None => self.way.gate.divert(anyhow),
        }
    }

    pub(crate) fn stored(&self, home: &DomainName) {
        match self.lanes.of_home(home) {
            Some(lane) => lane.way.stored(),
            None => self.way.stored(),
        }
    }

    pub(crate) fn shut(&self, home: &DomainName) {
        match self.lanes.of_home(home) {
            Some(lane) => lane.way.shut(),
            None => self.way.shut(),
        }
    }
}
