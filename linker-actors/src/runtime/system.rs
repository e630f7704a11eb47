//! The node's own threads: the only file that starts or stops any.

use std::sync::Arc;
use std::thread::JoinHandle;

use actix::Actor;
use linker_core::port::{Presence, Store};
use tokio::sync::oneshot;

use crate::error::StartError;
use crate::graph::GraphActor;
use crate::node::Node;
use crate::presence::PresenceActor;
use crate::store::{StoreActor, StoreSettings};
use crate::worker::Worker;

/// The runtime of backends. A connection lives on the runtime that opened it, so there is one for all of them, which no actor can block.
pub(crate) struct Backend {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Backend {
    pub(crate) fn start() -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("linker-backend")
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        // Taken only when dropped.
        self.runtime
            .as_ref()
            .map_or_else(tokio::runtime::Handle::current, |runtime| {
                runtime.handle().clone()
            })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for tasks may not happen in an asynchronous context, and nothing that matters is left in them.
            runtime.shutdown_background();
        }
    }
}

/// The thread with the node's own actors.
pub(crate) struct System {
    thread: Option<JoinHandle<()>>,
    stop: Option<oneshot::Sender<()>>,
}

impl System {
    pub(crate) async fn start(
        node: &Arc<Node>,
        presence: Arc<dyn Presence>,
        store: Arc<dyn Store>,
    ) -> Result<Self, StartError> {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let node = Arc::clone(node);
        let thread = std::thread::Builder::new().name("linker".into()).spawn(move || {
            actix::System::new().block_on(async move {
                start_actors(&node, presence, store);
                // Whoever started us waits for this.
                let _ = ready.send(());
                let _ = stopped.await;
            });
        })?;
        is_ready
            .await
            .map_err(|_| StartError::Config("the node's thread ended while it started".into()))?;
        Ok(Self {
            thread: Some(thread),
            stop: Some(stop),
        })
    }

    /// Ends the thread.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

fn start_actors(node: &Arc<Node>, presence: Arc<dyn Presence>, store: Arc<dyn Store>) {
    let config = node.config();
    let settings = StoreSettings {
        max_per_user: config.retention_max_per_user,
        dedupe_window: config.dedupe_window,
        max_age: config.retention_max_age,
    };
    // The first router there is gets number 0.
    let worker = Worker::of_this_thread(node);
    debug_assert_eq!(worker.shard, 0);
    let store_actor = StoreActor::new(Arc::clone(node), Arc::clone(&store), settings).start();
    let presence_actor = PresenceActor::new(Arc::clone(node), presence, store).start();
    let graph_actor = GraphActor::new(Arc::clone(node)).start();
    // Set once, here.
    let _ = node.store.set(store_actor.recipient());
    let _ = node.presence.set(presence_actor.recipient());
    let _ = node.graph.set(graph_actor.recipient());
}
