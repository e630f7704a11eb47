//! What nodes say to each other: what is written is read, by the version before and after too, and nothing that arrives makes it panic.

mod golden;
mod laws;
mod mistakes;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linker_core::bus::{
    Batch, BatchDecodeError, BatchNumber, BatchWriter, BusFrame, FrameDecodeError, GroupDelivery,
    GroupRecipient, decode_batch,
};
use linker_core::custody::Ticket;
use linker_core::envelope::{Envelope, EnvelopeDecodeError, Feature, Kind, Trail};
use linker_core::id::{DomainName, MessageId, NodeInstance, SessionId};
use linker_core::network::LinkState;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::envelope_codec::{envelope, golden_envelope, kind, reference};
use crate::strategy::{any_domain_name, message_id, path, user_id};

const VERSION_AT: usize = 4;
const FLOOR_AT: usize = 5;
const HEADER_AT: usize = 8;
/// The first type of frame that is not known.
const UNKNOWN: u8 = 17;

fn batch_of(sender: &NodeInstance, frames: &[BusFrame]) -> Bytes {
    let mut writer = BatchWriter::new(sender);
    frames.iter().for_each(|frame| writer.push(frame));
    writer.take()
}

fn good(sender: NodeInstance, frames: Vec<BusFrame>) -> Batch {
    Batch {
        sender,
        number: None,
        frames,
        unknown: 0,
        broken: 0,
        first_broken: None,
    }
}

/// One frame's bytes: what is behind those of an empty batch.
fn bytes_of(frame: &BusFrame) -> Vec<u8> {
    let sender = "n~0000000000000000".parse().unwrap();
    let batch = batch_of(&sender, std::slice::from_ref(frame));
    batch[HEADER_AT + 1 + 1 + 8..].to_vec()
}

/// A frame of any type and with any body.
fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A batch of raw frames.
fn raw_batch(frames: impl IntoIterator<Item = Vec<u8>>) -> Bytes {
    let mut bytes = b"LBUS\x01\x01\0\x0a\x01n\0\0\0\0\0\0\0\0".to_vec();
    frames.into_iter().for_each(|frame| bytes.extend(frame));
    bytes.into()
}

fn sender() -> NodeInstance {
    "connector-01~0123456789abcdef".parse().unwrap()
}

fn id(last: u8) -> MessageId {
    let id = 0x0192f0c1_7a00_7abc_8def_012345678900_u128 | u128::from(last);
    MessageId::from_bytes(id.to_be_bytes())
}

fn at(slot: u32) -> Ticket {
    Ticket {
        shard: 1,
        slot,
        generation: 0x0102_0304,
    }
}

fn plain() -> Envelope {
    Envelope {
        id: id(1),
        ..golden_envelope("reliable_with_reference")
    }
}

fn deliver() -> BusFrame {
    BusFrame::Deliver {
        ticket: Some(at(2)),
        envelope: Arc::new(plain()),
    }
}

fn group_of_two() -> GroupDelivery {
    let recipient = |number: u8, ticket| GroupRecipient {
        to: format!("ANZ-{number}").parse().unwrap(),
        id: id(number),
        ticket,
    };
    GroupDelivery {
        kind: Kind::GroupMessage,
        feature: Feature::Reliable,
        from: "ANZ-123223".parse().unwrap(),
        reference: Some("abc123".into()),
        timestamp_ms: 1_730_000_000_001,
        content: Bytes::from_static(b"[1,2]"),
        recipients: vec![recipient(7, Some(at(8))), recipient(9, None)],
    }
}

fn names(names: &[&str]) -> Vec<DomainName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}
