//! The life of one connection.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::Event;
use lapin::message::Delivery;
use linker_core::port::{BusError, BusReceiver};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

use super::confirmations::Confirmations;
use super::link::Link;
use super::publisher::{Outbox, Outcome, Outgoing, Published, publish};

/// Payloads published and not confirmed.
const UNCONFIRMED_MAX: usize = 4096;
/// How long a node that stops waits for confirmations.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a connection ended.
pub(super) enum End {
    /// This node stops.
    Stopped,
    Lost(String),
}

/// One connection at work.
pub(super) struct Session<'a> {
    link: Link,
    outbox: &'a Outbox,
    receiver: &'a Arc<dyn BusReceiver>,
    stop: &'a mut watch::Receiver<bool>,
    sender: mpsc::Sender<Outgoing>,
    queued: mpsc::Receiver<Outgoing>,
    unconfirmed: Confirmations<Published>,
    number: u64,
    /// Why the broker takes nothing for now.
    blocked: Option<String>,
    /// Tells what is under way when that begins.
    blocking: Arc<Notify>,
}

impl<'a> Session<'a> {
    /// From here on sends go out.
    pub(super) fn new(
        link: Link,
        outbox: &'a Outbox,
        receiver: &'a Arc<dyn BusReceiver>,
        stop: &'a mut watch::Receiver<bool>,
    ) -> Self {
        let (sender, queued) = outbox.open();
        Self {
            link,
            outbox,
            receiver,
            stop,
            sender,
            queued,
            unconfirmed: Confirmations::new(),
            number: 0,
            blocked: None,
            blocking: Arc::default(),
        }
    }

    /// Carries payloads in both directions until the connection ends.
    pub(super) async fn run(mut self) -> End {
        let mut events = self.link.wire.connection.events_listener().boxed();
        let why = loop {
            let room = self.unconfirmed.len() < UNCONFIRMED_MAX;
            tokio::select! {
                Some(outgoing) = self.queued.recv(), if room => self.publish(outgoing).await,
                Some(published) = self.unconfirmed.next() => {
                    if let Some(why) = self.settle(published).await {
                        break why;
                    }
                }
                delivery = self.link.inbox.next() => {
                    if let Some(why) = self.deliver(delivery) {
                        break why;
                    }
                }
                Some(event) = events.next() => {
                    if let Some(why) = self.heed(event) {
                        break why;
                    }
                }
                () = super::stopped(self.stop) => return self.take_leave().await,
            }
        };
        End::Lost(why)
    }

    async fn publish(&mut self, mut outgoing: Outgoing) {
        if let Some(why) = &self.blocked {
            outgoing.answer(Err(BusError::Away(why.clone())));
            return;
        }
        self.number += 1;
        let (channel, blocking) = (self.link.publishing.clone(), Arc::clone(&self.blocking));
        let publishing = publish(channel, self.number, outgoing, blocking);
        self.unconfirmed.publish(publishing).await;
    }

    /// Answers what the broker has confirmed: all that is ready, as only together can be told which of them a returned payload belongs to. `Some` when the channel is gone.
    async fn settle(&mut self, first: Published) -> Option<String> {
        let settled = self.unconfirmed.with_ready(first).await;
        let returned: HashSet<u64> = settled
            .iter()
            .filter_map(|published| match published.outcome {
                Ok(Outcome::Confirmed { returned, .. }) => returned,
                Err(_) => None,
            })
            .collect();
        let mut lost = None;
        for Published {
            number,
            mut outgoing,
            outcome,
        } in settled
        {
            let answer = match outcome {
                _ if returned.contains(&number) => Err(BusError::NoSuchNode(outgoing.to.clone())),
                Ok(Outcome::Confirmed { ack: true, .. }) => Ok(()),
                Ok(Outcome::Confirmed { ack: false, .. }) => {
                    Err(BusError::Away("the inbox of that node is full".into()))
                }
                Err(error) => {
                    let why = error.to_string();
                    lost.get_or_insert_with(|| why.clone());
                    Err(BusError::Away(why))
                }
            };
            outgoing.answer(answer);
        }
        lost
    }

    fn deliver(&mut self, delivery: Option<lapin::Result<Delivery>>) -> Option<String> {
        match delivery {
            Some(Ok(delivery)) => {
                self.receiver.receive(Bytes::from(delivery.data));
                None
            }
            None => Some("the broker has closed the inbox".into()),
            Some(Err(error)) => Some(error.to_string()),
        }
    }

    fn heed(&mut self, event: Event) -> Option<String> {
        match event {
            Event::ConnectionBlocked(reason) if self.blocked.is_none() => {
                let why = format!("the broker takes nothing for now: {reason}");
                tracing::warn!(error = %why, "the bus is away");
                self.outbox.shut(why.clone());
                self.receiver.connection(Some(why.clone()));
                self.blocked = Some(why);
                self.blocking.notify_waiters();
            }
            Event::ConnectionUnblocked if self.blocked.take().is_some() => {
                tracing::info!("the bus is back");
                // As when it connects: the receiver may send at once.
                self.outbox.reopen(self.sender.clone());
                self.receiver.connection(None);
            }
            Event::Error(error) => return Some(error.to_string()),
            _ => {}
        }
        None
    }

    async fn take_leave(mut self) -> End {
        self.outbox.shut("this node has closed its inbox".into());
        let last_words = async {
            while let Ok(outgoing) = self.queued.try_recv() {
                self.publish(outgoing).await;
            }
            while let Some(published) = self.unconfirmed.next().await {
                self.settle(published).await;
            }
        };
        // What is not confirmed by then is answered with `Away`.
        let _ = timeout(LAST_WORDS, last_words).await;
        self.link.close().await;
        End::Stopped
    }
}
