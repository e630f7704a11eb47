//! The life of one connection: publishes in the order sent, many at once, and answers as the broker confirms.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Error, Event};
use linker_core::envelope::Feature;
use linker_core::port::{BusError, UpstreamError, UpstreamMessage};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::super::confirmations::Confirmations;
use super::super::connect::Wire;
use super::super::{refusal, stopped};
use super::connection::{Connector, Ready};
use super::sender::Outgoing;

/// How long an upstream that is closed waits for confirmations.
const LAST_WORDS: Duration = Duration::from_secs(1);
const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;

/// Why a connection ended.
pub(super) enum End {
    Stopped,
    Lost(String),
}

struct Published {
    number: u64,
    outcome: Result<Confirmation, Error>,
}

pub(super) struct Publishing<'c> {
    connector: &'c Connector,
    wire: Wire,
    channel: Channel,
    queue: mpsc::UnboundedSender<Outgoing>,
    queued: mpsc::UnboundedReceiver<Outgoing>,
    /// What is published and not confirmed, by its number.
    under_way: HashMap<u64, Outgoing>,
    /// By when those are to be confirmed, oldest first; some are already.
    due: VecDeque<(Instant, u64)>,
    confirmations: Confirmations<Published>,
    number: u64,
    is_blocked: bool,
}

impl<'c> Publishing<'c> {
    pub(super) fn new(ready: Ready, connector: &'c Connector) -> Self {
        let (queue, queued) = mpsc::unbounded_channel();
        Self {
            connector,
            wire: ready.wire,
            channel: ready.channel,
            queue,
            queued,
            under_way: HashMap::new(),
            due: VecDeque::new(),
            confirmations: Confirmations::new(),
            number: 0,
            is_blocked: false,
        }
    }

    /// Until the connection ends. Then everything is answered.
    pub(super) async fn run(mut self, stop: &mut watch::Receiver<bool>) -> End {
        let mut events = self.wire.connection.events_listener().boxed();
        self.let_in();
        let why = loop {
            let due = self.due();
            tokio::select! {
                Some(outgoing) = self.queued.recv() => self.publish(outgoing).await,
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
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    break format!("the broker at {} does not confirm", self.connector.address);
                }
                () = stopped(stop) => {
                    self.take_leave().await;
                    return End::Stopped;
                }
            }
        };
        self.answer_all(&why);
        End::Lost(why)
    }

    fn let_in(&self) {
        self.connector.sender.open(self.queue.clone());
        self.connector.watcher.connection(None);
    }

    /// By when the oldest that is not confirmed has to be.
    fn due(&mut self) -> Option<Instant> {
        while let Some((at, number)) = self.due.front() {
            if self.under_way.contains_key(number) {
                return (!self.is_blocked).then_some(*at);
            }
            self.due.pop_front();
        }
        None
    }

    async fn publish(&mut self, outgoing: Outgoing) {
        self.number += 1;
        let number = self.number;
        let message = std::sync::Arc::clone(&outgoing.message);
        self.under_way.insert(number, outgoing);
        self.due
            .push_back((Instant::now() + self.connector.options.confirm_timeout, number));
        let (channel, exchange) = (self.channel.clone(), self.connector.exchange.clone());
        let publishing = async move {
            let outcome = publish(channel, exchange, &message).await;
            Published { number, outcome }
        };
        self.confirmations.publish(publishing).await;
    }

    /// Answers what the broker has confirmed, returned ones together with what they belong to. `Some` when the connection cannot go on.
    async fn settle(&mut self, first: Published) -> Option<String> {
        let mut settled = self.confirmations.with_ready(first).await;
        let mut returned = HashSet::new();
        for published in &mut settled {
            if let Ok(Confirmation::Ack(message) | Confirmation::Nack(message)) = &mut published.outcome
                && let Some(message) = message.take()
            {
                let id = message.delivery.properties.message_id().as_ref();
                returned.extend(id.map(|id| id.as_str().to_owned()));
            }
        }
        let mut lost = None;
        for Published { number, outcome } in settled {
            let confirmation = match outcome {
                Ok(confirmation) => confirmation,
                Err(error) => {
                    lost.get_or_insert_with(|| self.why(&error));
                    continue;
                }
            };
            let Some(outgoing) = self.under_way.remove(&number) else {
                continue;
            };
            let is_returned = returned.contains(&outgoing.message.id.to_string());
            let answer = match confirmation {
                _ if is_returned => Err(UpstreamError::Failed(format!(
                    "no queue is bound to {} for {}",
                    self.connector.exchange,
                    outgoing.message.routing_key()
                ))),
                Confirmation::Ack(_) => Ok(()),
                Confirmation::Nack(_) => Err(UpstreamError::Failed("a queue that is bound is full".into())),
                // A channel that does not confirm proves nothing.
                Confirmation::NotRequested => {
                    Err(UpstreamError::Away("the broker did not confirm it".into()))
                }
            };
            outgoing.answer(answer);
        }
        lost
    }

    fn heed(&mut self, event: Event) -> Option<String> {
        match event {
            Event::ConnectionBlocked(reason) => {
                let why = format!("the broker takes nothing for now: {reason}");
                self.is_blocked = true;
                self.connector.sender.shut(why.clone());
                // It may be on its way all the same: it is handed over again.
                self.answer_all(&why);
                self.connector.watcher.connection(Some(why));
            }
            Event::ConnectionUnblocked if std::mem::take(&mut self.is_blocked) => self.let_in(),
            Event::Error(error) => return Some(self.why(&error)),
            _ => {}
        }
        None
    }

    fn why(&self, error: &Error) -> String {
        match refusal::why(error, &self.connector.address) {
            BusError::Away(why) | BusError::Refused(why) => why,
            other => other.to_string(),
        }
    }

    async fn take_leave(mut self) {
        self.connector.sender.shut("the node has closed it".into());
        let last_words = async {
            while let Ok(outgoing) = self.queued.try_recv() {
                self.publish(outgoing).await;
            }
            while !self.under_way.is_empty()
                && let Some(published) = self.confirmations.next().await
                && self.settle(published).await.is_none()
            {}
        };
        let _ = timeout(LAST_WORDS, last_words).await;
        self.answer_all("the node has closed it");
        self.wire.close("the upstream is closed").await;
    }

    fn answer_all(&mut self, why: &str) {
        self.connector.sender.shut(why.into());
        let away = || Err(UpstreamError::Away(why.into()));
        while let Ok(outgoing) = self.queued.try_recv() {
            outgoing.answer(away());
        }
        for (_, outgoing) in self.under_way.drain() {
            outgoing.answer(away());
        }
        self.due.clear();
    }
}

async fn publish(
    channel: Channel,
    exchange: String,
    message: &UpstreamMessage,
) -> Result<Confirmation, Error> {
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let key = message.routing_key();
    let properties = properties_of(message);
    let publishing = channel.basic_publish(exchange.into(), key.into(), options, &message.body, properties);
    publishing.await?.await
}

fn properties_of(message: &UpstreamMessage) -> BasicProperties {
    let mut headers = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    headers.insert("appName".into(), text(message.from.app().as_str()));
    if !message.is_event {
        headers.insert("from".into(), text(&message.from.to_string()));
    }
    if let Some(reference) = &message.reference {
        headers.insert("reference".into(), text(reference));
    }
    BasicProperties::default()
        .with_message_id(message.id.to_string().into())
        .with_timestamp(message.timestamp_ms / 1000)
        .with_content_type("application/json".into())
        .with_type(message.topic.as_str().into())
        .with_headers(headers)
        .with_delivery_mode(match message.feature {
            Feature::Reliable => PERSISTENT,
            Feature::Fast => TRANSIENT,
        })
}
