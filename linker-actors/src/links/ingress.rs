//! What comes in from other domains, on its way to the router.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use linker_core::bus::{Batch, BusFrame, decode_batch};
use linker_core::clock::Now;
use linker_core::code::{ErrorCode, FrameError};
use linker_core::custody::{Origin, Submission};
use linker_core::directory::RecipientError;
use linker_core::envelope::{Envelope, Feature};
use linker_core::id::{DomainName, UserId};
use linker_core::link::Sequencer;
use linker_core::link::settling::pause;
use linker_core::port::{Arrival, IngressReceiver, LinkWay};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::close;
use super::receipts::Owed;
use super::refusal::refusal;
use crate::node::Node;
use crate::router::{RouterMail, Target};
use crate::undecodable::Undecodable;

/// FAST payloads and the like that wait to be looked at; what does not fit is dropped. RELIABLE ones are bounded by what an ingress hands out unsigned.
const WAITING_MAX: usize = 8192;
/// Users of this domain that are just being closed for masters elsewhere; what comes beyond that is dropped, as such questions may be.
const CLOSING_MAX: usize = 64;
/// Messages that may wait for one that was sent before them.
const HELD_MAX: usize = 1 << 16;
const HELD_BYTES_MAX: usize = 64 << 20;
/// Payloads that may be unsigned while messages wait for others: below what an ingress hands out, or that for which they wait might never come.
const UNSIGNED_MAX: usize = 768;
/// How soon it is looked again whether a message that has come back is still on its way out.
const OWED_FOR: Duration = Duration::from_millis(250);

enum Event {
    /// With its place among those that may be dropped, if it is one of them.
    Arrival(Arrival, Option<OwnedSemaphorePermit>),
    /// What came before is told again, here or to another node.
    Lost,
}

/// The adapter's way to this node.
pub(super) struct Inlet {
    node: Arc<Node>,
    events: mpsc::UnboundedSender<Event>,
    waiting: Arc<Semaphore>,
}

impl Inlet {
    /// Looks at what comes in, on the backend's runtime.
    pub(super) fn open(node: &Arc<Node>) -> Arc<Self> {
        let (events, coming) = mpsc::unbounded_channel();
        let reader = Reader {
            node: Arc::clone(node),
            sequencer: sequencer(node.clock.now()),
            settling: BTreeMap::new(),
            next: 0,
            unsigned: Arc::default(),
            undecodable: Undecodable::new("from another domain"),
            closing: Arc::new(Semaphore::new(CLOSING_MAX)),
        };
        node.backend.spawn(reader.run(coming));
        Arc::new(Self {
            node: Arc::clone(node),
            events,
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
        })
    }
}

impl IngressReceiver for Inlet {
    fn receive(&self, arrival: Arrival) {
        if arrival.receipt.is_some() && self.node.draining.load(Ordering::Acquire) {
            // Unsigned, it goes to another node when this one has stopped.
            return;
        }
        let place = match arrival.way {
            LinkWay::Reliable(_) => None,
            LinkWay::Fast(_) | LinkWay::States | LinkWay::Probe => {
                let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
                    metrics::counter!("linker_ingress_overrun_total").increment(1);
                    return;
                };
                Some(place)
            }
        };
        // Nobody reads any more once the node has ended.
        let _ = self.events.send(Event::Arrival(arrival, place));
    }

    fn connection(&self, lost: Option<String>) {
        match lost {
            Some(why) => {
                tracing::warn!(error = %why, "other domains cannot reach this node");
                let _ = self.events.send(Event::Lost);
            }
            None => tracing::info!("other domains can reach this node"),
        }
    }
}

/// A message, and whom a receipt is owed for it.
struct Item {
    envelope: Envelope,
    owed: Arc<Owed>,
    came_at: Duration,
}

struct Reader {
    node: Arc<Node>,
    /// Messages for users of this domain that must not overtake one another.
    sequencer: Sequencer<Item>,
    /// Messages that have been here before, by when they go on.
    settling: BTreeMap<(Duration, u64), Item>,
    next: u64,
    /// Payloads that are not signed yet.
    unsigned: Arc<AtomicUsize>,
    undecodable: Undecodable,
    closing: Arc<Semaphore>,
}

impl Reader {
    async fn run(mut self, mut coming: mpsc::UnboundedReceiver<Event>) {
        loop {
            let due = self.due();
            let event = match due {
                None => coming.recv().await,
                Some(at) => match tokio::time::timeout_at(self.node.clock.instant(at), coming.recv()).await {
                    Ok(event) => event,
                    Err(_) => {
                        self.let_go().await;
                        continue;
                    }
                },
            };
            match event {
                None => return,
                Some(Event::Arrival(arrival, place)) => {
                    drop(place);
                    self.read(arrival).await;
                }
                Some(Event::Lost) => {
                    self.sequencer = sequencer(self.node.clock.now());
                    self.settling.clear();
                }
            }
        }
    }

    fn due(&self) -> Option<Duration> {
        let settled = self.settling.first_key_value().map(|((at, _), _)| *at);
        [self.sequencer.deadline(), settled].into_iter().flatten().min()
    }

    async fn let_go(&mut self) {
        let now = self.node.clock.now().elapsed;
        let mut items = Vec::new();
        self.sequencer.due(now, &mut items);
        while let Some(first) = self.settling.first_entry().filter(|first| first.key().0 <= now) {
            let item = first.remove();
            if self.node.links.receipts.is_owed(&item.envelope.id) {
                // It is still on its way out from when it was here before: what becomes of that says nothing of what has come back.
                self.next += 1;
                self.settling.insert((now + OWED_FOR, self.next), item);
            } else {
                items.push(item);
            }
        }
        self.submit(items).await;
    }

    async fn read(&mut self, arrival: Arrival) {
        let mut batch = match decode_batch(arrival.payload) {
            Ok(batch) => batch,
            Err(error) => {
                self.undecodable.set_aside(&self.node, &error.to_string());
                if let Some(receipt) = arrival.receipt {
                    receipt.sign();
                }
                return;
            }
        };
        if let Some(broken) = &batch.first_broken {
            self.undecodable
                .set_aside(&self.node, &format!("of {}: {broken}", batch.sender));
        }
        let all = batch.frames.len();
        batch.frames.retain(|frame| match frame {
            BusFrame::Deliver { envelope, .. } => envelope.has_sound_content() && envelope.could_be_sent(),
            _ => true,
        });
        if batch.frames.len() < all {
            let error = format!("of {}: a message that nobody can have sent", batch.sender);
            self.undecodable.set_aside(&self.node, &error);
        }
        batch.frames.retain(|frame| !is_for_the_application(frame));
        match arrival.way {
            LinkWay::Reliable(_) => {
                let messages = batch
                    .frames
                    .iter()
                    .filter(|frame| matches!(frame, BusFrame::Deliver { .. }));
                let owed = Owed::new(messages.count(), arrival.receipt, &self.unsigned);
                self.read_reliable(batch, &owed).await;
                owed.settle();
            }
            LinkWay::Fast(_) | LinkWay::States | LinkWay::Probe => self.read_others(batch).await,
        }
    }

    async fn read_reliable(&mut self, batch: Batch, owed: &Arc<Owed>) {
        let directory = Arc::clone(&self.node.directory());
        let own = directory.own_domain();
        let now = self.node.clock.now().elapsed;
        let mut ready = Vec::with_capacity(batch.frames.len());
        for frame in batch.frames {
            // A neighbour is trusted for routing, and for nothing else: what nodes of one domain say to each other means nothing here.
            let BusFrame::Deliver { envelope, .. } = frame else {
                continue;
            };
            let envelope = copied(envelope);
            let item = Item {
                owed: Arc::clone(owed),
                envelope,
                came_at: now,
            };
            let goes_on = directory.home_away_of(&item.envelope.to).is_some();
            let trail = item.envelope.trail.as_deref();
            tracing::debug!(message.id = %item.envelope.id, trail = ?trail, "comes from another domain");
            if goes_on {
                let path = trail.map_or(&[][..], |trail| &trail.path);
                match pause(path, own) {
                    None => ready.push(item),
                    Some(wait) => {
                        self.next += 1;
                        self.settling.insert((now + wait, self.next), item);
                    }
                }
            } else {
                let after = trail.and_then(|trail| trail.after);
                self.sequencer
                    .accept(item.envelope.id, after, item, now, &mut ready);
            }
        }
        if self.unsigned.load(Ordering::Relaxed) > UNSIGNED_MAX {
            self.sequencer.make_room(now, &mut ready);
        }
        self.submit(ready).await;
    }

    async fn read_others(&mut self, batch: Batch) {
        let directory = Arc::clone(&self.node.directory());
        let own = directory.own_domain();
        let mut submissions = Vec::new();
        let now = self.node.clock.now().elapsed;
        for frame in batch.frames {
            match frame {
                BusFrame::Deliver { envelope, .. } if envelope.feature == Feature::Fast => {
                    let been_here = envelope
                        .trail
                        .as_ref()
                        .is_some_and(|trail| trail.path.contains(own));
                    let goes_on = directory.home_away_of(&envelope.to).is_some();
                    // FAST does not wait for tables to agree.
                    if !(been_here && goes_on) {
                        if self.node.tracer.takes(&envelope.id) {
                            self.node.tracer.came_by_link(&envelope, now);
                        }
                        submissions.push(Submission {
                            envelope: copied(envelope),
                            origin: Origin::Node,
                            accepted: false,
                        });
                    }
                }
                BusFrame::LinkStates { from, states } => self.node.links.inputs.told(from, states),
                BusFrame::CloseAway {
                    user,
                    master,
                    reference,
                    path,
                } => self.close(user, master, reference, path),
                _ => {}
            }
        }
        self.send(submissions).await;
    }

    /// Beside what else comes in: whom the registry is slow to find holds up nobody.
    fn close(&self, user: UserId, master: UserId, reference: Option<Box<str>>, path: Vec<DomainName>) {
        let Ok(place) = Arc::clone(&self.closing).try_acquire_owned() else {
            tracing::debug!(user.id = %user, "too many are being closed for other domains: not this one");
            return;
        };
        let node = Arc::clone(&self.node);
        self.node.backend.spawn(async move {
            close::on_close_away(&node, user, master, reference, path).await;
            drop(place);
        });
    }

    /// Hands messages to the router, whose they are from then on.
    async fn submit(&self, items: Vec<Item>) {
        let mut submissions = Vec::with_capacity(items.len());
        for Item {
            envelope,
            owed,
            came_at,
        } in items
        {
            let id = envelope.id;
            if !self.node.links.receipts.owe(id, &owed) {
                continue;
            }
            if self.node.custody.proven_lately().contains(&id) {
                self.node.links.receipts.settle(&id);
                continue;
            }
            tracing::debug!(message.id = %id, "is taken from another domain");
            if self.node.tracer.takes(&id) {
                self.node.tracer.came_by_link(&envelope, came_at);
            }
            submissions.push(Submission {
                envelope: self.checked(envelope),
                origin: Origin::Arrival(id),
                accepted: false,
            });
        }
        self.send(submissions).await;
    }

    /// The message, or what its author is to be told instead.
    fn checked(&self, envelope: Envelope) -> Envelope {
        let directory = self.node.directory();
        let forbidden = Err(RecipientError::Forbidden);
        let is_refused = envelope.kind.counts()
            && directory.check_recipient(&envelope.from, &envelope.to).map(drop) == forbidden;
        if !is_refused {
            return envelope;
        }
        let text = format!("{}: {}", envelope.to, RecipientError::Forbidden);
        let error = FrameError::new(ErrorCode::Forbidden, text);
        let now = self.node.clock.now().unix_ms;
        refusal(envelope.to, envelope.from, envelope.reference, &error, now)
    }

    async fn send(&self, submissions: Vec<Submission<Target>>) {
        if submissions.is_empty() {
            return;
        }
        if let Some(router) = self.node.routers.recipient(0) {
            let _ = router.send(RouterMail::Arrivals(submissions)).await;
        }
    }
}

/// What users of this domain tell its application is no other domain's to say.
fn is_for_the_application(frame: &BusFrame) -> bool {
    let BusFrame::Deliver { envelope, .. } = frame else {
        return false;
    };
    let is_for_it = envelope.kind.is_upstream() || envelope.to.is_upstream();
    if is_for_it {
        tracing::warn!(message.id = %envelope.id, user.id = %envelope.from, "another domain has sent what only users of this one may send; it is left out");
    }
    is_for_it
}

fn sequencer(now: Now) -> Sequencer<Item> {
    Sequencer::new(HELD_MAX, HELD_BYTES_MAX, |item| item.envelope.cost(), now)
}

/// Not a slice of the batch, which it would keep alive.
fn copied(envelope: Arc<Envelope>) -> Envelope {
    let mut envelope = Arc::unwrap_or_clone(envelope);
    envelope.content = Bytes::copy_from_slice(&envelope.content);
    envelope
}
