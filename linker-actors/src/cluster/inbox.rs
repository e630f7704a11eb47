//! What comes in from other nodes, on its way to the routers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use linker_core::bus::{Batch, BusFrame, decode_batch};
use linker_core::code::CloseCode;
use linker_core::custody::{NodeWord, Ticket};
use linker_core::envelope::{Envelope, Feature};
use linker_core::id::NodeInstance;
use linker_core::port::BusReceiver;
use tokio::sync::mpsc;

use super::arrivals::Arrivals;
use super::{Cluster, Peer, close_here};
use crate::node::Node;
use crate::router::RouterMail;
use crate::session::ToSession;
use crate::undecodable::Undecodable;

/// Payloads that wait to be looked at. What does not fit is dropped: who answers for it asks.
const WAITING_MAX: usize = 1024;
/// Nodes whose batches are followed at one time.
const SENDERS_MAX: usize = 4096;

/// For a router, from another node.
pub(crate) enum PeerFrame {
    Deliver {
        ticket: Option<Ticket>,
        envelope: Arc<Envelope>,
    },
    Word(NodeWord),
}

/// The adapter's way to this node.
pub(crate) struct Inbox {
    node: Arc<Node>,
    payloads: mpsc::Sender<Bytes>,
}

impl Inbox {
    /// Looks at what comes in, on the backend's runtime.
    pub(crate) fn open(node: &Arc<Node>) -> Arc<Self> {
        let (payloads, mut coming) = mpsc::channel::<Bytes>(WAITING_MAX);
        let reader = Reader {
            node: Arc::clone(node),
            undecodable: Undecodable::new("over the bus"),
            arrivals: Mutex::default(),
        };
        node.backend.spawn(async move {
            while let Some(payload) = coming.recv().await {
                reader.read(payload).await;
            }
        });
        Arc::new(Self {
            node: Arc::clone(node),
            payloads,
        })
    }
}

impl BusReceiver for Inbox {
    fn receive(&self, payload: Bytes) {
        if self.payloads.try_send(payload).is_err() {
            metrics::counter!("linker_bus_overrun_total").increment(1);
        }
    }

    fn connection(&self, lost: Option<String>) {
        self.node.set_check("bus", lost);
    }
}

struct Reader {
    node: Arc<Node>,
    undecodable: Undecodable,
    arrivals: Mutex<HashMap<NodeInstance, Arrivals>>,
}

impl Reader {
    async fn read(&self, payload: Bytes) {
        let batch = match decode_batch(payload) {
            Ok(batch) => batch,
            Err(error) => {
                self.undecodable.set_aside(&self.node, &error.to_string());
                return;
            }
        };
        if let Some(broken) = &batch.first_broken {
            self.undecodable
                .set_aside(&self.node, &format!("of {}: {broken}", batch.sender));
        }
        let Some(peer) = Cluster::peer(&self.node, &batch.sender) else {
            return;
        };
        let whole = self.follows(&peer, &batch);
        self.hand_over(&peer, batch, whole).await;
    }

    /// Whether nothing is missing before it. What is missing is asked for.
    fn follows(&self, peer: &Peer, batch: &Batch) -> bool {
        let Some(number) = batch.number else { return true };
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        if arrivals.len() >= SENDERS_MAX && !arrivals.contains_key(&batch.sender) {
            arrivals.clear();
        }
        let arrivals = arrivals.entry(batch.sender.clone()).or_default();
        let now = self.node.clock.now().elapsed;
        let (whole, asks) = arrivals.note(number, now);
        if asks {
            let epoch = number.epoch;
            peer.tell(&BusFrame::Restart { epoch });
        }
        whole
    }

    /// `whole`: nothing is missing before it. Otherwise RELIABLE messages in it come again, behind what is missing.
    async fn hand_over(&self, peer: &Arc<Peer>, batch: Batch, whole: bool) {
        let mut guests = Vec::new();
        let mut words: HashMap<u16, Vec<PeerFrame>> = HashMap::new();
        for frame in batch.frames {
            match frame {
                BusFrame::Deliver { envelope, .. } if !whole && envelope.feature == Feature::Reliable => {}
                BusFrame::DeliverGroup(group) if !whole && group.feature == Feature::Reliable => {}
                BusFrame::Deliver { ticket, envelope } => {
                    let mut envelope = Arc::unwrap_or_clone(envelope);
                    // Not a slice of the batch, which it would keep alive.
                    envelope.content = Bytes::copy_from_slice(&envelope.content);
                    guests.push(PeerFrame::Deliver {
                        ticket,
                        envelope: Arc::new(envelope),
                    });
                }
                BusFrame::DeliverGroup(mut group) => {
                    group.content = Bytes::copy_from_slice(&group.content);
                    guests.extend(group.envelopes().map(|(ticket, envelope)| PeerFrame::Deliver {
                        ticket,
                        envelope: Arc::new(envelope),
                    }));
                }
                BusFrame::Stored { guests: of } => {
                    guests.extend(of.into_iter().map(NodeWord::Stored).map(PeerFrame::Word));
                }
                BusFrame::Finish { ids } => {
                    guests.extend(ids.into_iter().map(NodeWord::Finish).map(PeerFrame::Word));
                }
                BusFrame::Restart { epoch } => Cluster::restart(&self.node, peer, epoch),
                BusFrame::Dismiss { guests: of } => {
                    guests.extend(of.into_iter().map(NodeWord::Dismiss).map(PeerFrame::Word));
                }
                BusFrame::Ask { tickets } => {
                    let asks = tickets.into_iter().map(|(ticket, id)| NodeWord::Ask(ticket, id));
                    guests.extend(asks.map(PeerFrame::Word));
                }
                BusFrame::Proven { tickets } => {
                    for (ticket, id) in tickets {
                        let frame = PeerFrame::Word(NodeWord::Proven(ticket, id));
                        words.entry(ticket.shard).or_default().push(frame);
                    }
                }
                BusFrame::NotHere { tickets } => sort(&mut words, tickets, NodeWord::NotHere),
                BusFrame::Behind {
                    ticket,
                    guest,
                    replaying,
                } => sort(&mut words, vec![ticket], |ticket| NodeWord::Behind {
                    ticket,
                    guest,
                    replaying,
                }),
                BusFrame::Close { user, session, code } => {
                    if let Some(code) = CloseCode::from_number(code) {
                        close_here(&self.node, &user, session, code);
                    }
                }
                BusFrame::Call { number, body } => Cluster::on_call(&self.node, peer, number, &body),
                BusFrame::Reply { number, body } => {
                    if let Some(cluster) = &self.node.cluster {
                        cluster.on_reply(number, &body);
                    }
                }
                // Between domains only.
                BusFrame::CloseAway { .. } | BusFrame::LinkStates { .. } => {}
                BusFrame::Rescan { users } => {
                    for entry in users.iter().flat_map(|user| self.node.sessions.of(user)) {
                        let _ = entry.post(ToSession::Rescan);
                    }
                }
            }
        }
        if !guests.is_empty() {
            // All guests are with one router: their order is that of the bus.
            words.entry(0).or_default().extend(guests);
        }
        for (shard, frames) in words {
            // One that has ended has surrendered its messages to the first.
            let router = self.node.routers.recipient(shard);
            if let Some(router) = router.or_else(|| self.node.routers.recipient(0)) {
                let mail = RouterMail::Peer(Arc::clone(peer), frames);
                let _ = router.send(mail).await;
            }
        }
    }
}

fn sort(words: &mut HashMap<u16, Vec<PeerFrame>>, tickets: Vec<Ticket>, word: impl Fn(Ticket) -> NodeWord) {
    for ticket in tickets {
        let frame = PeerFrame::Word(word(ticket));
        words.entry(ticket.shard).or_default().push(frame);
    }
}
