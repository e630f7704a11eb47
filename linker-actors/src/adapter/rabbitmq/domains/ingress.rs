//! [`Ingress`] on RabbitMQ: connects, and connects again, without end.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use linker_core::id::{DomainName, NodeInstance};
use linker_core::port::{BoxFuture, BusError, Ingress, IngressReceiver};
use tokio::sync::{oneshot, watch};

use super::super::address::Address;
use super::super::backoff::Backoff;
use super::super::stopped;
use super::intake::Intake;

const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How a [`RabbitIngress`] behaves.
#[derive(Debug, Clone)]
pub struct IngressOptions {
    /// The domain whose ingress it is.
    pub domain: DomainName,
    /// This node.
    pub node: NodeInstance,
    /// As of the bus. Default 5 s.
    pub heartbeat: Duration,
    /// RELIABLE payloads of one queue, of 4, that this node may have unsigned: also what waits here for a message that was sent before it, which may still be in the queue. Default 1024.
    pub prefetch: u16,
    /// What each of the 4 RELIABLE queues holds before it refuses more. Default 1 GiB. All nodes of a domain must say the same, and for queues that are there
    /// already it cannot be changed: the broker refuses that, and so the node does not open.
    pub reliable_bytes_max: u64,
    /// What each of the 4 FAST queues holds before it drops its oldest. Default 64 MiB. As above, but these go a minute after the last node.
    pub fast_bytes_max: u32,
}

impl IngressOptions {
    /// The defaults, for `node` of `domain`.
    pub fn new(domain: DomainName, node: NodeInstance) -> Self {
        Self {
            domain,
            node,
            heartbeat: Duration::from_secs(5),
            prefetch: 1024,
            reliable_bytes_max: 1 << 30,
            fast_bytes_max: 64 << 20,
        }
    }
}

/// [`Ingress`] on RabbitMQ. It connects when it is opened, on the runtime that polls [`Ingress::open`], and its tasks stay there.
#[derive(Debug)]
pub struct RabbitIngress {
    address: Address,
    options: IngressOptions,
    stop: watch::Sender<bool>,
    /// Ends with the connection's task; taken by who waits for it.
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl RabbitIngress {
    /// An ingress at the broker of its domain, by a url as that of [`RabbitBus::open_url`](super::super::RabbitBus::open_url). Nothing is connected yet.
    ///
    /// # Errors
    /// [`BusError::Refused`] when it is no such url; the sentence does not repeat it, for there may be a password in it.
    pub fn open_url(url: &str, options: IngressOptions) -> Result<Self, BusError> {
        Ok(Self {
            address: Address::parse(url, options.heartbeat)?,
            options,
            stop: watch::Sender::new(false),
            ended: Mutex::new(None),
        })
    }

    /// Starts the connection's task once.
    fn start(
        &self,
        receiver: Arc<dyn IngressReceiver>,
    ) -> Result<oneshot::Receiver<Result<(), BusError>>, BusError> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.is_some() || *self.stop.borrow() {
            return Err(BusError::Refused("the ingress of a node is opened once".into()));
        }
        let (opened, is_open) = oneshot::channel();
        let (end, has_ended) = oneshot::channel();
        *ended = Some(has_ended);
        let keeper = Keeper {
            address: self.address.clone(),
            options: self.options.clone(),
            receiver,
            stop: self.stop.subscribe(),
            opened: Some(opened),
            told: None,
        };
        tokio::spawn(async move {
            keeper.run().await;
            // Nobody may be waiting.
            let _ = end.send(());
        });
        Ok(is_open)
    }
}

impl Ingress for RabbitIngress {
    fn open(&self, receiver: Arc<dyn IngressReceiver>) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            let is_open = self.start(receiver)?;
            let closed = || BusError::Away("the ingress was closed before it was there".into());
            is_open.await.unwrap_or_else(|_| Err(closed()))
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.stop.send_replace(true);
            super::super::has_ended(&self.ended).await;
        })
    }
}

/// Keeps the ingress of one node open.
struct Keeper {
    address: Address,
    options: IngressOptions,
    receiver: Arc<dyn IngressReceiver>,
    stop: watch::Receiver<bool>,
    opened: Option<oneshot::Sender<Result<(), BusError>>>,
    /// Whether the receiver, and the log, believe that the ingress is there; at first they believe nothing.
    told: Option<bool>,
}

impl Keeper {
    /// Until this node stops, or is refused before it was ever connected.
    async fn run(mut self) {
        let mut backoff = Backoff::up_to(BACKOFF_MAX);
        for nth in 0.. {
            let made = Intake::open(&self.address, &self.options, nth);
            let made = tokio::select! {
                made = made => made,
                () = stopped(&mut self.stop) => return,
            };
            let why = match made {
                Ok(intake) => {
                    backoff.reset();
                    match self.serve(intake).await {
                        Ok(()) => return,
                        Err(why) => why,
                    }
                }
                // Once it was there, it may come back: somebody may be at work on the broker.
                Err(BusError::Refused(why)) => match self.opened.take() {
                    Some(opened) => {
                        let _ = opened.send(Err(BusError::Refused(why)));
                        return;
                    }
                    None => why,
                },
                Err(BusError::Away(why)) => why,
                Err(other) => other.to_string(),
            };
            if self.told != Some(false) {
                self.told = Some(false);
                tracing::warn!(error = %why, "the ingress of this domain is away");
                self.receiver.connection(Some(why));
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next()) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// Until this node stops, or with why the connection is lost.
    async fn serve(&mut self, intake: Intake) -> Result<(), String> {
        self.told = Some(true);
        tracing::info!(broker = %self.address, "the ingress of this domain is there");
        let work = async {
            self.receiver.connection(None);
            if let Some(opened) = self.opened.take() {
                // Who asked may have lost interest.
                let _ = opened.send(Ok(()));
            }
            intake.run(&*self.receiver, &self.stop).await
        };
        // A receiver that panics must not take the ingress with it: the connection is made anew.
        let end = AssertUnwindSafe(work).catch_unwind().await;
        end.unwrap_or_else(|_| Err("what receives from the ingress panicked".into()))
    }
}
