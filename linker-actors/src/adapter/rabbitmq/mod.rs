//! The bus on RabbitMQ (AMQP 0-9-1).
//!
//! One connection a node, with a channel for its inbox and one to publish on. The inbox is a queue that only this connection uses and that the broker
//! removes with it; others publish to it by name through the default exchange, `mandatory` and confirmed, so that a node that is gone is named
//! within a millisecond. Nothing is durable: the bus proves nothing, and who sent something keeps it until the other node has answered.
//!
//! **Bounds.** What this node sends is bounded by [`SEND_BYTES_MAX`] and by time: after [`SEND_TIMEOUT`], or as soon as the broker blocks, the answer is [`BusError::Away`]. An inbox holds
//! [`RabbitOptions::inbox_bytes_max`] at the broker, besides some 200 payloads that it has taken out for the socket, and refuses more, which a sender
//! sees as `Away` too. Payloads are taken without acknowledgement: a
//! receiver may not block, so they are handed over as fast as the socket is read; and a node that does not read at all (stopped, or cut off)
//! leaves them in the bounded queue, until the broker misses its heartbeats and removes queue and connection.
//!
//! **One connection, and no prefetch**, since acknowledgements could not be written while the broker blocks those who publish: the queues that
//! have to be emptied for the memory alarm to end would then be the ones that nobody empties.
//!
//! **Logs.** lapin writes frames, and with them contents of messages, to its own log lines (targets `lapin` and `amq_protocol`), and returned ones even at
//! level `warn`. A host that logs through `tracing` must switch these targets off; this adapter tells all that matters by itself.

mod address;
mod backoff;
mod confirmations;
mod connect;
mod connection;
mod domains;
mod link;
mod publisher;
mod refusal;
mod session;
mod upstream;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use linker_core::id::{DomainName, NodeInstance};
use linker_core::port::{BoxFuture, Bus, BusError, BusReceiver};
use tokio::sync::{oneshot, watch};

use self::address::Address;
use self::connection::Connector;
pub use self::domains::{
    IngressOptions, LINK_BYTES_MAX, LINK_PAYLOADS_MAX, LinkOptions, RabbitIngress, RabbitLink, RabbitLinks,
};
use self::publisher::Outbox;
pub use self::publisher::{SEND_BYTES_MAX, SEND_TIMEOUT};
pub use self::upstream::{RabbitUpstream, RabbitUpstreamOptions, upstream_exchange};

/// How a [`RabbitBus`] behaves.
#[derive(Debug, Clone)]
pub struct RabbitOptions {
    /// The domain, by which nodes of several domains on one broker are told apart.
    pub domain: DomainName,
    /// Both sides send something at least twice in this time, and give the connection up when nothing came for twice as long. Default 5 s.
    pub heartbeat: Duration,
    /// What the broker holds for a node that does not take it. Default 64 MiB.
    pub inbox_bytes_max: u32,
}

impl RabbitOptions {
    /// The defaults, for `domain`.
    pub fn new(domain: DomainName) -> Self {
        Self {
            domain,
            heartbeat: Duration::from_secs(5),
            inbox_bytes_max: 64 << 20,
        }
    }
}

/// [`Bus`] on RabbitMQ. It connects when it is opened, on the runtime that polls [`Bus::open`], and its tasks stay there.
#[derive(Debug)]
pub struct RabbitBus {
    address: Address,
    options: RabbitOptions,
    outbox: Arc<Outbox>,
    stop: watch::Sender<bool>,
    /// Ends with the connection's task; taken by who waits for it.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl RabbitBus {
    /// Whether a url is one of a broker; nothing is connected.
    ///
    /// # Errors
    /// [`BusError::Refused`], which does not repeat the url.
    pub fn check_url(url: &str) -> Result<(), BusError> {
        Address::parse(url, Duration::ZERO).map(drop)
    }

    /// A bus by its url, `amqp://user:password@host:port/vhost` or `amqps://…`. Nothing is connected yet.
    ///
    /// Without user and password those are `guest`, without a vhost it is `/`, as `%2F` or nothing at all.
    ///
    /// # Errors
    /// [`BusError::Refused`] when it is no such url; the sentence does not repeat it, for there may be a password in it.
    pub fn open_url(url: &str, options: RabbitOptions) -> Result<Self, BusError> {
        let address = Address::parse(url, options.heartbeat)?;
        Ok(Self {
            outbox: Arc::new(Outbox::new(options.domain.clone())),
            address,
            options,
            stop: watch::Sender::new(false),
            ended: Mutex::new(None),
        })
    }

    /// Starts the connection's task once.
    fn start(
        &self,
        node: NodeInstance,
        receiver: Arc<dyn BusReceiver>,
    ) -> Result<oneshot::Receiver<Result<(), BusError>>, BusError> {
        let inbox = publisher::queue_of(&self.options.domain, &node);
        if inbox.len() > publisher::QUEUE_NAME_LEN_MAX {
            return Err(BusError::Refused(format!(
                "the names of domain {} and node {} are too long for a queue of RabbitMQ: together at most {} letters",
                self.options.domain,
                node.name,
                publisher::QUEUE_NAME_LEN_MAX + self.options.domain.as_str().len() + node.name.as_str().len()
                    - inbox.len(),
            )));
        }
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_some() || *self.stop.borrow() {
            return Err(BusError::Refused("the bus of a node is opened once".into()));
        }
        let (opened, is_open) = oneshot::channel();
        let (end, has_ended) = oneshot::channel();
        *ended = Some(has_ended);
        let connector = Connector {
            address: self.address.clone(),
            options: self.options.clone(),
            node,
            inbox,
            receiver,
            outbox: Arc::clone(&self.outbox),
            stop: self.stop.subscribe(),
        };
        tokio::spawn(async move {
            connector.run(opened).await;
            // Nobody may be waiting.
            let _ = end.send(());
        });
        Ok(is_open)
    }
}

impl Bus for RabbitBus {
    fn open(
        &self,
        node: NodeInstance,
        receiver: Arc<dyn BusReceiver>,
    ) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            let is_open = self.start(node, receiver)?;
            let closed = || BusError::Away("the bus was closed before it was there".into());
            is_open.await.unwrap_or_else(|_| Err(closed()))
        })
    }

    fn send(&self, to: NodeInstance, payload: Bytes) -> BoxFuture<'static, Result<(), BusError>> {
        self.outbox.send(to, payload)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stop.send_replace(true);
            has_ended(&self.ended).await;
        })
    }
}

/// Once the bus was closed, or dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Once the task has, of which this tells. The first who waits is told; for others it counts as ended.
async fn has_ended(ended: &Mutex<Option<oneshot::Receiver<()>>>) {
    let ended = ended
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_mut()
        .map(|ended| std::mem::replace(ended, oneshot::channel().1));
    if let Some(ended) = ended {
        let _ = ended.await;
    }
}
