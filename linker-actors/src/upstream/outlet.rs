//! Where routers meet the task that hands messages to the application: in order, and bounded.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::id::SessionId;
use tokio::sync::Notify;

use super::lane::LaneHop;
use crate::links::way::Hop;

/// RELIABLE messages are taken until the application has so much that it has not confirmed; then they wait in the store. Those of senders who are set aside do not count: they are bounded
/// by [`LaneHop`].
pub(super) const RELIABLE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The same of FAST ones; then they are dropped.
const FAST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Neighbours are counted from 1.
const NUMBER: u32 = 0;

/// One on its way.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) envelope: Arc<Envelope>,
    /// Whom to tell what becomes of it; none of a FAST one.
    pub(super) ticket: Option<Ticket>,
    /// By which it came, of a sender who was set aside.
    pub(super) lane: Option<Arc<LaneHop>>,
}

#[derive(Default)]
struct Queue {
    /// Grows when what was handed over may be lost: whoever does not know of it yet hands nothing over.
    epoch: u64,
    items: Vec<Item>,
}

/// What was handed over and is not confirmed.
pub(crate) struct UpstreamOutlet {
    pub(crate) id: SessionId,
    up: AtomicBool,
    queue: Mutex<Queue>,
    reliable_bytes: AtomicUsize,
    lane_bytes: AtomicUsize,
    fast_bytes: AtomicUsize,
    work: Notify,
    room: Notify,
}

impl UpstreamOutlet {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            id: SessionId::of_link(NUMBER),
            up: AtomicBool::new(false),
            queue: Mutex::default(),
            reliable_bytes: AtomicUsize::new(0),
            lane_bytes: AtomicUsize::new(0),
            fast_bytes: AtomicUsize::new(0),
            work: Notify::new(),
            room: Notify::new(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.queue().epoch
    }

    /// Takes a RELIABLE message. False where it cannot be taken now; also where `epoch` is over: what was handed over in it has to be looked after first.
    pub(super) fn offer(&self, envelope: &Arc<Envelope>, ticket: Ticket, epoch: u64) -> bool {
        if self.reliable_bytes.load(Ordering::Relaxed) > RELIABLE_BYTES_MAX {
            return false;
        }
        let mut queue = self.queue();
        if !self.is_up() || queue.epoch != epoch {
            return false;
        }
        self.reliable_bytes.fetch_add(envelope.cost(), Ordering::Relaxed);
        self.push(&mut queue, envelope, Some(ticket), None);
        true
    }

    /// The same by the way of a sender who is set aside.
    pub(super) fn offer_of_lane(
        &self,
        lane: &Arc<LaneHop>,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        epoch: u64,
    ) -> bool {
        let mut queue = self.queue();
        if !self.is_up() || queue.epoch != epoch {
            return false;
        }
        self.lane_bytes.fetch_add(envelope.cost(), Ordering::Relaxed);
        lane.add(envelope.cost());
        self.push(&mut queue, envelope, Some(ticket), Some(Arc::clone(lane)));
        true
    }

    /// Takes a FAST message; whether it could be taken.
    pub(super) fn offer_fast(&self, envelope: &Arc<Envelope>) -> bool {
        if self.fast_bytes.load(Ordering::Relaxed) > FAST_BYTES_MAX {
            return false;
        }
        let mut queue = self.queue();
        if !self.is_up() {
            return false;
        }
        self.fast_bytes.fetch_add(envelope.cost(), Ordering::Relaxed);
        self.push(&mut queue, envelope, None, None);
        true
    }

    fn push(
        &self,
        queue: &mut Queue,
        envelope: &Arc<Envelope>,
        ticket: Option<Ticket>,
        lane: Option<Arc<LaneHop>>,
    ) {
        let envelope = Arc::clone(envelope);
        queue.items.push(Item {
            envelope,
            ticket,
            lane,
        });
        self.work.notify_one();
    }

    /// What has come up, in order.
    pub(super) fn take(&self) -> Vec<Item> {
        std::mem::take(&mut self.queue().items)
    }

    /// Until something has come up.
    pub(super) async fn work(&self) {
        self.work.notified().await;
    }

    /// It is under way no more.
    pub(super) fn settled(&self, item: &Item) {
        let cost = item.envelope.cost();
        let bytes = match (item.ticket, &item.lane) {
            (Some(_), Some(lane)) => {
                lane.subtract(cost);
                &self.lane_bytes
            }
            (Some(_), None) => &self.reliable_bytes,
            (None, _) => &self.fast_bytes,
        };
        bytes.fetch_sub(cost, Ordering::Relaxed);
        self.room.notify_one();
    }

    pub(super) fn is_idle(&self) -> bool {
        let all = [&self.reliable_bytes, &self.lane_bytes, &self.fast_bytes];
        all.iter().all(|bytes| bytes.load(Ordering::Relaxed) == 0)
    }

    pub(super) fn go_up(&self) {
        self.up.store(true, Ordering::Release);
    }

    /// Takes nothing more; answers with what nobody has looked at. Whatever it had is to be told as settled.
    pub(super) fn go_down(&self) -> Vec<Item> {
        let mut queue = self.queue();
        self.up.store(false, Ordering::Release);
        queue.epoch += 1;
        std::mem::take(&mut queue.items)
    }
}

impl Hop for UpstreamOutlet {
    fn id(&self) -> SessionId {
        self.id
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    fn load(&self) -> usize {
        self.reliable_bytes.load(Ordering::Relaxed)
    }

    async fn room(&self) {
        self.room.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use linker_core::testkit::sample;

    use super::*;

    fn ticket(n: u32) -> Ticket {
        Ticket {
            shard: 0,
            slot: n,
            generation: 0,
        }
    }

    #[test]
    fn whoever_does_not_know_of_a_loss_hands_nothing_over() {
        let outlet = UpstreamOutlet::new();
        let message = Arc::new(sample::message(1, sample::user(1), sample::user(1).upstream()));
        let epoch = outlet.epoch();
        assert!(!outlet.offer(&message, ticket(1), epoch), "it is not up");
        outlet.go_up();
        assert!(outlet.offer(&message, ticket(1), epoch));
        let lost = outlet.go_down();
        assert_eq!(lost.len(), 1);
        lost.iter().for_each(|item| outlet.settled(item));
        outlet.go_up();
        assert!(!outlet.offer(&message, ticket(2), epoch));
        assert!(outlet.is_idle());
        assert!(outlet.offer(&message, ticket(2), outlet.epoch()));
    }

    #[test]
    fn what_it_holds_is_bounded() {
        let outlet = UpstreamOutlet::new();
        outlet.go_up();
        let mut message = sample::message(1, sample::user(1), sample::user(1).upstream());
        message.content = vec![b'1'; 1024 * 1024].into();
        let message = Arc::new(message);
        let mut reliable = 0;
        while outlet.offer(&message, ticket(reliable), outlet.epoch()) {
            reliable += 1;
        }
        assert_eq!(reliable, 8);
        let mut fast = 0;
        while outlet.offer_fast(&message) {
            fast += 1;
        }
        assert_eq!(fast, 4);
        let taken = outlet.take();
        assert_eq!(taken.len(), 12);
        outlet.settled(&taken[0]);
        assert!(outlet.offer(&message, ticket(9), outlet.epoch()));
    }
}
