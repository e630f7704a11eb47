//! [`LinkMaker`] and [`Link`] on RabbitMQ.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linker_core::id::{DomainName, NodeName};
use linker_core::port::{BoxFuture, BusError, Link, LinkError, LinkMaker, LinkWatcher, LinkWay};
use tokio::sync::{oneshot, watch};

use super::super::address::Address;
use super::line::{Line, Neighbour};
use super::outbox::Outbox;

/// How the links of a node behave.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// This node, by which the neighbour's administrator tells connections apart.
    pub node: NodeName,
    /// Both sides send something at least twice in this time, and give the connection up when nothing came for twice as long. In whole seconds. Default 2 s.
    pub heartbeat: Duration,
}

impl LinkOptions {
    /// The defaults, for `node`.
    pub fn new(node: NodeName) -> Self {
        Self {
            node,
            heartbeat: Duration::from_secs(2),
        }
    }
}

/// [`LinkMaker`] for neighbours on RabbitMQ.
#[derive(Debug, Clone)]
pub struct RabbitLinks {
    options: LinkOptions,
}

impl RabbitLinks {
    /// Makes links like this.
    pub fn new(options: LinkOptions) -> Self {
        Self { options }
    }
}

impl LinkMaker for RabbitLinks {
    fn link(&self, to: &DomainName, url: &str) -> Result<Arc<dyn Link>, LinkError> {
        let address = Address::parse(url, self.options.heartbeat).map_err(|error| match error {
            BusError::Refused(why) => LinkError::Refused(why),
            other => LinkError::Refused(other.to_string()),
        })?;
        Ok(Arc::new(RabbitLink {
            neighbour: Arc::new(Neighbour::new(to.clone(), address)),
            options: self.options.clone(),
            outbox: Arc::new(Outbox::new()),
            reset: watch::Sender::new(()),
            stop: watch::Sender::new(false),
            ended: Mutex::new(None),
        }))
    }
}

/// [`Link`] to a neighbour on RabbitMQ. It connects on the runtime within which it is opened, and its tasks stay there.
#[derive(Debug)]
pub struct RabbitLink {
    neighbour: Arc<Neighbour>,
    options: LinkOptions,
    outbox: Arc<Outbox>,
    reset: watch::Sender<()>,
    stop: watch::Sender<bool>,
    /// Ends with the connection's task; taken by who waits for it.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Link for RabbitLink {
    fn open(&self, watcher: Arc<dyn LinkWatcher>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_some() || *self.stop.borrow() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            watcher.connection(Some("it was opened outside of a tokio runtime".into()));
            return;
        };
        let (end, has_ended) = oneshot::channel();
        *ended = Some(has_ended);
        let line = Line::new(
            Arc::clone(&self.neighbour),
            &self.options.node,
            Arc::clone(&self.outbox),
            watcher,
            self.reset.subscribe(),
            self.stop.subscribe(),
        );
        runtime.spawn(async move {
            line.run().await;
            // Nobody may be waiting.
            let _ = end.send(());
        });
    }

    fn send(&self, way: LinkWay, payload: Bytes) -> BoxFuture<'static, Result<(), LinkError>> {
        self.outbox.send(way, payload)
    }

    fn reset(&self) {
        self.reset.send_replace(());
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stop.send_replace(true);
            super::super::has_ended(&self.ended).await;
        })
    }
}
