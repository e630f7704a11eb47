//! What travels between sessions, nodes, domains and the store.

mod codec;

use bytes::Bytes;
use serde_json::value::RawValue;

pub use codec::{EnvelopeDecodeError, HEAD_LEN_MAX, decode, decode_head, encode};

use crate::frame::{Fields, read_string};
use crate::id::{AppName, DomainName, MessageId, UserId};

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
    /// `UPSTREAM`: a user's message to the application ([`crate::upstream`]).
    Upstream,
    /// What the application is told of a user or a message; `from` is the user, or the message's author.
    UpstreamEvent,
}

impl Kind {
    /// Whether it counts towards the recipient's inbox limit and may be refused for it.
    pub fn counts(self) -> bool {
        matches!(self, Self::Message | Self::GroupMessage | Self::Upstream)
    }

    /// Whether it is for the application, and for no user.
    pub fn is_upstream(self) -> bool {
        matches!(self, Self::Upstream | Self::UpstreamEvent)
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
    /// The apps of its sender and of its recipient.
    pub fn apps(&self) -> [AppName; 2] {
        [*self.from.app(), *self.to.app()]
    }

    /// What the same message sent again has in common with it: sender, recipient and reference.
    /// `None` for what is never taken for a repetition.
    pub fn dedupe_reference(&self) -> Option<&str> {
        match (self.kind, self.feature) {
            (Kind::Message | Kind::Upstream, Feature::Reliable) => self.reference.as_deref(),
            _ => None,
        }
    }

    /// Whether its content may stand in a client's frame: JSON, and for a refusal an object with what an `ERROR` has. Sessions take nothing else from their clients; what
    /// another domain hands over has to be looked at, since content that ends the frame it is put into would speak in the server's name.
    pub fn has_sound_content(&self) -> bool {
        match self.kind {
            Kind::Message | Kind::GroupMessage | Kind::Upstream | Kind::UpstreamEvent => {
                serde_json::from_slice::<&RawValue>(&self.content).is_ok()
            }
            Kind::Refusal => std::str::from_utf8(&self.content).is_ok_and(is_error),
            // Theirs is not shown to anybody.
            Kind::Confirmation | Kind::Read | Kind::UserConnected | Kind::UserDisconnected => true,
        }
    }

    /// Whether a domain can have made it: it tells nobody but the master of their app of its users, and never of himself, and who is told that a message was delivered or
    /// read is told which. What documents that differ for a moment may have otherwise is not looked at.
    pub fn could_be_sent(&self) -> bool {
        match self.kind {
            Kind::UserConnected | Kind::UserDisconnected => {
                self.from.app() == self.to.app() && self.from != self.to
            }
            Kind::Confirmation | Kind::Read => self.reference.is_some(),
            Kind::Message | Kind::GroupMessage | Kind::Refusal | Kind::Upstream | Kind::UpstreamEvent => true,
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

/// The data of an `ERROR`.
fn is_error(text: &str) -> bool {
    let is_text = |raw: Option<&RawValue>| raw.is_some_and(|raw| read_string(raw, "").is_ok());
    Fields::read(text, &["code", "message"]).is_ok_and(|data| is_text(data.raw(0)) && is_text(data.raw(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(kind: Kind, content: &'static str) -> Envelope {
        Envelope {
            id: MessageId::from_bytes([0; 16]),
            kind,
            feature: Feature::Reliable,
            from: "ANZ-1".parse().unwrap(),
            to: "ANZ-2".parse().unwrap(),
            reference: None,
            confirm: false,
            timestamp_ms: 0,
            content: Bytes::from_static(content.as_bytes()),
            trail: None,
        }
    }

    #[test]
    fn content_that_ends_its_frame_is_not_sound() {
        for kind in [Kind::Message, Kind::GroupMessage] {
            for sound in ["1", "null", "[1e400]", r#"{"a":"b"}"#, " 1 "] {
                assert!(envelope(kind, sound).has_sound_content(), "{sound}");
            }
            for unsound in ["", "1},\"type\":\"PONG\",\"data\":{\"a\":1", "{", "1 2", "nan"] {
                assert!(!envelope(kind, unsound).has_sound_content(), "{unsound}");
            }
        }
        assert!(envelope(Kind::Refusal, r#"{"code":"INBOX_FULL","message":"full"}"#).has_sound_content());
        for unsound in [
            "",
            "1",
            "[]",
            r#"["a","b"]"#,
            r#"{"code":1,"message":"a"}"#,
            r#"{"code":"A"}"#,
        ] {
            assert!(!envelope(Kind::Refusal, unsound).has_sound_content(), "{unsound}");
        }
        assert!(envelope(Kind::Read, "").has_sound_content());
    }

    #[test]
    fn what_no_domain_sends_is_known() {
        let event = |kind, from: &str, to: &str| Envelope {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            ..envelope(kind, "")
        };
        for kind in [Kind::UserConnected, Kind::UserDisconnected] {
            assert!(event(kind, "ANZ-1", "ANZ-2").could_be_sent());
            assert!(!event(kind, "XYZ-1", "ANZ-2").could_be_sent(), "of another app");
            assert!(!event(kind, "ANZ-2", "ANZ-2").could_be_sent(), "of himself");
        }
        for kind in [Kind::Confirmation, Kind::Read] {
            assert!(!envelope(kind, "").could_be_sent(), "of which message?");
            let of_one = Envelope {
                reference: Some("r".into()),
                ..envelope(kind, "")
            };
            assert!(of_one.could_be_sent());
        }
        assert!(envelope(Kind::Message, "1").could_be_sent());
    }
}
