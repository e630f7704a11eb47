//! What is on its way to one node: collected into batches, which grow while others are under way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use linker_core::bus::{BatchWriter, BusFrame, GroupDelivery};
use linker_core::custody::Ticket;
use linker_core::envelope::{Envelope, Kind};
use linker_core::id::NodeInstance;
use linker_core::port::{Bus, BusError};
use linker_core::trace::Sampling;
use tokio::sync::Notify;

use crate::trace::Carried;

/// A batch is closed when it has grown to this.
const BATCH_BYTES: usize = 64 * 1024;
/// Messages are taken for one node until so much waits for it. Words about messages are taken beyond that, up to twice as much.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Batches handed to the bus and not confirmed by it.
const UNDER_WAY_MAX: usize = 4;
/// How often a node without an inbox, or a bus that is away, is tried.
const TRY_EVERY: Duration = Duration::from_millis(250);
const RECIPIENTS_MAX: usize = 1000;

/// No two outboxes of a process have an epoch in common, also where both are for the same node.
static NEXT_EPOCH: AtomicU64 = AtomicU64::new(1);

/// Collects for one node.
pub(super) struct Outbox {
    state: Mutex<State>,
    work: Notify,
    sampling: Sampling,
    /// Messages are not taken: nobody can have them now.
    away: AtomicBool,
    closed: AtomicBool,
}

struct State {
    epoch: u64,
    writer: BatchWriter,
    /// The traced ones among what was written since the last batch.
    traced: Vec<Carried>,
    /// The last message, as long as others of its group may follow.
    group: Option<GroupDelivery>,
    ready: VecDeque<Batch>,
    ready_bytes: usize,
}

/// One payload.
struct Batch {
    payload: Bytes,
    frames: usize,
    traced: Vec<Carried>,
}

impl State {
    fn waiting_bytes(&self) -> usize {
        self.ready_bytes + self.writer.len()
    }

    fn close_group(&mut self) {
        if let Some(group) = self.group.take() {
            self.write(&BusFrame::DeliverGroup(group));
        }
    }

    fn write(&mut self, frame: &BusFrame) {
        self.writer.push(frame);
        if self.writer.len() >= BATCH_BYTES {
            self.complete();
        }
    }

    fn next(&mut self) -> Option<Batch> {
        self.close_group();
        if self.ready.is_empty() {
            self.complete();
        }
        let batch = self.ready.pop_front()?;
        self.ready_bytes -= batch.payload.len();
        Some(batch)
    }

    /// What is collected so far is a batch.
    fn complete(&mut self) {
        let frames = self.writer.frames();
        let payload = self.writer.take();
        if frames > 0 {
            self.ready_bytes += payload.len();
            let traced = std::mem::take(&mut self.traced);
            self.ready.push_back(Batch {
                payload,
                frames,
                traced,
            });
        }
    }

    fn clear(&mut self) {
        self.group = None;
        self.writer.take();
        self.traced.clear();
        self.ready.clear();
        self.ready_bytes = 0;
    }

    /// What is collected so far belongs to the epoch that ends.
    fn begin_epoch(&mut self) {
        self.close_group();
        self.complete();
        self.epoch = NEXT_EPOCH.fetch_add(1, Ordering::Relaxed);
        self.writer.begin_epoch(self.epoch);
    }
}

impl Outbox {
    pub(super) fn new(me: &NodeInstance, sampling: Sampling) -> Self {
        let mut state = State {
            epoch: 0,
            writer: BatchWriter::new(me),
            traced: Vec::new(),
            group: None,
            ready: VecDeque::new(),
            ready_bytes: 0,
        };
        state.begin_epoch();
        Self {
            state: Mutex::new(state),
            work: Notify::new(),
            sampling,
            away: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// The other node misses something of this epoch. Answers whether another one was begun for it.
    pub(super) fn restart(&self, epoch: u64) -> bool {
        let mut state = self.state();
        let is_news = state.epoch == epoch;
        if is_news {
            state.begin_epoch();
        }
        is_news
    }

    /// False when it cannot be sent now; also where `epoch` is over: what was sent in it has to be sent again first.
    pub(super) fn deliver(&self, envelope: &Arc<Envelope>, ticket: Option<Ticket>, epoch: u64) -> bool {
        if self.away.load(Ordering::Acquire) {
            return false;
        }
        let mut state = self.state();
        if state.epoch != epoch || state.waiting_bytes() > WAITING_BYTES_MAX {
            return false;
        }
        state.traced.extend(Carried::of(self.sampling, envelope));
        if let Some(group) = &mut state.group
            && group.recipients.len() < RECIPIENTS_MAX
            && group.add(envelope, ticket)
        {
            return true;
        }
        state.close_group();
        let begun = match envelope.kind {
            Kind::GroupMessage => GroupDelivery::of(envelope, ticket),
            _ => None,
        };
        match begun {
            Some(group) => state.group = Some(group),
            None => state.write(&BusFrame::Deliver {
                ticket,
                envelope: Arc::clone(envelope),
            }),
        }
        drop(state);
        self.work.notify_one();
        true
    }

    pub(super) fn tell(&self, frame: &BusFrame) {
        if self.away.load(Ordering::Acquire) {
            return;
        }
        let mut state = self.state();
        if state.waiting_bytes() <= 2 * WAITING_BYTES_MAX {
            state.close_group();
            state.write(frame);
        }
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.work.notify_one();
    }

    /// Sends what is collected until the outbox is closed. `back` is called when messages are taken again, `sent_traced` with what is traced when the bus has it.
    pub(super) async fn run(
        &self,
        me: &NodeInstance,
        to: &NodeInstance,
        bus: &dyn Bus,
        back: impl Fn() + Send + Sync,
        sent_traced: impl Fn(&Carried) + Send + Sync,
    ) {
        let mut under_way = FuturesOrdered::new();
        while !self.closed.load(Ordering::Acquire) {
            while under_way.len() < UNDER_WAY_MAX {
                let Some(batch) = self.state().next() else { break };
                metrics::histogram!("linker_bus_batch_size").record(batch.frames as f64);
                let sending = bus.send(to.clone(), batch.payload);
                under_way.push_back(async move { (sending.await, batch.traced) });
            }
            let (sent, traced) = tokio::select! {
                biased;
                Some(sent) = under_way.next(), if !under_way.is_empty() => sent,
                () = self.work.notified(), if under_way.len() < UNDER_WAY_MAX => continue,
            };
            match sent {
                Ok(()) => traced.iter().for_each(&sent_traced),
                Err(error) => {
                    under_way.clear();
                    self.wait_until_back(me, to, bus, &error).await;
                    back();
                }
            }
        }
    }

    /// What waits is dropped: who answers for it asks, or finds another way.
    async fn wait_until_back(&self, me: &NodeInstance, to: &NodeInstance, bus: &dyn Bus, error: &BusError) {
        self.away.store(true, Ordering::Release);
        tracing::warn!(peer = %to, error = %error, "a node cannot be reached over the bus");
        let mut nothing = BatchWriter::new(me);
        while !self.closed.load(Ordering::Acquire) {
            self.state().clear();
            tokio::time::sleep(TRY_EVERY).await;
            nothing.push(&BusFrame::Rescan { users: Vec::new() });
            if bus.send(to.clone(), nothing.take()).await.is_ok() {
                tracing::info!(peer = %to, "a node can be reached again");
                break;
            }
        }
        let mut state = self.state();
        state.clear();
        state.begin_epoch();
        drop(state);
        self.away.store(false, Ordering::Release);
    }
}
