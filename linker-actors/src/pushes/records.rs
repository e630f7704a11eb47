//! What of a push stands in the store.

use bytes::Bytes;
use linker_core::envelope::Feature;
use linker_core::port::{Expected, Record, RecordWrite};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Pushes and their results are kept so long.
pub(super) const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// Pushes that are not done yet.
pub(super) const OPEN: &str = "push-open/";
const JOB: &str = "push/";
const PART: &str = "push-part/";

/// What is sent, and when it was taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub(super) content: Box<RawValue>,
    pub(super) fast: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    pub(super) target: Target,
    /// ms since the epoch.
    pub(super) created: u64,
    /// Once it is done.
    #[serde(default)]
    pub(super) counts: Option<Counts>,
    /// A part has this many users at most, but for those of nodes.
    pub(super) parts: u32,
    /// Tells it from another request of the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<String>,
    /// To which its maker is bound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) apps: Vec<String>,
}

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Target {
    /// The users of the parts.
    List,
    /// Who is online of this app.
    App(String),
    /// Who is online.
    All,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Open {
    /// Parts that are still to be done, in order.
    pub(super) parts: Vec<OpenPart>,
    pub(super) counts: Counts,
}

/// A part that is still to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OpenPart {
    pub(super) number: u32,
    /// The node whose users it has, of what goes to who is online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
    /// Who is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Lease>,
}

/// A node is at a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// The node, as name~incarnation.
    pub(super) node: String,
    /// This turn of that node's: what it writes is of no use once another one is at it.
    #[serde(default)]
    pub(super) run: u64,
    /// ms since the epoch.
    pub(super) until: u64,
}

/// Users by what became of their message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counts {
    pub(super) total: u64,
    pub(super) delivered: u64,
    pub(super) stored: u64,
    pub(super) forwarded: u64,
    pub(super) dropped: u64,
    pub(super) refused: u64,
}

/// What became of the message to one user, as a part has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Pending,
    Delivered,
    Stored,
    Forwarded,
    Dropped,
    Refused,
    /// FAST, and who was at it did not say whether it was sent: it is not sent again.
    Unknown,
}

impl Outcome {
    const ALL: [(char, Self); 7] = [
        ('p', Self::Pending),
        ('d', Self::Delivered),
        ('s', Self::Stored),
        ('f', Self::Forwarded),
        ('x', Self::Dropped),
        ('r', Self::Refused),
        ('u', Self::Unknown),
    ];

    pub(super) fn of(letter: char) -> Self {
        let known = Self::ALL.iter().find(|(known, _)| *known == letter);
        known.map_or(Self::Pending, |(_, outcome)| *outcome)
    }

    pub(super) fn letter(self) -> char {
        let known = Self::ALL.iter().find(|(_, outcome)| *outcome == self);
        known.map_or('p', |(letter, _)| *letter)
    }

    /// It is not on its way to its user, nor was it delivered.
    pub(super) fn is_lost(self) -> bool {
        matches!(self, Self::Dropped | Self::Refused)
    }
}

impl Counts {
    /// One more with this outcome.
    pub(super) fn note(&mut self, outcome: Outcome) {
        let place = match outcome {
            Outcome::Pending => return,
            Outcome::Delivered => &mut self.delivered,
            Outcome::Stored => &mut self.stored,
            Outcome::Forwarded => &mut self.forwarded,
            Outcome::Dropped | Outcome::Unknown => &mut self.dropped,
            Outcome::Refused => &mut self.refused,
        };
        *place += 1;
    }

    pub(super) fn pending(&self) -> u64 {
        let done = self.delivered + self.stored + self.forwarded + self.dropped + self.refused;
        self.total.saturating_sub(done)
    }
}

/// Users, and what became of their messages, a letter each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) users: Vec<String>,
    pub(super) outcomes: String,
}

impl Job {
    pub(super) fn feature(&self) -> Feature {
        match self.fast {
            true => Feature::Fast,
            false => Feature::Reliable,
        }
    }
}

pub(super) fn job_key(id: &str) -> String {
    format!("{JOB}{id}")
}

pub(super) fn open_key(id: &str) -> String {
    format!("{OPEN}{id}")
}

pub(super) fn part_key(id: &str, number: u32) -> String {
    format!("{PART}{id}/{number:08}")
}

pub(super) fn part_prefix(id: &str) -> String {
    format!("{PART}{id}/")
}

/// What a record of ours says; `None` for one that is not understood.
pub(super) fn read<T: DeserializeOwned>(record: &Record) -> Option<T> {
    serde_json::from_slice(&record.body).ok()
}

pub(super) fn write<T: Serialize>(key: String, expected: Expected, body: &T, expires_ms: u64) -> RecordWrite {
    RecordWrite {
        key,
        expected,
        // Nothing in ours can fail to be written.
        body: Some(Bytes::from(serde_json::to_vec(body).unwrap_or_default())),
        expires_ms,
    }
}

pub(super) fn remove(key: String, expected: Expected) -> RecordWrite {
    RecordWrite {
        key,
        expected,
        body: None,
        expires_ms: 0,
    }
}
