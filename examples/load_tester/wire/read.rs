//! What the server sends, understood by searching.

use memchr::memmem::Finder;

use super::{RunTag, Stamp, read_reference, read_stamp};

/// A frame from the server, as far as the tester cares.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    LoginReply {
        accepted: bool,
    },
    /// A message; without a stamp it is of another run.
    Message(Option<Stamp>),
    /// `MESSAGE_CONFIRMATION`, with the identity its reference names (its time is 0).
    Confirmation(Option<Stamp>),
    /// `MESSAGE_ACCEPTED`, likewise.
    Accepted(Option<Stamp>),
    /// A peer's broker has taken the message over, whether or not it has arrived.
    Acknowledged(Option<Stamp>),
    FetchComplete {
        left: u64,
    },
    Error {
        code: &'a str,
        of: Option<Stamp>,
    },
    /// A type the tester has no use for.
    Other(&'a str),
}

/// Reads frames by searching. One search costs some tens of nanoseconds: what is looked for stands near the head.
pub(crate) struct FrameReader {
    stamp: Finder<'static>,
    reference: Finder<'static>,
    kind: Finder<'static>,
}

impl FrameReader {
    /// A reader that knows the messages of the run `tag`.
    pub(crate) fn new(tag: RunTag) -> Self {
        Self {
            stamp: Finder::new(&format!("\"~{}", tag.digits())).into_owned(),
            reference: Finder::new(&format!("\"R{}", tag.digits())).into_owned(),
            kind: Finder::new("\"type\"").into_owned(),
        }
    }

    /// Understands a text frame of Linker's. Key order and white space are free, as the protocol has it.
    pub(crate) fn read<'a>(&self, text: &'a [u8]) -> Incoming<'a> {
        match self.kind_of(text) {
            "MESSAGE" => Incoming::Message(self.stamp_in(text)),
            "MESSAGE_CONFIRMATION" => Incoming::Confirmation(self.reference_in(text)),
            "MESSAGE_ACCEPTED" => Incoming::Accepted(self.reference_in(text)),
            "AUTH_CLIENT_REPLY" => Incoming::LoginReply {
                accepted: word_after(text, b"\"isAuthenticated\"") == "true",
            },
            "FETCH_MISSING_MESSAGES_COMPLETE" => Incoming::FetchComplete {
                left: word_after(text, b"\"leftMissingCount\"").parse().unwrap_or(0),
            },
            "ERROR" => Incoming::Error {
                code: word_after(text, b"\"code\""),
                of: self.reference_in(text),
            },
            other => Incoming::Other(other),
        }
    }

    /// Understands what a bare echo returns: the tester's own message.
    pub(crate) fn read_echo<'a>(&self, text: &'a [u8]) -> Incoming<'a> {
        Incoming::Message(self.stamp_in(text))
    }

    fn kind_of<'a>(&self, text: &'a [u8]) -> &'a str {
        const USUAL_HEAD: &[u8] = b"{\"type\":\"";
        if let Some(rest) = text.strip_prefix(USUAL_HEAD) {
            return word(rest);
        }
        self.kind.find(text).map_or("", |at| value_at(text, at + 6))
    }

    fn stamp_in(&self, text: &[u8]) -> Option<Stamp> {
        let at = self.stamp.find(text)? + 10;
        read_stamp(text.get(at..)?)
    }

    fn reference_in(&self, text: &[u8]) -> Option<Stamp> {
        let at = self.reference.find(text)? + 10;
        read_reference(text.get(at..)?)
    }
}

/// The word (letters, digits, `_`, `-`, `.`) that follows `key` and a colon, quoted or not.
fn word_after<'a>(text: &'a [u8], key: &[u8]) -> &'a str {
    memchr::memmem::find(text, key).map_or("", |at| value_at(text, at + key.len()))
}

fn value_at(text: &[u8], at: usize) -> &str {
    let rest = text.get(at..).unwrap_or_default();
    let skipped = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':'))
        .count();
    let rest = rest.get(skipped..).unwrap_or_default();
    word(rest.strip_prefix(b"\"").unwrap_or(rest))
}

fn word(text: &[u8]) -> &str {
    let len = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
        .count();
    text.get(..len)
        .and_then(|word| std::str::from_utf8(word).ok())
        .unwrap_or("")
}
