//! A running node, as its host holds it.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::builder::LinkerBuilder;
use crate::handle::LinkerHandle;
use crate::router::RouterMail;
use crate::runtime::system::{Backend, System};
use crate::store::StoreMail;

/// How often a draining node looks whether it is done.
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// How long the application may take for what it was given before its senders were closed.
const UPSTREAM_GRACE: Duration = Duration::from_secs(1);

/// A running node. Dropping it ends the node's threads without draining; see [`Linker::stop`].
pub struct Linker {
    handle: LinkerHandle,
    system: System,
    backend: Backend,
}

impl Linker {
    pub(crate) fn new(handle: LinkerHandle, system: System, backend: Backend) -> Self {
        Self {
            handle,
            system,
            backend,
        }
    }

    /// Begins to put a node together.
    pub fn builder() -> LinkerBuilder {
        LinkerBuilder::new()
    }

    /// A handle for the host's other code.
    pub fn handle(&self) -> LinkerHandle {
        self.handle.clone()
    }

    /// Lets nobody more in; what is connected stays. The first step of [`Linker::stop`], to be taken early where a load balancer looks at the health.
    pub fn refuse_connections(&self) {
        let node = self.handle.node();
        node.admission.drain();
        node.draining.store(true, std::sync::atomic::Ordering::Release);
        node.set_check("drain", Some("the node is draining".into()));
    }

    /// Drains the node: nobody more comes in, clients are closed with 1001, what is pending is stored; at most [`crate::NodeConfig::drain_timeout`].
    /// Answers whether everything was made safe.
    ///
    /// To be called before the host's HTTP server is stopped gracefully, which would wait for open WebSockets until its own timeout.
    pub async fn stop(mut self) -> bool {
        self.refuse_connections();
        let node = std::sync::Arc::clone(self.handle.node());
        let deadline = Instant::now() + node.config().drain_timeout;
        for (_, router) in node.routers.all() {
            let _ = router.send(RouterMail::CloseSessions).await;
        }
        let pending = || {
            node.custody
                .pending_messages
                .load(std::sync::atomic::Ordering::Relaxed)
        };
        let mut upstream_has = Instant::now() + UPSTREAM_GRACE;
        while (node.admission.open() > 0 || pending() > 0) && Instant::now() < deadline {
            if node.cluster.is_some() && node.admission.open() == 0 {
                // What other nodes' sessions have and the store has too is theirs to go on with.
                for (_, router) in node.routers.all() {
                    let _ = router.send(RouterMail::LetGo).await;
                }
            }
            if node.admission.open() > 0 {
                upstream_has = Instant::now() + UPSTREAM_GRACE;
            } else if node.upstream.is_idle() || Instant::now() > upstream_has {
                // What it has not taken goes to the store.
                node.upstream.stop();
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
        node.upstream.stop();
        let safe = pending() == 0 && self.flush_store(deadline).await;
        for (_, router) in node.routers.all() {
            let (tell, told) = oneshot::channel();
            if router.send(RouterMail::Stop(tell)).await.is_ok() {
                let _ = told.await;
            }
        }
        let closing = std::sync::Arc::clone(&node);
        // On the runtime on which they live.
        let _ = node
            .backend
            .spawn(async move {
                crate::links::stop(&closing).await;
                closing.upstream.close().await;
            })
            .await;
        if node.cluster.is_some() {
            let leaving = std::sync::Arc::clone(&node);
            let left = node.backend.spawn(async move {
                if let Some(cluster) = &leaving.cluster {
                    cluster.leave(&leaving.me).await;
                }
            });
            let _ = left.await;
        }
        self.system.stop();
        self.handle.close_store().await;
        node.fall_silent();
        drop(self.backend);
        safe
    }

    async fn flush_store(&self, deadline: Instant) -> bool {
        let Some(store) = self.handle.node().store.get() else {
            return true;
        };
        let (tell, told) = oneshot::channel();
        if store.send(StoreMail::Drain(tell)).await.is_err() {
            return false;
        }
        tokio::time::timeout_at(deadline, told).await.is_ok()
    }
}
