//! What stands at the broker of a domain, and its names.

use futures_util::future::try_join_all;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Error, ExchangeKind};
use linker_core::id::{DomainName, NodeInstance};
use linker_core::port::{LINK_SLOTS, LinkWay};

use super::IngressOptions;

/// Slots share queues: a quorum queue has a log of its own, and sixteen would cost more than they bring.
pub(super) const QUEUES: u8 = 4;
/// What one node's queue for states holds, should the node not read.
const STATES_BYTES_MAX: u32 = 16 << 20;
/// How long a FAST queue outlives the last node of its domain.
const FAST_EXPIRES_MS: i64 = 60_000;

/// Where neighbours publish to.
pub(super) fn exchange_of(domain: &DomainName) -> String {
    format!("linker.{domain}.ingress")
}

pub(super) fn reliable_queue_of(domain: &DomainName, number: u8) -> String {
    format!("linker.{domain}.ingress.{number}")
}

pub(super) fn fast_queue_of(domain: &DomainName, number: u8) -> String {
    format!("linker.{domain}.fast.{number}")
}

/// Another one for each connection (`nth`): the broker keeps that of a lost one until it notices. The node's name is left out, for it may be too long; its connection has it.
pub(super) fn states_queue_of(domain: &DomainName, node: &NodeInstance, nth: u64) -> String {
    format!("linker.{domain}.states.{:016x}.{nth}", node.incarnation)
}

/// The routing key.
pub(super) fn key_of(way: LinkWay) -> String {
    match way {
        LinkWay::Reliable(slot) => format!("r.{}", slot % LINK_SLOTS),
        LinkWay::Fast(slot) => format!("f.{}", slot % LINK_SLOTS),
        LinkWay::States => "s".into(),
        // No queue is bound with it.
        LinkWay::Probe => "p".into(),
    }
}

/// The slot that a routing key of RELIABLE or FAST names.
pub(super) fn slot_in(key: &str) -> Option<u8> {
    let (_, slot) = key.split_once('.')?;
    slot.parse().ok().filter(|slot| *slot < LINK_SLOTS)
}

/// Makes what is not there. The queues come before the exchange, so that who finds the exchange will soon find them bound.
pub(super) async fn declare(channel: &Channel, options: &IngressOptions, states: &str) -> Result<(), Error> {
    let domain = &options.domain;
    for number in 0..QUEUES {
        declare_reliable(channel, options, &reliable_queue_of(domain, number)).await?;
        declare_fast(channel, options, &fast_queue_of(domain, number)).await?;
    }
    declare_states(channel, states).await?;
    let exchange = exchange_of(domain);
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Direct,
            durable,
            FieldTable::default(),
        )
        .await?;
    let reliable = (0..LINK_SLOTS).map(|slot| {
        (
            reliable_queue_of(domain, slot % QUEUES),
            key_of(LinkWay::Reliable(slot)),
        )
    });
    let fast =
        (0..LINK_SLOTS).map(|slot| (fast_queue_of(domain, slot % QUEUES), key_of(LinkWay::Fast(slot))));
    let states = std::iter::once((states.to_owned(), key_of(LinkWay::States)));
    let bindings = reliable.chain(fast).chain(states).map(|(queue, key)| {
        channel.queue_bind(
            queue.into(),
            exchange.as_str().into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
    });
    // At once, in this order: the broker answers one after the other.
    try_join_all(bindings).await?;
    Ok(())
}

async fn declare_reliable(channel: &Channel, options: &IngressOptions, queue: &str) -> Result<(), Error> {
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let mut arguments = bounded(options.reliable_bytes_max, "reject-publish");
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-single-active-consumer".into(), true.into());
    channel
        .queue_declare(queue.into(), durable, arguments)
        .await
        .map(|_| ())
}

async fn declare_fast(channel: &Channel, options: &IngressOptions, queue: &str) -> Result<(), Error> {
    let mut arguments = bounded(options.fast_bytes_max.into(), "drop-head");
    arguments.insert("x-single-active-consumer".into(), true.into());
    arguments.insert("x-expires".into(), FAST_EXPIRES_MS.into());
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::default(), arguments)
        .await
        .map(|_| ())
}

async fn declare_states(channel: &Channel, queue: &str) -> Result<(), Error> {
    let own = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let arguments = bounded(STATES_BYTES_MAX.into(), "drop-head");
    channel
        .queue_declare(queue.into(), own, arguments)
        .await
        .map(|_| ())
}

fn bounded(bytes_max: u64, overflow: &str) -> FieldTable {
    let mut arguments = FieldTable::default();
    let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
    arguments.insert("x-max-length-bytes".into(), bytes_max.into());
    arguments.insert("x-overflow".into(), text(overflow));
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routing_key_names_its_slot() {
        for slot in 0..LINK_SLOTS {
            assert_eq!(slot_in(&key_of(LinkWay::Reliable(slot))), Some(slot));
            assert_eq!(slot_in(&key_of(LinkWay::Fast(slot))), Some(slot));
        }
        for other in ["s", "p", "", "r.", "r.16", "r.x"] {
            assert_eq!(slot_in(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_names_fit() {
        let domain: DomainName = "d".repeat(128).parse().unwrap();
        let node = NodeInstance {
            name: "n".repeat(128).parse().unwrap(),
            incarnation: u64::MAX,
        };
        for name in [
            reliable_queue_of(&domain, QUEUES),
            states_queue_of(&domain, &node, u64::MAX),
        ] {
            assert!(name.len() <= 255, "{name}");
        }
    }
}
