//! Connects, and connects again, without end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use linker_core::id::NodeInstance;
use linker_core::port::{BusError, BusReceiver};
use tokio::sync::{oneshot, watch};

use super::RabbitOptions;
use super::address::Address;
use super::backoff::Backoff;
use super::link::Link;
use super::publisher::Outbox;
use super::session::{End, Session};

/// Short, for a node without its bus stores what it could deliver.
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Keeps one node connected.
pub(super) struct Connector {
    pub(super) address: Address,
    pub(super) options: RabbitOptions,
    pub(super) node: NodeInstance,
    pub(super) inbox: String,
    pub(super) receiver: Arc<dyn BusReceiver>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Connector {
    /// Until this node stops, or is refused before it was ever connected; `opened` is told which, once.
    pub(super) async fn run(mut self, opened: oneshot::Sender<Result<(), BusError>>) {
        let mut opened = Some(opened);
        // Whether the receiver, and the log, believe that the bus is there; at first they believe nothing.
        let mut told: Option<bool> = None;
        let mut backoff = Backoff::up_to(BACKOFF_MAX);
        loop {
            let Some(attempt) = self.attempt().await else {
                return self.stopped();
            };
            let why = match attempt {
                Ok(link) => {
                    told = Some(true);
                    backoff.reset();
                    match self.serve(link, &mut opened).await {
                        End::Stopped => return self.stopped(),
                        End::Lost(why) => why,
                    }
                }
                // Once it was there, it may come back: somebody may be at work on the broker.
                Err(BusError::Refused(why)) => match opened.take() {
                    Some(opened) => {
                        self.outbox.shut(why.clone());
                        let _ = opened.send(Err(BusError::Refused(why)));
                        return;
                    }
                    None => why,
                },
                Err(BusError::Away(why)) => why,
                Err(other) => other.to_string(),
            };
            self.outbox.shut(why.clone());
            if told != Some(false) {
                told = Some(false);
                tracing::warn!(error = %why, "the bus is away");
                self.receiver.connection(Some(why));
            }
            if !self.pause(backoff.next()).await {
                return self.stopped();
            }
        }
    }

    /// `None` when this node stops meanwhile.
    async fn attempt(&mut self) -> Option<Result<Link, BusError>> {
        let name = format!("linker {}", self.node);
        let link = Link::open(&self.address, &self.inbox, self.options.inbox_bytes_max, &name);
        tokio::select! {
            link = link => Some(link),
            () = super::stopped(&mut self.stop) => None,
        }
    }

    async fn serve(&mut self, link: Link, opened: &mut Option<oneshot::Sender<Result<(), BusError>>>) -> End {
        tracing::info!(bus = %self.address, "the bus is there");
        let session = Session::new(link, &self.outbox, &self.receiver, &mut self.stop);
        let receiver = &self.receiver;
        let work = async {
            receiver.connection(None);
            if let Some(opened) = opened.take() {
                // Who asked may have lost interest.
                let _ = opened.send(Ok(()));
            }
            session.run().await
        };
        // A receiver that panics must not take the bus with it: the connection is made anew.
        let end = AssertUnwindSafe(work).catch_unwind().await;
        end.unwrap_or_else(|_| End::Lost("what receives from the bus panicked".into()))
    }

    /// `false` when this node stops.
    async fn pause(&mut self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = super::stopped(&mut self.stop) => false,
        }
    }

    fn stopped(&self) {
        self.outbox.shut("this node has closed its inbox".into());
    }
}
