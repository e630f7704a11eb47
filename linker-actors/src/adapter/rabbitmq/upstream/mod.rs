//! The application behind a topic exchange: what users send it and what it is told is published there, for queues that the application declares and binds itself.
//!
//! The exchange is durable and the only thing declared here. Everything is published `mandatory` and confirmed: what no queue is bound for comes back and is not taken for handed over.

mod connection;
mod publishing;
mod sender;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linker_core::id::{DomainName, NodeName};
use linker_core::port::{
    BoxFuture, BusError, UpstreamError, UpstreamMessage, UpstreamPace, UpstreamSink, UpstreamWatcher,
};
use tokio::sync::{oneshot, watch};

use self::connection::Connector;
use self::sender::Sender;
use super::address::Address;

/// Messages that are published and not confirmed.
const AT_ONCE: usize = 1024;
/// The same of one sender: a channel keeps the order.
const OF_ONE_SENDER: usize = 256;

/// How a [`RabbitUpstream`] behaves.
#[derive(Debug, Clone)]
pub struct RabbitUpstreamOptions {
    /// The domain, after which the exchange is named.
    pub domain: DomainName,
    /// This node, by which the broker's administrator tells connections apart.
    pub node: NodeName,
    /// Both sides send something at least twice in this time, and give the connection up when nothing came for twice as long. Default 5 s.
    pub heartbeat: Duration,
    /// A broker that does not confirm within this time counts as away. Default 10 s.
    pub confirm_timeout: Duration,
}

impl RabbitUpstreamOptions {
    /// The defaults.
    pub fn new(domain: DomainName, node: NodeName) -> Self {
        Self {
            domain,
            node,
            heartbeat: Duration::from_secs(5),
            confirm_timeout: Duration::from_secs(10),
        }
    }
}

/// The topic exchange that what is for a domain's application is published to.
pub fn upstream_exchange(domain: &DomainName) -> String {
    format!("linker.{domain}.upstream")
}

/// [`UpstreamSink`] on RabbitMQ. The routing key is `<appName>.<type>`, or `<appName>.event.<name>`.
///
/// | the broker | result |
/// |---|---|
/// | confirms | the application has it: its queues have |
/// | returns it, since no queue is bound for the key | [`UpstreamError::Failed`]: it is published again |
/// | refuses it, since a queue is full | the same |
/// | is away, or blocks who publishes | [`UpstreamError::Away`] |
#[derive(Debug)]
pub struct RabbitUpstream {
    address: Address,
    options: RabbitUpstreamOptions,
    sender: Arc<Sender>,
    stop: watch::Sender<bool>,
    /// Ends with the connection's task; taken by who waits for it.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl RabbitUpstream {
    /// By the url of the broker, `amqp://user:password@host:port/vhost` or `amqps://…`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`BusError::Refused`] when it is no such url; the sentence does not repeat it, for there may be a password in it.
    pub fn open_url(url: &str, options: RabbitUpstreamOptions) -> Result<Self, BusError> {
        Ok(Self {
            address: Address::parse(url, options.heartbeat)?,
            options,
            sender: Arc::new(Sender::new()),
            stop: watch::Sender::new(false),
            ended: Mutex::new(None),
        })
    }
}

impl UpstreamSink for RabbitUpstream {
    fn pace(&self) -> UpstreamPace {
        UpstreamPace {
            at_once: AT_ONCE,
            of_one_sender: OF_ONE_SENDER,
        }
    }

    fn open(&self, watcher: Arc<dyn UpstreamWatcher>) {
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
        let connector = Connector {
            address: self.address.clone(),
            options: self.options.clone(),
            exchange: upstream_exchange(&self.options.domain),
            sender: Arc::clone(&self.sender),
            watcher,
            stop: self.stop.subscribe(),
        };
        runtime.spawn(async move {
            connector.run().await;
            // Nobody may be waiting.
            let _ = end.send(());
        });
    }

    fn send(&self, message: Arc<UpstreamMessage>) -> BoxFuture<'static, Result<(), UpstreamError>> {
        self.sender.send(message)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stop.send_replace(true);
            super::has_ended(&self.ended).await;
        })
    }
}
