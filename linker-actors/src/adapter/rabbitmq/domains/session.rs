//! The life of one connection of a link.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation, Error, Event};
use linker_core::port::{LinkError, LinkWay};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::super::confirmations::Confirmations;
use super::super::connect::Wire;
use super::super::stopped;
use super::line::{Channels, Neighbour, Told};
use super::outbox::{Outbox, Outgoing};
use super::topology;

/// For the first confirmation.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a link that is closed waits for confirmations.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The number of the payload that finds out whether the ingress is there.
const PROBE: u64 = 0;
/// On disk before it is confirmed.
const PERSISTENT: u8 = 2;

/// Why a connection ended.
pub(super) enum End {
    /// The link is closed.
    Closed,
    /// With the connection where it is still good for a farewell.
    Lost(String, Option<Box<Wire>>),
}

/// What became of a payload.
struct Published {
    number: u64,
    outcome: Result<Confirmation, Error>,
}

/// One connection at work.
pub(super) struct Session<'a> {
    channels: Channels,
    neighbour: &'a Neighbour,
    outbox: &'a Outbox,
    told: &'a mut Told,
    sender: mpsc::UnboundedSender<Outgoing>,
    queued: mpsc::UnboundedReceiver<Outgoing>,
    /// What is published and not confirmed, by its number.
    under_way: HashMap<u64, Outgoing>,
    confirmations: Confirmations<Published>,
    number: u64,
    /// Whether the ingress is known to be there.
    is_known: bool,
    /// Why the broker takes nothing for now.
    blocked: Option<String>,
    probe_until: Instant,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        channels: Channels,
        neighbour: &'a Neighbour,
        outbox: &'a Outbox,
        told: &'a mut Told,
    ) -> Self {
        let (sender, queued) = mpsc::unbounded_channel();
        Self {
            channels,
            neighbour,
            outbox,
            told,
            sender,
            queued,
            under_way: HashMap::new(),
            confirmations: Confirmations::new(),
            number: PROBE,
            is_known: false,
            blocked: None,
            probe_until: Instant::now() + PROBE_TIMEOUT,
        }
    }

    /// Carries payloads until the connection ends. Then everything is answered.
    pub(super) async fn run(
        mut self,
        reset: &mut watch::Receiver<()>,
        stop: &mut watch::Receiver<bool>,
    ) -> End {
        let mut events = self.channels.wire.connection.events_listener().boxed();
        self.publish(PROBE, LinkWay::Probe, Bytes::new()).await;
        let why = loop {
            let probing = !self.is_known && self.blocked.is_none();
            tokio::select! {
                Some(outgoing) = self.queued.recv() => self.send(outgoing).await,
                Some(published) = self.confirmations.next() => {
                    if let Some(why) = self.settle(published).await {
                        break why;
                    }
                }
                Some(event) = events.next() => {
                    if let Some(why) = self.heed(event) {
                        break why;
                    }
                }
                () = sleep_until(self.probe_until), if probing => break self.neighbour.does_not_confirm(),
                // Who could ask for it is gone: so is the link, soon.
                Ok(()) = reset.changed() => break "it was given up, to connect anew".into(),
                () = stopped(stop) => {
                    self.take_leave().await;
                    return End::Closed;
                }
            }
        };
        self.give_up(&why);
        // A channel that was closed for good reason leaves a connection that works.
        let wire = self.channels.wire;
        End::Lost(why, (!self.is_known).then(|| Box::new(wire)))
    }

    async fn send(&mut self, mut outgoing: Outgoing) {
        // Numbers of this connection: they come back with what cannot be routed.
        self.number += 1;
        let payload = std::mem::take(&mut outgoing.payload);
        let (number, way) = (self.number, outgoing.way);
        self.under_way.insert(number, outgoing);
        self.publish(number, way, payload).await;
    }

    async fn publish(&mut self, number: u64, way: LinkWay, payload: Bytes) {
        let channel = match way {
            LinkWay::Fast(_) => self.channels.fast.clone(),
            LinkWay::Reliable(_) | LinkWay::States | LinkWay::Probe => self.channels.confirming.clone(),
        };
        let exchange = self.neighbour.exchange.clone();
        let publishing = async move {
            let outcome = publish(channel, exchange, number, way, payload).await;
            Published { number, outcome }
        };
        self.confirmations.publish(publishing).await;
    }

    /// Answers what the broker has confirmed, returned ones together with what they belong to. `Some` when the link cannot go on.
    async fn settle(&mut self, first: Published) -> Option<String> {
        let mut settled = self.confirmations.with_ready(first).await;
        let mut lost = None;
        let mut returned = HashSet::new();
        for published in &mut settled {
            if let Ok(Confirmation::Ack(message) | Confirmation::Nack(message)) = &mut published.outcome
                && let Some(message) = message.take()
            {
                // Nothing that follows would arrive either.
                lost.get_or_insert_with(|| self.neighbour.not_set_up());
                let number = message.delivery.properties.message_id().as_ref();
                returned.extend(number.and_then(|number| number.as_str().parse::<u64>().ok()));
            }
        }
        // Those returned are answered with all that is under way when the link is given up.
        settled.retain(|published| !returned.contains(&published.number));
        for Published { number, outcome } in settled {
            match outcome {
                Ok(Confirmation::Nack(_)) if number == PROBE => {
                    lost.get_or_insert_with(|| self.neighbour.does_not_confirm());
                }
                Ok(_) if number == PROBE => self.found(),
                Ok(confirmation) => {
                    if let Some(mut outgoing) = self.under_way.remove(&number) {
                        outgoing.answer(answer_of(&confirmation, outgoing.way));
                    }
                }
                Err(error) => {
                    lost.get_or_insert_with(|| self.neighbour.why(&error));
                }
            }
        }
        lost
    }

    /// The ingress is there.
    fn found(&mut self) {
        self.is_known = true;
        self.let_in();
    }

    fn let_in(&mut self) {
        if self.is_known && self.blocked.is_none() {
            // The watcher may send at once.
            self.outbox.open(self.sender.clone());
            self.told.up();
        }
    }

    fn heed(&mut self, event: Event) -> Option<String> {
        match event {
            Event::ConnectionBlocked(reason) => {
                let why = format!("the broker takes nothing for now: {reason}");
                self.outbox.shut(why.clone());
                // It may be on its way all the same, and takes up room until that is known.
                self.answer_all(&why);
                self.told.down(why.clone());
                self.blocked = Some(why);
            }
            Event::ConnectionUnblocked if self.blocked.take().is_some() => {
                self.probe_until = Instant::now() + PROBE_TIMEOUT;
                self.let_in();
            }
            Event::Error(error) => return Some(self.neighbour.why(&error)),
            _ => {}
        }
        None
    }

    async fn take_leave(mut self) {
        self.outbox.shut("it is closed".into());
        let last_words = async {
            while let Ok(outgoing) = self.queued.try_recv() {
                self.send(outgoing).await;
            }
            while !self.under_way.is_empty()
                && let Some(published) = self.confirmations.next().await
                && self.settle(published).await.is_none()
            {}
        };
        let _ = timeout(LAST_WORDS, last_words).await;
        self.give_up("it is closed");
        self.channels.wire.close("the link is closed").await;
    }

    fn give_up(&mut self, why: &str) {
        self.outbox.shut(why.into());
        self.answer_all(why);
        self.under_way.clear();
    }

    fn answer_all(&mut self, why: &str) {
        let down = || Err(LinkError::Down(why.into()));
        while let Ok(mut outgoing) = self.queued.try_recv() {
            outgoing.answer(down());
        }
        for outgoing in self.under_way.values_mut() {
            outgoing.answer(down());
        }
    }
}

async fn publish(
    channel: Channel,
    exchange: String,
    number: u64,
    way: LinkWay,
    payload: Bytes,
) -> Result<Confirmation, Error> {
    let properties = BasicProperties::default();
    let (mandatory, properties) = match way {
        LinkWay::Reliable(_) => {
            let id = number.to_string();
            let properties = properties.with_delivery_mode(PERSISTENT);
            (true, properties.with_message_id(id.into()))
        }
        // Where nobody takes it, it is gone.
        LinkWay::Fast(_) | LinkWay::States | LinkWay::Probe => (false, properties),
    };
    let options = BasicPublishOptions {
        mandatory,
        immediate: false,
    };
    let key = topology::key_of(way);
    let publishing = channel.basic_publish(exchange.into(), key.into(), options, &payload, properties);
    publishing.await?.await
}

/// Of what was not returned.
fn answer_of(confirmation: &Confirmation, way: LinkWay) -> Result<(), LinkError> {
    match (confirmation, way) {
        (Confirmation::Ack(_), _) | (Confirmation::NotRequested, LinkWay::Fast(_)) => Ok(()),
        (Confirmation::Nack(_), _) => Err(LinkError::Full("its queue is full".into())),
        // A channel that does not confirm proves nothing.
        (Confirmation::NotRequested, _) => Err(LinkError::Down("the broker did not confirm it".into())),
    }
}
