//! MQTT 3.1.1 in binary WebSocket frames: FAST is QoS 0, RELIABLE is QoS 1 on both ways.
//!
//! A user's topic is `u/USER`, a group's is `g/GROUP`. Clients subscribe with QoS 1: what is published with QoS 0 arrives with it.

#[cfg(test)]
mod tests;

use super::content::{ContentReader, ContentWriter};
use super::{LoginOptions, Packet, Reader};
use crate::cli::Feature;
use crate::error::LoadError;
use crate::frame::{Opcode, append_masked, append_masked_header};
use crate::sockets::ClientId;
use crate::wire::{Incoming, MessageShape, RunTag, Stamp};

pub(super) const DISCONNECT: &[u8] = &[0xE0, 0x00];

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const SUBACK: u8 = 9;
const PINGRESP: u8 = 13;

/// Packet identifiers are 16 bits, without 0.
const IDENTIFIERS: u32 = 65_535;
/// The only SUBSCRIBE of a connection has this.
const SUBSCRIBE_IDENTIFIER: [u8; 2] = [0, 1];

/// Appends CONNECT: no keep-alive, and a session that lasts only if what is missed shall be kept.
pub(super) fn append_connect(out: &mut Vec<u8>, user_id: &str, options: LoginOptions) {
    const CLEAN_SESSION: u8 = 0x02;
    let flags = if options.replay { 0 } else { CLEAN_SESSION };
    let mut body = b"\0\x04MQTT\x04".to_vec();
    body.extend_from_slice(&[flags, 0, 0]);
    append_string(&mut body, user_id);
    append_packet(out, 0x10, &body);
}

fn append_subscribe(out: &mut Vec<u8>, user_id: &str, options: LoginOptions) {
    const QOS_1: u8 = 1;
    let mut body = SUBSCRIBE_IDENTIFIER.to_vec();
    append_string(&mut body, &format!("u/{user_id}"));
    body.push(QOS_1);
    if let Some(group) = options.group {
        append_string(&mut body, &format!("g/{group}"));
        body.push(QOS_1);
    }
    append_packet(out, 0x82, &body);
}

fn append_string(out: &mut Vec<u8>, text: &str) {
    // User ids are some twenty characters.
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a packet in a frame of its own.
fn append_packet(out: &mut Vec<u8>, first: u8, body: &[u8]) {
    let mut packet = vec![first];
    append_length(&mut packet, body.len());
    packet.extend_from_slice(body);
    append_masked(out, Opcode::Binary, &packet);
}

/// Appends a remaining length: seven bits a byte, the low ones first.
fn append_length(out: &mut Vec<u8>, mut len: usize) {
    loop {
        let low = (len & 0x7F) as u8;
        len >>= 7;
        out.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            return;
        }
    }
}

/// A remaining length and how many bytes it took; `None` while it is incomplete.
fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, LoadError> {
    const LENGTH_BYTES_MAX: usize = 4;
    let mut len = 0;
    for (at, byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((len, at + 1)));
        }
    }
    if bytes.len() >= LENGTH_BYTES_MAX {
        return Err(LoadError::Protocol("an MQTT packet without a length"));
    }
    Ok(None)
}

/// Writes PUBLISH packets, each in a frame of its own.
pub(crate) struct Writer {
    first: u8,
    /// Before the recipient, as [`Writer::append`] gets it.
    topic_head: &'static [u8],
    acknowledged: bool,
    content: ContentWriter,
}

impl Writer {
    pub(super) fn new(tag: RunTag, shape: MessageShape) -> Self {
        let acknowledged = shape.feature == Feature::Reliable;
        Self {
            first: if acknowledged { 0x32 } else { 0x30 },
            topic_head: if shape.to_group { b"g/" } else { b"u/" },
            acknowledged,
            content: ContentWriter::new(tag, shape.size),
        }
    }

    pub(super) fn append(&self, out: &mut Vec<u8>, recipient: &[u8], stamp: Stamp) {
        let topic_len = self.topic_head.len() + recipient.len();
        let identifier_len = if self.acknowledged { 2 } else { 0 };
        let remaining = 2 + topic_len + identifier_len + self.content.len();
        let length_len = match remaining {
            0..=0x7F => 1,
            0x80..=0x3FFF => 2,
            0x4000..=0x1F_FFFF => 3,
            _ => 4,
        };
        out.reserve(remaining + 19);
        append_masked_header(out, Opcode::Binary, 1 + length_len + remaining);
        out.push(self.first);
        append_length(out, remaining);
        out.extend_from_slice(&(topic_len as u16).to_be_bytes());
        out.extend_from_slice(self.topic_head);
        out.extend_from_slice(recipient);
        if self.acknowledged {
            let identifier = 1 + stamp.sequence % IDENTIFIERS;
            out.extend_from_slice(&(identifier as u16).to_be_bytes());
        }
        self.content.append(out, stamp);
    }
}

/// Understands one packet.
pub(super) fn read<'a>(
    contents: &ContentReader,
    bytes: &'a [u8],
    to: Reader<'_>,
) -> Result<Option<Packet<'a>>, LoadError> {
    let [first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let Some((body_len, length_len)) = read_length(rest)? else {
        return Ok(None);
    };
    let Some(body) = rest.get(length_len..length_len + body_len) else {
        return Ok(None);
    };
    let len = 1 + length_len + body_len;
    let nonsense = || LoadError::Protocol("an MQTT packet that makes no sense");
    let meaning = match (first >> 4, body) {
        (PUBLISH, body) => {
            Incoming::Message(on_publish(contents, first >> 1 & 3, body, to).ok_or_else(nonsense)?)
        }
        (PUBACK, [high, low]) => {
            Incoming::Acknowledged(Some(on_acknowledged(u16::from_be_bytes([*high, *low]), to)))
        }
        // A session that lasted has its subscriptions, and what was missed follows at once.
        (CONNACK, [0x01, 0]) => Incoming::LoginReply { accepted: true },
        (CONNACK, [_, 0]) => {
            append_subscribe(to.answers, to.user_id, to.options);
            return Ok(Some(Packet::of_no_interest(len)));
        }
        (CONNACK, [_, _]) => Incoming::LoginReply { accepted: false },
        (SUBACK, [0, 1, granted @ ..]) => Incoming::LoginReply {
            accepted: granted.iter().all(|granted| *granted == 1),
        },
        (PINGRESP, []) => return Ok(Some(Packet::of_no_interest(len))),
        _ => return Err(nonsense()),
    };
    Ok(Some(Packet::of(len, meaning)))
}

/// Acknowledges the message if it is due, and finds its stamp. The outer `None` is for what is no PUBLISH.
fn on_publish(contents: &ContentReader, qos: u8, body: &[u8], to: Reader<'_>) -> Option<Option<Stamp>> {
    let (topic_len, rest) = body.split_first_chunk::<2>()?;
    let rest = rest.get(usize::from(u16::from_be_bytes(*topic_len))..)?;
    if qos == 0 {
        return Some(contents.stamp_of(rest));
    }
    let ([high, low], content) = rest.split_first_chunk::<2>()?;
    append_masked(to.answers, Opcode::Binary, &[PUBACK << 4, 2, *high, *low]);
    Some(contents.stamp_of(content))
}

/// Which message an identifier stands for: the one of that identifier nearest to what was acknowledged last.
fn on_acknowledged(identifier: u16, to: Reader<'_>) -> Stamp {
    let expected = to.session.acknowledged;
    let remainder = u32::from(identifier).wrapping_sub(1) % IDENTIFIERS;
    let ahead = (remainder + IDENTIFIERS - expected % IDENTIFIERS) % IDENTIFIERS;
    let sequence = if ahead <= IDENTIFIERS / 2 {
        expected.wrapping_add(ahead)
    } else {
        expected.wrapping_sub(IDENTIFIERS - ahead)
    };
    if ahead <= IDENTIFIERS / 2 {
        to.session.acknowledged = sequence.wrapping_add(1);
    }
    answered(to.id, sequence)
}

const fn answered(sender: ClientId, sequence: u32) -> Stamp {
    Stamp {
        sender,
        sequence,
        time_ns: 0,
    }
}
