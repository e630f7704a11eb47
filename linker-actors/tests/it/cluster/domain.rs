//! A domain and its nodes.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use linker_actors::NodeConfig;
use linker_actors::adapter::memory::{
    FaultSwitch, FaultyStore, MemoryBus, MemoryHub, MemoryPresence, MemoryStore,
};
use linker_actors::core::id::NodeInstance;
use linker_actors::core::port::{CountRequest, Presence, Store};

use super::switched_presence::SwitchedPresence;
use crate::harness::{Node, NodeSpec, Transport, WAIT, eventually, eventually_telling, user};

/// Long enough for a test machine that is busy, short enough to be waited for.
const NODE_TIMEOUT: Duration = Duration::from_secs(3);

/// What the nodes have in common.
pub(super) struct Domain {
    pub(super) presence: Arc<SwitchedPresence>,
    pub(super) registry: Arc<MemoryPresence>,
    pub(super) hub: MemoryHub,
    pub(super) store: Arc<FaultyStore<MemoryStore>>,
    pub(super) store_fault: FaultSwitch,
}

/// A running node of a domain, and its end of the bus.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) bus: Arc<MemoryBus>,
}

impl Deref for Member {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Domain {
    pub(super) fn new() -> Self {
        Self::with_sessions_per_user(8)
    }

    pub(super) fn with_sessions_per_user(limit: usize) -> Self {
        let registry = Arc::new(MemoryPresence::shared(limit).with_node_timeout(NODE_TIMEOUT));
        let (store, store_fault) = FaultyStore::new(MemoryStore::new());
        Self {
            presence: Arc::new(SwitchedPresence::new(Arc::clone(&registry))),
            registry,
            hub: MemoryHub::new(),
            store: Arc::new(store),
            store_fault,
        }
    }

    /// One more node, with defaults.
    pub(super) async fn node(&self, name: &str) -> Member {
        self.node_with(name, |_| {}).await
    }

    /// One more node, with other settings.
    pub(super) async fn node_with(&self, name: &str, change: impl FnOnce(&mut NodeConfig)) -> Member {
        self.node_built(name, |spec| spec.config(change)).await
    }

    /// One more node, of other parts.
    pub(super) async fn node_built(&self, name: &str, change: impl FnOnce(NodeSpec) -> NodeSpec) -> Member {
        let bus = Arc::new(self.hub.bus());
        let spec = change(NodeSpec::new(Transport::Upgraded)).build(|builder| {
            builder
                .node_name(name.parse().expect("a node name"))
                .presence(Arc::clone(&self.presence) as Arc<dyn Presence>)
                .bus(Arc::clone(&bus) as Arc<dyn linker_actors::core::port::Bus>)
                .store(Arc::clone(&self.store) as Arc<dyn Store>)
        });
        Member {
            node: spec.start().await,
            bus,
        }
    }

    /// Two nodes, with defaults.
    pub(super) async fn two(&self) -> (Member, Member) {
        (self.node("a").await, self.node("b").await)
    }

    /// Rows of this user, in whosever hands.
    pub(super) async fn rows_of(&self, who: &str) -> u64 {
        let request = CountRequest {
            user: user(who),
            except: Vec::new(),
        };
        let counted = self.store.store().count(vec![request]).await;
        counted.expect("memory is never away")[0]
    }

    /// Waits until the store has so many rows of this user.
    pub(super) async fn await_rows(&self, who: &str, rows: u64) {
        eventually_telling(&format!("{rows} rows of {who}"), WAIT, async || {
            let there = self.rows_of(who).await;
            (there == rows)
                .then_some(())
                .ok_or_else(|| format!("(there are {there})"))
        })
        .await;
    }

    /// Waits until a node has proven to everybody that all it had for this user is gone.
    pub(super) async fn await_missing(&self, node: &Node, who: &str, missing: u64) {
        eventually(&format!("{missing} messages wait for {who}"), WAIT, async || {
            (node.handle.missing(user(who)).await == Ok(missing)).then_some(())
        })
        .await;
    }

    /// The node that has this user's newest session.
    pub(super) async fn node_of(&self, who: &str) -> NodeInstance {
        let found = self
            .registry
            .lookup(vec![user(who)])
            .await
            .expect("memory is never away");
        found[0].last().expect("a session").node.clone()
    }

    /// Waits until nobody in the domain has a session of this user.
    pub(super) async fn await_offline(&self, who: &str) {
        eventually(&format!("{who} is offline"), WAIT, async || {
            let found = self.registry.lookup(vec![user(who)]).await;
            found.is_ok_and(|found| found[0].is_empty()).then_some(())
        })
        .await;
    }
}
