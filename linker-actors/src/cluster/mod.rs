//! The other nodes of the domain: who lives, who has which user, and the way there.
//!
//! Nothing here decides what becomes of a message: routers do, by `linker_core::custody`. See ARCHITECTURE.md, "Several nodes".

mod arrivals;
mod closings;
mod faults;
mod inbox;
mod members;
mod outbox;
mod peer;
mod peers;
mod questions;
pub(crate) mod rescue;
mod settings;
mod start;
mod sweeper;
pub(crate) mod turns;
mod whereabouts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use linker_core::bus::BusFrame;
use linker_core::code::CloseCode;
use linker_core::id::{NodeInstance, SessionId, UserId};
use linker_core::port::{Bus, NodeRecord, Presence};

pub(crate) use faults::take_over as take_over_faults;
pub(crate) use inbox::PeerFrame;
pub(crate) use peer::{Offered, Peer};
pub(crate) use questions::{
    Answer, MessageWord, Question, SessionWord, message_here, path_of, sessions_here,
};
pub(crate) use start::start;
pub(crate) use whereabouts::Located;

use closings::Closings;
use peers::Peers;
use questions::Questions;
use whereabouts::Whereabouts;

use crate::node::Node;
use crate::router::RouterMail;
use crate::trace::Carried;

/// What a node knows of the others.
pub(crate) struct Cluster {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) peers: Peers,
    pub(crate) whereabouts: Arc<Whereabouts>,
    closings: Closings,
    questions: Questions,
    /// The nodes that beat, this one included, as the registry last told.
    pub(crate) members: ArcSwap<Vec<NodeRecord>>,
    /// Nobody can tell where a user is.
    presence_away: AtomicBool,
    /// The node has left the domain. Held while it beats, so that no beat comes after that.
    left: tokio::sync::Mutex<bool>,
}

impl Cluster {
    pub(crate) fn new(bus: Arc<dyn Bus>, presence: Arc<dyn Presence>) -> Self {
        let whereabouts = Arc::new(Whereabouts::new());
        presence.watch(Arc::clone(&whereabouts) as Arc<dyn linker_core::port::PresenceWatcher>);
        Self {
            bus,
            presence,
            peers: Peers::default(),
            whereabouts,
            closings: Closings::default(),
            questions: Questions::default(),
            members: ArcSwap::default(),
            presence_away: AtomicBool::new(false),
            left: tokio::sync::Mutex::default(),
        }
    }

    /// A node that lives: one that was not known yet gets its outbox now.
    pub(crate) fn peer(node: &Arc<Node>, instance: &NodeInstance) -> Option<Arc<Peer>> {
        let cluster = node.cluster.as_ref().filter(|_| *instance != node.me)?;
        let (peer, new) = cluster.peers.add(&node.me, instance, node.tracer.sampling());
        if new {
            tracing::info!(peer = %instance, "a node is there");
            let (node, peer) = (Arc::clone(node), Arc::clone(&peer));
            node.backend.clone().spawn(async move {
                let Some(cluster) = &node.cluster else { return };
                let back = || {
                    node.custody.has_faults.store(true, Ordering::Release);
                    Self::tell_back(&node, &peer);
                };
                let sent = |carried: &Carried| {
                    node.tracer.sent_by_bus(carried, peer.instance.name.as_str());
                };
                let bus = &*cluster.bus;
                peer.outbox.run(&node.me, &peer.instance, bus, back, sent).await;
            });
        }
        Some(peer)
    }

    /// Something that a node was sent may be lost: routers send it again, before anything newer.
    fn tell_back(node: &Arc<Node>, peer: &Arc<Peer>) {
        let (node, peer) = (Arc::clone(node), Arc::clone(peer));
        node.backend.clone().spawn(async move {
            for (_, router) in node.routers.all() {
                let _ = router.send(RouterMail::PeerBack(Arc::clone(&peer))).await;
            }
        });
    }

    /// A node misses something of what it was sent in this epoch.
    fn restart(node: &Arc<Node>, peer: &Arc<Peer>, epoch: u64) {
        if peer.outbox.restart(epoch) {
            metrics::counter!("linker_bus_restarts_total").increment(1);
            tracing::info!(peer = %peer.instance, "something was lost on the bus and is sent again");
            Self::tell_back(node, peer);
        }
    }

    pub(crate) fn presence_is_away(&self) -> bool {
        self.presence_away.load(Ordering::Acquire)
    }

    /// Answers whether that was news.
    pub(crate) fn set_presence_away(&self, away: bool) -> bool {
        let was = self.presence_away.swap(away, Ordering::AcqRel);
        if away && !was {
            // What is remembered is not kept up to date any more.
            self.whereabouts.forget_all();
        }
        was != away
    }

    /// This node stops: its name is free, and nothing more is for it.
    pub(crate) async fn leave(&self, node: &NodeInstance) {
        *self.left.lock().await = true;
        if let Err(error) = self.presence.leave(node.clone()).await {
            tracing::warn!(error = %error, "the presence registry was not told that this node stops");
        }
        self.bus.close().await;
    }

    /// Something waits for sessions of this user that are behind, and those here have ended.
    pub(crate) fn rescan(&self, user: UserId) {
        for peer in self.peers.all() {
            peer.tell(&BusFrame::Rescan { users: vec![user] });
        }
    }
}

/// Closes a session of this node that another node found to be one too many, or whose user's master wants it closed.
pub(crate) fn close_here(node: &Node, user: &UserId, session: Option<SessionId>, code: CloseCode) {
    match session {
        None => {
            node.close_user(user, code);
        }
        Some(session) => {
            if let Some(entry) = node.sessions.find(user, session) {
                crate::presence::close(&entry, code);
            }
        }
    }
}
