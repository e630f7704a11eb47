//! Identities: apps, users, messages, sessions, nodes and domains.
//!
//! No bare string stands for an identity anywhere else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limit::APP_NAME_LEN_MAX;

/// Why a text is not the identity it was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Not 1 to 32 of `A-Z a-z 0-9 _`.
    #[error("an app name is 1 to 32 of A-Z a-z 0-9 _")]
    AppName,
    /// Not `<appName>-<number>`.
    #[error(
        "a user id is <appName>-<number>, the number decimal, 0 to 9223372036854775807, without leading zeros"
    )]
    UserId,
    /// Not a UUID.
    #[error("a message id is a UUID")]
    MessageId,
    /// Not 1 to 128 of `A-Z a-z 0-9 . _ -`.
    #[error("a node or domain name is 1 to 128 of A-Z a-z 0-9 . _ -")]
    Name,
}

/// The app name, and the domain name, of what clients send to the application.
const UPSTREAM: &str = "_linker_upstream";

/// Short name of a client app: the prefix of its users' ids. Kept inline, so that ids are copied without allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppName {
    bytes: [u8; APP_NAME_LEN_MAX],
    len: u8,
}

impl AppName {
    /// Stands for the application behind a domain where a recipient has to be named ([`crate::upstream`]). Well formed, so that it is kept and sent as any
    /// other; no client app may have it.
    pub const UPSTREAM: Self = Self::of_ascii(UPSTREAM);

    /// `text` is a name.
    const fn of_ascii(text: &str) -> Self {
        let (text, mut bytes) = (text.as_bytes(), [0; APP_NAME_LEN_MAX]);
        let mut at = 0;
        while at < text.len() {
            bytes[at] = text[at];
            at += 1;
        }
        Self {
            bytes,
            len: text.len() as u8,
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the fallback is never taken.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// Every message hashes some: only what the name has, not the room for the longest.
impl Hash for AppName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl FromStr for AppName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let given = text.as_bytes();
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if given.is_empty() || given.len() > APP_NAME_LEN_MAX || !given.iter().all(allowed) {
            return Err(IdError::AppName);
        }
        let mut bytes = [0; APP_NAME_LEN_MAX];
        bytes[..given.len()].copy_from_slice(given);
        Ok(Self {
            bytes,
            len: given.len() as u8,
        })
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A user: `<appName>-<number>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId {
    app: AppName,
    number: u64,
}

/// The largest user number, 2^63−1.
pub const USER_NUMBER_MAX: u64 = i64::MAX as u64;

impl UserId {
    /// A user of `app`.
    ///
    /// # Errors
    /// [`IdError::UserId`] when `number` is above [`USER_NUMBER_MAX`].
    pub fn new(app: AppName, number: u64) -> Result<Self, IdError> {
        if number > USER_NUMBER_MAX {
            return Err(IdError::UserId);
        }
        Ok(Self { app, number })
    }

    /// The app this user belongs to.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    /// Whom a message of this user to the application is for: one recipient for each sender, so that a sender's messages keep their order.
    pub fn upstream(&self) -> Self {
        Self {
            app: AppName::UPSTREAM,
            number: self.number,
        }
    }

    /// Whether it stands for the application, and is no user.
    pub fn is_upstream(&self) -> bool {
        self.app == AppName::UPSTREAM
    }

    /// The number, by which the user's home domain is found.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl FromStr for UserId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (app, number) = text.split_once('-').ok_or(IdError::UserId)?;
        let app: AppName = app.parse().map_err(|_| IdError::UserId)?;
        let digits = number.as_bytes();
        let canonical = !digits.is_empty()
            && digits.len() <= 19
            && digits.iter().all(u8::is_ascii_digit)
            && (digits.len() == 1 || digits[0] != b'0');
        if !canonical {
            return Err(IdError::UserId);
        }
        let number = number.parse().map_err(|_| IdError::UserId)?;
        Self::new(app, number)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.app.as_str(), self.number)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identity of one message to one recipient: a UUIDv7, made by the node that accepted it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(uuid::Uuid);

impl MessageId {
    /// A UUIDv7 of the given time and randomness (core has no clock and no random source of its own).
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
    }

    /// The id of the confirmation of the message with this id: always the same one, so that two nodes that both believe to owe it owe it once.
    pub fn of_confirmation(&self) -> Self {
        let mut bytes = *self.as_bytes();
        // Within what was random, so that version and variant stay.
        bytes[11] ^= 0xff;
        Self::from_bytes(bytes)
    }

    /// The 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Back from [`MessageId::as_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The time it was made with, ms since the epoch. Of a confirmation that of its message; of an id that is no UUIDv7 anything.
    pub fn unix_ms(&self) -> u64 {
        let bytes = self.as_bytes();
        bytes[..6].iter().fold(0, |ms, byte| ms << 8 | u64::from(*byte))
    }

    /// Writes the 36 characters of the hyphenated form into `buffer`.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| IdError::MessageId)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One connection's session on its node, unique while the node runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SessionId(pub u64);

impl SessionId {
    const NODE: u64 = 1 << 63;
    const LINK: u64 = 1 << 62;

    /// Stands for the link to a neighbouring domain, where it has a message to hand over.
    pub fn of_link(number: u32) -> Self {
        Self(Self::LINK | u64::from(number))
    }

    /// Whether it stands for a link.
    pub fn is_link(self) -> bool {
        self.0 & (Self::LINK | Self::NODE) == Self::LINK
    }

    /// Stands for another node, where it has a message for its sessions.
    pub fn of_node(number: u32) -> Self {
        Self(Self::NODE | u64::from(number))
    }

    /// Whether it stands for a node.
    pub fn is_node(self) -> bool {
        self.0 & Self::NODE != 0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
                if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
                    return Err(IdError::Name);
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type! {
    /// Name of a node, unique in its domain.
    NodeName
}
name_type! {
    /// Name of a domain of the network.
    DomainName
}

/// One run of a node: a node that starts again under its name is another one, to which nothing of the former belongs.
/// As text `name~incarnation`, the incarnation as 16 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeInstance {
    /// The node's name, unique in its domain at any time.
    pub name: NodeName,
    /// Random, made at the node's start.
    pub incarnation: u64,
}

impl FromStr for NodeInstance {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (name, incarnation) = text.rsplit_once('~').ok_or(IdError::Name)?;
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if incarnation.len() != 16 || !incarnation.bytes().all(digits) {
            return Err(IdError::Name);
        }
        let incarnation = u64::from_str_radix(incarnation, 16).map_err(|_| IdError::Name)?;
        Ok(Self {
            name: name.parse()?,
            incarnation,
        })
    }
}

impl fmt::Display for NodeInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{:016x}", self.name, self.incarnation)
    }
}

impl fmt::Debug for NodeInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

impl DomainName {
    /// Stands for the application behind a domain where the domain has to be named that a message is to be handed over to ([`crate::upstream`]). Well formed, so that
    /// it is kept as any other; no domain may have it.
    pub fn upstream() -> Self {
        Self(UPSTREAM.into())
    }

    /// Stands for the application where a message is named that waits for it with those of its sender alone ([`crate::upstream::Aside`]).
    pub fn upstream_aside(sender: &UserId) -> Self {
        Self(format!("{UPSTREAM}.{sender}").into())
    }

    /// The sender of [`DomainName::upstream_aside`].
    pub fn aside_sender(&self) -> Option<UserId> {
        let sender = self.as_str().strip_prefix(UPSTREAM)?.strip_prefix('.')?;
        sender.parse().ok()
    }

    /// Whether it stands for the application, for all senders or one, and is no domain.
    pub fn is_upstream(&self) -> bool {
        let rest = self.as_str().strip_prefix(UPSTREAM);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

serde_as_text!(AppName, UserId, MessageId, NodeName, NodeInstance, DomainName);
