//! Socket.IO (protocol 5, over Engine.IO 4) in text frames. A RELIABLE message carries the number of an acknowledgement: the relay asks
//! the recipient for its own, and then gives the sender that.
//!
//! What the relay does stands in `xtask/peers/socketio/server.js`: a user's room is `USER`, a group's is `g-GROUP`.

#[cfg(test)]
mod tests;

use super::content::{ContentReader, ContentWriter};
use super::{LoginOptions, Packet, Reader};
use crate::cli::Feature;
use crate::error::LoadError;
use crate::frame::{Opcode, append_masked, append_masked_header};
use crate::wire::{Incoming, MessageShape, RunTag, Stamp};

/// Leaves the namespace.
pub(super) const DISCONNECT: &[u8] = b"41";

/// Digits of the largest acknowledgement's number.
const NUMBER_LEN_MAX: usize = 10;

/// Writes `message` events.
pub(crate) struct Writer {
    acknowledged: bool,
    before_recipient: &'static [u8],
    content: ContentWriter,
}

impl Writer {
    pub(super) fn new(tag: RunTag, shape: MessageShape) -> Self {
        Self {
            acknowledged: shape.feature == Feature::Reliable,
            before_recipient: if shape.to_group {
                b"[\"message\",\"g-"
            } else {
                b"[\"message\",\""
            },
            content: ContentWriter::new(tag, shape.size),
        }
    }

    pub(super) fn append(&self, out: &mut Vec<u8>, recipient: &[u8], stamp: Stamp) {
        const AFTER_RECIPIENT: &[u8] = b"\",\"";
        const TAIL: &[u8] = b"\"]";
        let mut digits = [0; NUMBER_LEN_MAX];
        let number = if self.acknowledged {
            write_number(stamp.sequence, &mut digits)
        } else {
            &[]
        };
        let len = 2
            + number.len()
            + self.before_recipient.len()
            + recipient.len()
            + AFTER_RECIPIENT.len()
            + self.content.len()
            + TAIL.len();
        out.reserve(len + 14);
        append_masked_header(out, Opcode::Text, len);
        out.extend_from_slice(b"42");
        out.extend_from_slice(number);
        out.extend_from_slice(self.before_recipient);
        out.extend_from_slice(recipient);
        out.extend_from_slice(AFTER_RECIPIENT);
        self.content.append(out, stamp);
        out.extend_from_slice(TAIL);
    }
}

/// The decimal digits of `number`, at the end of `room`.
fn write_number(mut number: u32, room: &mut [u8; NUMBER_LEN_MAX]) -> &[u8] {
    let mut len = 0;
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        len += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    &room[NUMBER_LEN_MAX - len..]
}

/// The number that `bytes` begin with, if they do, and what follows.
fn read_number(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Understands a packet, which is a frame.
pub(super) fn read<'a>(
    contents: &ContentReader,
    bytes: &'a [u8],
    to: Reader<'_>,
) -> Result<Option<Packet<'a>>, LoadError> {
    let meaning = match bytes {
        // The relay's greeting.
        [b'0', ..] => {
            append_connect(&to.options, to.user_id, to.answers);
            None
        }
        b"2" => {
            append_masked(to.answers, Opcode::Text, b"3");
            None
        }
        [b'4', b'2', event @ ..] => Some(Incoming::Message(on_event(contents, event, to.answers))),
        [b'4', b'3', acknowledgement @ ..] => {
            let (number, _) = read_number(acknowledgement);
            let sequence = std::str::from_utf8(number)
                .ok()
                .and_then(|number| number.parse().ok())
                .ok_or(LoadError::Protocol(
                    "a Socket.IO acknowledgement without a number",
                ))?;
            Some(Incoming::Confirmation(Some(Stamp {
                sender: to.id,
                sequence,
                time_ns: 0,
            })))
        }
        [b'4', b'0', ..] => Some(Incoming::LoginReply { accepted: true }),
        [b'4', b'4', ..] => Some(Incoming::LoginReply { accepted: false }),
        b"41" | b"1" => Some(Incoming::Other("disconnect")),
        b"6" => None,
        _ => return Err(LoadError::Protocol("a Socket.IO packet that makes no sense")),
    };
    Ok(Some(Packet {
        len: bytes.len(),
        meaning,
    }))
}

fn append_connect(options: &LoginOptions, user_id: &str, answers: &mut Vec<u8>) {
    let group = match options.group {
        Some(group) => format!(",\"group\":\"g-{group}\""),
        None => String::new(),
    };
    let text = format!("40{{\"user\":\"{user_id}\"{group}}}");
    append_masked(answers, Opcode::Text, text.as_bytes());
}

/// Acknowledges the event if that is asked for, and finds its stamp.
fn on_event(contents: &ContentReader, event: &[u8], answers: &mut Vec<u8>) -> Option<Stamp> {
    let (number, arguments) = read_number(event);
    if !number.is_empty() {
        append_masked_header(answers, Opcode::Text, 2 + number.len() + 2);
        answers.extend_from_slice(b"43");
        answers.extend_from_slice(number);
        answers.extend_from_slice(b"[]");
    }
    contents.stamp_of(arguments.strip_prefix(b"[\"message\",\"")?)
}
