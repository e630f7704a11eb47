//! One connection of an ingress, with all its consumers, and its life.

use bytes::Bytes;
use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, Error, ErrorKind, Event};
use linker_core::port::{Arrival, BusError, IngressReceiver, LinkWay, Receipt};
use tokio::sync::{mpsc, watch};

use super::super::address::Address;
use super::super::connect::{self, Wire};
use super::super::stopped;
use super::IngressOptions;
use super::acks::Acker;
use super::topology::{self, QUEUES};

/// What is consumed, and how it is acknowledged.
#[derive(Clone)]
enum Source {
    Reliable {
        /// The first of its slots, lest something without one was routed there.
        number: u8,
        signed: mpsc::UnboundedSender<u64>,
    },
    Fast {
        number: u8,
    },
    States,
}

/// `None` when the broker has ended a consumer.
type Deliveries = SelectAll<BoxStream<'static, Option<(Source, lapin::Result<Delivery>)>>>;

/// A connection with everything on it.
pub(super) struct Intake {
    wire: Wire,
    deliveries: Deliveries,
    ackers: Vec<Acker>,
}

impl Intake {
    /// Connects, makes what is not there, and consumes, in a bounded time.
    pub(super) async fn open(
        address: &Address,
        options: &IngressOptions,
        nth: u64,
    ) -> Result<Self, BusError> {
        // What the broker said against a queue, which is another mistake than a wrong password.
        let mut unlike = None;
        let making = async {
            let made = Self::make(address, options, nth).await;
            unlike = made.as_ref().err().and_then(unlike_what_is_there);
            made
        };
        let made = connect::in_time(address, making).await;
        match unlike {
            Some(said) => Err(BusError::Refused(format!(
                "the ingress at {address} was made with other options, say the same or delete the queue: {said}"
            ))),
            None => made,
        }
    }

    async fn make(address: &Address, options: &IngressOptions, nth: u64) -> Result<Self, Error> {
        let name = format!("linker {} ingress", options.node);
        let wire = Wire::connect(address, &name).await?;
        let transient = wire.connection.create_channel().await?;
        let domain = &options.domain;
        let states = topology::states_queue_of(domain, &options.node, nth);
        topology::declare(&transient, options, &states).await?;
        let mut deliveries = Deliveries::new();
        let mut ackers = Vec::new();
        for number in 0..QUEUES {
            let channel = wire.connection.create_channel().await?;
            let per_consumer = BasicQosOptions::default();
            // None at all would mean without a bound.
            channel.basic_qos(options.prefetch.max(1), per_consumer).await?;
            let queue = topology::reliable_queue_of(domain, number);
            let consumer = consume(&channel, &queue, false).await?;
            let (acker, signed) = Acker::on(channel);
            ackers.push(acker);
            deliveries.push(from(Source::Reliable { number, signed }, consumer));
            let queue = topology::fast_queue_of(domain, number);
            let consumer = consume(&transient, &queue, true).await?;
            deliveries.push(from(Source::Fast { number }, consumer));
        }
        let consumer = consume(&transient, &states, true).await?;
        deliveries.push(from(Source::States, consumer));
        Ok(Self {
            wire,
            deliveries,
            ackers,
        })
    }

    /// Hands over what comes until this node stops, or with why the connection is lost.
    pub(super) async fn run(
        self,
        receiver: &dyn IngressReceiver,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), String> {
        let events = self.wire.connection.events_listener();
        let receiving = receive(self.deliveries, events, receiver, stop.clone());
        let acknowledging = try_join_all(self.ackers.into_iter().map(|acker| acker.run(stop.clone())));
        let acknowledging = async { acknowledging.await.map_err(|error| error.to_string()) };
        try_join(receiving, acknowledging).await?;
        // Then the broker hands to others what is not acknowledged.
        self.wire.close("the node stops").await;
        Ok(())
    }
}

async fn consume(channel: &Channel, queue: &str, no_ack: bool) -> Result<Consumer, Error> {
    let options = BasicConsumeOptions {
        no_ack,
        ..BasicConsumeOptions::default()
    };
    channel
        .basic_consume(queue.into(), "".into(), options, FieldTable::default())
        .await
}

fn from(source: Source, consumer: Consumer) -> BoxStream<'static, Option<(Source, lapin::Result<Delivery>)>> {
    let deliveries = consumer.map(move |delivery| Some((source.clone(), delivery)));
    deliveries.chain(stream::iter([None])).boxed()
}

async fn receive(
    mut deliveries: Deliveries,
    events: impl Stream<Item = Event>,
    receiver: &dyn IngressReceiver,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let mut events = std::pin::pin!(events);
    loop {
        tokio::select! {
            Some(delivery) = deliveries.next() => match delivery {
                Some((source, Ok(delivery))) => receiver.receive(arrival(&source, delivery)),
                Some((_, Err(error))) => return Err(error.to_string()),
                None => return Err("the broker has closed a queue of the ingress".into()),
            },
            Some(event) = events.next() => if let Event::Error(error) = event {
                return Err(error.to_string());
            },
            () = stopped(&mut stop) => return Ok(()),
        }
    }
}

fn arrival(source: &Source, delivery: Delivery) -> Arrival {
    let slot = topology::slot_in(delivery.routing_key.as_str());
    let (way, receipt) = match source {
        Source::Reliable { number, signed } => {
            let (signed, tag) = (signed.clone(), delivery.delivery_tag);
            let receipt = Receipt::new(move || {
                // Nobody is there when the channel is gone: it comes again.
                let _ = signed.send(tag);
            });
            (LinkWay::Reliable(slot.unwrap_or(*number)), Some(receipt))
        }
        Source::Fast { number } => (LinkWay::Fast(slot.unwrap_or(*number)), None),
        Source::States => (LinkWay::States, None),
    };
    Arrival {
        way,
        payload: Bytes::from(delivery.data),
        receipt,
    }
}

/// What the broker says when a queue or the exchange is there, but not as asked for.
fn unlike_what_is_there(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::ProtocolError(protocol)
            if *protocol.kind() == AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) =>
        {
            Some(protocol.get_message().to_string())
        }
        _ => None,
    }
}
