//! What travels between sessions, nodes, domains and the store.

mod codec;

use bytes::Bytes;

pub use codec::{EnvelopeDecodeError, HEAD_LEN_MAX, decode, decode_head, encode};

use crate::id::{DomainName, MessageId, UserId};

/// What the sender wants kept: nothing, or everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Never lost once acknowledged.
    Reliable,
    /// In memory only, at most once.
    Fast,
}

impl Feature {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reliable => "RELIABLE",
            Self::Fast => "FAST",
        }
    }
}

/// What an envelope is for its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A `MESSAGE` of a user.
    Message,
    /// A `MESSAGE` that was one of a `GROUP_MESSAGE`: no confirmation, no dedupe.
    GroupMessage,
    /// `MESSAGE_CONFIRMATION`: `from` is the one who received, `to` the author, `reference` the author's.
    Confirmation,
    /// `MESSAGE_READ`: a read receipt for the author `to`.
    Read,
    /// `USER_CONNECTED`: `from` is the user it tells of, `to` the master of its app.
    UserConnected,
    /// `USER_DISCONNECTED`: as [`Kind::UserConnected`].
    UserDisconnected,
    /// `ERROR` sent RELIABLE: a message of `to` was refused after it had been taken; `content` is the frame's `data`.
    Refusal,
}

impl Kind {
    /// Whether it counts towards the recipient's inbox limit and may be refused for it.
    pub fn counts(self) -> bool {
        matches!(self, Self::Message | Self::GroupMessage)
    }

    /// Whether it is an event of which only the newest of one user waits.
    pub fn is_event(self) -> bool {
        matches!(self, Self::UserConnected | Self::UserDisconnected)
    }
}

/// What a message carries that crosses from one domain into another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trail {
    /// The domains it has left so far, in order: the first is the one it was sent in.
    pub path: Vec<DomainName>,
    /// The message of the same sender to the same recipient that left the first domain just before it, if that was lately: it must not be overtaken.
    pub after: Option<MessageId>,
}

/// One message to one recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Stable over repetitions.
    pub id: MessageId,
    /// What it is for its recipient.
    pub kind: Kind,
    /// RELIABLE or FAST.
    pub feature: Feature,
    /// The author, or whom an event tells of.
    pub from: UserId,
    /// The recipient.
    pub to: UserId,
    /// The author's reference, 1 to 256 bytes.
    pub reference: Option<Box<str>>,
    /// Whether the author is owed a `MESSAGE_CONFIRMATION`; only ever true with a reference.
    pub confirm: bool,
    /// When the first server accepted it, milliseconds since the epoch.
    pub timestamp_ms: u64,
    /// JSON as the sender wrote it, never interpreted; empty for kinds without content.
    pub content: Bytes,
    /// `None` where it has never left the domain it was sent in.
    pub trail: Option<Box<Trail>>,
}

impl Envelope {
    /// What the same message sent again has in common with it: sender, recipient and reference.
    /// `None` for what is never taken for a repetition.
    pub fn dedupe_reference(&self) -> Option<&str> {
        match (self.kind, self.feature) {
            (Kind::Message, Feature::Reliable) => self.reference.as_deref(),
            _ => None,
        }
    }

    /// How many domains it has left so far. It only grows, but for what has gone to and fro so long that its path was shortened: each time
    /// it comes again that waits as long as anything does ([`crate::link::settling`]).
    pub fn hops(&self) -> u8 {
        let left = self.trail.as_ref().map_or(0, |trail| trail.path.len());
        u8::try_from(left).unwrap_or(u8::MAX)
    }

    /// Bytes it is counted with against memory bounds: its variable parts and a flat share for the rest.
    pub fn cost(&self) -> usize {
        const FIXED: usize = 256;
        FIXED + self.content.len() + self.reference.as_ref().map_or(0, |r| r.len())
    }
}
