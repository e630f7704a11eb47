//! XMPP over WebSocket (RFC 7395): one element a text frame. A RELIABLE message asks for a receipt (XEP-0184), which the recipient's
//! client gives.
//!
//! Read by searching, as Linker's frames are: ejabberd writes attributes in single quotes, and either kind is understood.

mod login;
#[cfg(test)]
mod tests;

use memchr::memmem::find;

use super::content::{ContentReader, ContentWriter};
use super::{Packet, Reader};
use crate::cli::Feature;
use crate::error::LoadError;
use crate::frame::{Opcode, append_masked, append_masked_header};
use crate::wire::{Incoming, MessageShape, RunTag, Stamp};

pub(super) use self::login::append_open;

/// Every user's domain, which the server must have.
const DOMAIN: &str = "localhost";

/// Ends the stream.
pub(super) const CLOSE: &[u8] = b"<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\"/>";

/// Writes message stanzas.
pub(crate) struct Writer {
    /// Whether receipts are asked for.
    receipts: bool,
    after_recipient: Vec<u8>,
    tail: &'static [u8],
    content: ContentWriter,
}

impl Writer {
    pub(super) fn new(tag: RunTag, shape: MessageShape) -> Self {
        let receipts = shape.feature == Feature::Reliable;
        let after = if receipts { " id=\"" } else { "><body>" };
        Self {
            receipts,
            after_recipient: format!("@{DOMAIN}\" type=\"chat\"{after}").into_bytes(),
            tail: if receipts {
                b"</body><request xmlns=\"urn:xmpp:receipts\"/></message>"
            } else {
                b"</body></message>"
            },
            content: ContentWriter::new(tag, shape.size),
        }
    }

    pub(super) fn append(&self, out: &mut Vec<u8>, recipient: &[u8], stamp: Stamp) {
        const HEAD: &[u8] = b"<message xmlns=\"jabber:client\" to=\"";
        const AFTER_ID: &[u8] = b"\"><body>";
        let id_len = if self.receipts {
            ContentWriter::REFERENCE_LEN + AFTER_ID.len()
        } else {
            0
        };
        let len = HEAD.len()
            + recipient.len()
            + self.after_recipient.len()
            + id_len
            + self.content.len()
            + self.tail.len();
        out.reserve(len + 14);
        append_masked_header(out, Opcode::Text, len);
        out.extend_from_slice(HEAD);
        out.extend_from_slice(recipient);
        out.extend_from_slice(&self.after_recipient);
        if self.receipts {
            self.content.append_reference(out, stamp);
            out.extend_from_slice(AFTER_ID);
        }
        self.content.append(out, stamp);
        out.extend_from_slice(self.tail);
    }
}

/// Understands an element.
pub(super) fn read<'a>(
    contents: &ContentReader,
    bytes: &'a [u8],
    to: Reader<'_>,
) -> Result<Option<Packet<'a>>, LoadError> {
    let meaning = if bytes.starts_with(b"<message") {
        Some(on_message(contents, bytes, to.answers))
    } else {
        login::on_element(bytes, to)?
    };
    Ok(Some(Packet {
        len: bytes.len(),
        meaning,
    }))
}

/// A message or a receipt, or one of them come back as an error. Gives the receipt that is asked for.
fn on_message<'a>(contents: &ContentReader, bytes: &'a [u8], answers: &mut Vec<u8>) -> Incoming<'a> {
    let start = start_tag(bytes);
    if attribute(start, b" type=") == Some(b"error") {
        return Incoming::Error {
            code: "message not delivered",
            of: contents.reference_in(start),
        };
    }
    if find(bytes, b"<received").is_some() {
        return Incoming::Confirmation(contents.reference_in(bytes));
    }
    if find(bytes, b"<request").is_some()
        && let (Some(from), Some(id)) = (attribute(start, b" from="), attribute(start, b" id="))
    {
        append_receipt(answers, from, id);
    }
    Incoming::Message(contents.stamp_in(bytes))
}

fn append_receipt(answers: &mut Vec<u8>, to: &[u8], id: &[u8]) {
    let receipt = [
        b"<message xmlns=\"jabber:client\" type=\"chat\" to=\"",
        to,
        b"\"><received xmlns=\"urn:xmpp:receipts\" id=\"",
        id,
        b"\"/></message>",
    ];
    append_masked_header(answers, Opcode::Text, receipt.iter().map(|part| part.len()).sum());
    for part in receipt {
        answers.extend_from_slice(part);
    }
}

/// The tag that `element` begins with.
fn start_tag(element: &[u8]) -> &[u8] {
    let len = memchr::memchr(b'>', element).unwrap_or(element.len());
    element.get(..len).unwrap_or(element)
}

/// An attribute's value, as it is escaped. `name` has the blank before it and the sign after it.
fn attribute<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = tag.get(find(tag, name)? + name.len()..)?;
    let (quote, rest) = rest.split_first()?;
    let len = memchr::memchr(*quote, rest)?;
    rest.get(..len).filter(|_| matches!(quote, b'\'' | b'"'))
}

fn append_element(out: &mut Vec<u8>, element: &str) {
    append_masked(out, Opcode::Text, element.as_bytes());
}
