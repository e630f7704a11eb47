//! Domains for tests, with an ingress on the broker that is there, and links into it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::{Connection, ConnectionProperties};
use linker_actors::adapter::rabbitmq::{IngressOptions, LinkOptions, RabbitIngress, RabbitLinks};
use linker_core::id::DomainName;
use linker_core::port::{
    Arrival, Ingress, IngressReceiver, Link, LinkError, LinkMaker, LinkWatcher, LinkWay,
};
use linker_core::testkit::sample::node;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::proxy::Proxy;
use crate::rabbitmq::fixture::{by_way_of, host_of, shared_broker, unique_domain};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough for what should not come.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) type Sent = Pin<Box<dyn Future<Output = Result<(), LinkError>> + Send>>;

/// A domain of the test's own. What it left at the broker is gone when it is dropped.
pub(crate) struct Domain {
    pub(crate) url: String,
    pub(crate) name: DomainName,
}

impl Domain {
    pub(crate) fn new() -> Self {
        Self::at(shared_broker())
    }

    pub(crate) fn at(url: String) -> Self {
        Self {
            url,
            name: unique_domain(),
        }
    }

    pub(crate) fn options(&self, number: u64) -> IngressOptions {
        IngressOptions::new(self.name.clone(), node(number))
    }

    pub(crate) async fn node(&self, number: u64) -> Node {
        Node::open(&self.url, self.options(number)).await
    }

    pub(crate) fn link(&self) -> Way {
        self.link_by(&self.url)
    }

    /// By way of a proxy, or as somebody else.
    pub(crate) fn link_by(&self, url: &str) -> Way {
        let links = RabbitLinks::new(LinkOptions::new(node(1).name));
        let link = links.link(&self.name, url).expect("a url");
        let (changes, changed) = mpsc::unbounded_channel();
        let watcher = Arc::new(Watcher {
            changes,
            under_way: Mutex::default(),
        });
        link.open(Arc::clone(&watcher) as _);
        Way {
            link,
            watcher,
            changed,
        }
    }

    /// A link by way of a proxy.
    pub(crate) async fn link_by_proxy(&self) -> (Proxy, Way) {
        let proxy = Proxy::to(&host_of(&self.url)).await;
        let way = self.link_by(&by_way_of(&self.url, proxy.address()));
        (proxy, way)
    }

    /// A node by way of a proxy.
    pub(crate) async fn node_by_proxy(&self, number: u64) -> (Proxy, Node) {
        let proxy = Proxy::to(&host_of(&self.url)).await;
        let node = Node::open(&by_way_of(&self.url, proxy.address()), self.options(number)).await;
        (proxy, node)
    }

    pub(crate) fn reliable_queues(&self) -> Vec<String> {
        (0..4)
            .map(|n| format!("linker.{}.ingress.{n}", self.name))
            .collect()
    }

    pub(crate) fn fast_queues(&self) -> Vec<String> {
        (0..4).map(|n| format!("linker.{}.fast.{n}", self.name)).collect()
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        let queues = [self.reliable_queues(), self.fast_queues()].concat();
        let (url, exchange) = (self.url.clone(), format!("linker.{}.ingress", self.name));
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(remove(&url, queues, Some(exchange)))
        });
        // A private broker may be gone.
        let _ = removing.join();
    }
}

pub(crate) async fn remove(url: &str, queues: Vec<String>, exchange: Option<String>) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    if let Some(exchange) = exchange {
        channel
            .exchange_delete(exchange.into(), ExchangeDeleteOptions::default())
            .await?;
    }
    for queue in queues {
        channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await?;
    }
    connection.close(200, "done".into()).await
}

struct Receiver {
    arrivals: mpsc::UnboundedSender<Arrival>,
    changes: mpsc::UnboundedSender<Option<String>>,
}

impl IngressReceiver for Receiver {
    fn receive(&self, arrival: Arrival) {
        let _ = self.arrivals.send(arrival);
    }

    fn connection(&self, lost: Option<String>) {
        let _ = self.changes.send(lost);
    }
}

/// A node of a domain with the ingress open.
pub(crate) struct Node {
    pub(crate) ingress: RabbitIngress,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    changed: mpsc::UnboundedReceiver<Option<String>>,
}

impl Node {
    pub(crate) async fn open(url: &str, options: IngressOptions) -> Self {
        let ingress = RabbitIngress::open_url(url, options).expect("a url");
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (changes, mut changed) = mpsc::unbounded_channel();
        let receiver = Receiver {
            arrivals: arrived,
            changes,
        };
        ingress.open(Arc::new(receiver)).await.expect("an ingress");
        assert_eq!(
            patiently(changed.recv()).await,
            Some(None),
            "told that it is there"
        );
        Self {
            ingress,
            arrivals,
            changed,
        }
    }

    pub(crate) async fn next(&mut self) -> Arrival {
        patiently(self.arrivals.recv())
            .await
            .expect("the ingress is there")
    }

    /// So many payloads as text, with all receipts unsigned.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<(String, Arrival)> {
        let mut taken = Vec::new();
        for _ in 0..count {
            let arrival = self.next().await;
            taken.push((text_of(&arrival), arrival));
        }
        taken
    }

    /// So many payloads as text, signed.
    pub(crate) async fn sign(&mut self, count: usize) -> Vec<String> {
        let taken = self.take(count).await.into_iter();
        let signed = taken.map(|(text, arrival)| {
            arrival.receipt.expect("of RELIABLE").sign();
            text
        });
        signed.collect()
    }

    /// The next payload as text, signed where that means something.
    pub(crate) async fn sign_any(&mut self) -> String {
        let arrival = self.next().await;
        let text = text_of(&arrival);
        if let Some(receipt) = arrival.receipt {
            receipt.sign();
        }
        text
    }

    pub(crate) async fn change(&mut self) -> Option<String> {
        patiently(self.changed.recv())
            .await
            .expect("the ingress is there")
    }

    /// Nothing (more) comes.
    pub(crate) async fn stays_quiet(&mut self) {
        let more = timeout(QUIET, self.arrivals.recv()).await;
        assert!(more.is_err(), "{more:?}");
    }

    pub(crate) async fn close(self) {
        self.ingress.close().await;
    }
}

pub(crate) fn text_of(arrival: &Arrival) -> String {
    String::from_utf8(arrival.payload.to_vec()).expect("a test's text")
}

struct Watcher {
    changes: mpsc::UnboundedSender<(Option<String>, usize)>,
    under_way: Mutex<Vec<Sent>>,
}

impl LinkWatcher for Watcher {
    fn connection(&self, lost: Option<String>) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Within a task of the adapter's, whose share of tokio's time is not what is tested.
        under_way.retain_mut(|sent| tokio::task::unconstrained(sent).now_or_never().is_none());
        let _ = self.changes.send((lost, under_way.len()));
    }
}

/// A link that is open.
pub(crate) struct Way {
    pub(crate) link: Arc<dyn Link>,
    watcher: Arc<Watcher>,
    changed: mpsc::UnboundedReceiver<(Option<String>, usize)>,
}

impl Way {
    /// Told that it is up.
    pub(crate) async fn up(&mut self) {
        let (lost, _) = patiently(self.changed.recv()).await.expect("the link is there");
        assert_eq!(lost, None);
    }

    /// Told that it is down, and why, when all that was watched had been answered.
    pub(crate) async fn down(&mut self) -> String {
        let (lost, unanswered) = patiently(self.changed.recv()).await.expect("the link is there");
        assert_eq!(unanswered, 0, "all is answered before that is told");
        lost.expect("it is down")
    }

    /// Told nothing (more).
    pub(crate) async fn is_told_nothing(&mut self) {
        let more = timeout(QUIET, self.changed.recv()).await;
        assert!(more.is_err(), "{more:?}");
    }

    /// Sends something that must be answered before the next change is told.
    pub(crate) fn watch(&self, way: LinkWay, text: &str) {
        let sent = self.begin(way, text);
        let mut under_way = self.watcher.under_way.lock().expect("no panic");
        under_way.push(sent);
    }

    pub(crate) fn begin(&self, way: LinkWay, text: &str) -> Sent {
        self.link.send(way, Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(crate) async fn send(&self, way: LinkWay, text: &str) -> Result<(), LinkError> {
        patiently(self.begin(way, text)).await
    }

    /// One after the other, all confirmed.
    pub(crate) async fn send_all(&self, way: LinkWay, texts: impl IntoIterator<Item = &str>) {
        for text in texts {
            assert_eq!(self.send(way, text).await, Ok(()), "{text}");
        }
    }

    pub(crate) async fn close(self) {
        self.link.close().await;
    }
}

pub(crate) fn is_down(answer: &Result<(), LinkError>) -> bool {
    matches!(answer, Err(LinkError::Down(_)))
}

pub(crate) async fn patiently<T>(waiting: impl Future<Output = T>) -> T {
    timeout(PATIENCE, waiting).await.expect("it takes too long")
}
