//! NATS in binary WebSocket frames. There are no acknowledgements, so FAST only.
//!
//! A user's subject is `u.USER`, a group's is `g.GROUP`.

#[cfg(test)]
mod tests;

use super::content::{ContentReader, ContentWriter};
use super::{Packet, Reader};
use crate::error::LoadError;
use crate::frame::{Opcode, append_masked, append_masked_header};
use crate::wire::{Incoming, MessageShape, RunTag, Stamp};

const CONNECT: &str = r#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"echo":true,"headers":false,"protocol":1,"lang":"load-tester","version":"1"}"#;
/// The server's greeting is the longest line: half a KiB.
const LINE_LEN_MAX: usize = 64 * 1024;
/// What a server may announce: a bound, not a limit anyone should meet.
const PAYLOAD_LEN_MAX: usize = 16 * 1024 * 1024;

/// Steps of logging in, in [`super::Session`].
const GREETED: u8 = 1;
const LOGGED_IN: u8 = 2;

/// Writes `PUB`, each in a frame of its own.
pub(crate) struct Writer {
    head: &'static [u8],
    /// The content's length and the end of the line.
    after_recipient: Vec<u8>,
    content: ContentWriter,
}

impl Writer {
    pub(super) fn new(tag: RunTag, shape: MessageShape) -> Self {
        let content = ContentWriter::new(tag, shape.size);
        Self {
            head: if shape.to_group { b"PUB g." } else { b"PUB u." },
            after_recipient: format!(" {}\r\n", content.len()).into_bytes(),
            content,
        }
    }

    pub(super) fn append(&self, out: &mut Vec<u8>, recipient: &[u8], stamp: Stamp) {
        let len = self.head.len() + recipient.len() + self.after_recipient.len() + self.content.len() + 2;
        out.reserve(len + 14);
        append_masked_header(out, Opcode::Binary, len);
        out.extend_from_slice(self.head);
        out.extend_from_slice(recipient);
        out.extend_from_slice(&self.after_recipient);
        self.content.append(out, stamp);
        out.extend_from_slice(b"\r\n");
    }
}

/// Understands one line, with the payload that belongs to it.
pub(super) fn read<'a>(
    contents: &ContentReader,
    bytes: &'a [u8],
    to: Reader<'_>,
) -> Result<Option<Packet<'a>>, LoadError> {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        if bytes.len() > LINE_LEN_MAX {
            return Err(LoadError::Protocol("a NATS line without end"));
        }
        return Ok(None);
    };
    let line = bytes.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let after = end + 1;
    let verb_len = line.iter().take_while(|byte| **byte != b' ').count();
    let packet = match line.split_at(verb_len) {
        (b"MSG", arguments) => return on_message(contents, bytes, after, arguments),
        (b"PING", _) => {
            append_masked(to.answers, Opcode::Binary, b"PONG\r\n");
            Packet::of_no_interest(after)
        }
        (b"PONG", _) if to.session.step == GREETED => {
            to.session.step = LOGGED_IN;
            Packet::of(after, Incoming::LoginReply { accepted: true })
        }
        // Servers send it again when anything in it changes.
        (b"INFO", _) if to.session.step == 0 => {
            to.session.step = GREETED;
            append_greeting(to);
            Packet::of_no_interest(after)
        }
        (b"INFO" | b"PONG" | b"+OK", _) => Packet::of_no_interest(after),
        (b"-ERR", why) => Packet::of(
            after,
            Incoming::Error {
                code: std::str::from_utf8(why).unwrap_or_default().trim(),
                of: None,
            },
        ),
        _ => return Err(LoadError::Protocol("a NATS line that makes no sense")),
    };
    Ok(Some(packet))
}

/// Answers the server's greeting. Its answer to the PING shows that the subscriptions are in force.
fn append_greeting(to: Reader<'_>) {
    let group = match to.options.group {
        Some(group) => format!("SUB g.{group} 2\r\n"),
        None => String::new(),
    };
    let text = format!("{CONNECT}\r\nSUB u.{} 1\r\n{group}PING\r\n", to.user_id);
    append_masked(to.answers, Opcode::Binary, text.as_bytes());
}

/// `MSG subject sid [reply-to] length`, and the payload.
fn on_message<'a>(
    contents: &ContentReader,
    bytes: &'a [u8],
    after: usize,
    arguments: &[u8],
) -> Result<Option<Packet<'a>>, LoadError> {
    let digits = arguments.rsplit(|byte| *byte == b' ').next();
    let payload_len = digits
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok())
        .filter(|len| *len <= PAYLOAD_LEN_MAX)
        .ok_or(LoadError::Protocol("a NATS message without a length"))?;
    let len = after + payload_len + 2;
    let Some(payload) = bytes.get(after..len) else {
        return Ok(None);
    };
    Ok(Some(Packet::of(
        len,
        Incoming::Message(contents.stamp_of(payload)),
    )))
}
