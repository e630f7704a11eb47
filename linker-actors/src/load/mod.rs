//! How a node does just now: its rates, what it has under way, who does not keep up. For people who look, and never on a message's way.

mod domain;
mod meter;
mod slow;
mod tally;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use meter::{Meter, Probe, load_here, start};
pub use slow::{SlowSession, SlowSessions};
pub(crate) use slow::{SlowWord, slow_here};
pub(crate) use tally::Tally;

/// What a process has used, as its host measures it ([`crate::LinkerBuilder::process_use`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUse {
    /// Time of all cores since it started.
    pub cpu: Duration,
    /// Resident.
    pub memory_bytes: u64,
}

/// How a node does. Rates are those of the last five seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeLoad {
    /// Its sessions.
    pub sessions: u64,
    /// Messages and logins a second.
    pub rates: Rates,
    /// Messages in memory that are neither proven nor only in the store.
    pub pending_messages: u64,
    /// Their bytes.
    pub pending_bytes: u64,
    /// Sessions that do not keep up with what they are sent.
    pub slow_consumers: u64,
    /// What its process uses, where its host measures that.
    pub process: Option<ProcessLoad>,
    /// What is wrong with it; nothing where all is well.
    pub troubles: Vec<Trouble>,
    /// What is odd about parts that do their work all the same.
    pub notes: BTreeMap<String, String>,
}

/// So many a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rates {
    /// Messages that clients and hosts gave to this node.
    pub received: ByFeature,
    /// Messages of this node that were proven, or of FAST handed to a session; confirmations and receipts are messages too.
    pub delivered: ByFeature,
    /// Messages that went to the store.
    pub stored: f64,
    /// Messages handed to another domain.
    pub forwarded: f64,
    /// FAST messages for nobody.
    pub dropped: f64,
    /// Messages that were refused.
    pub refused: f64,
    /// Logins that were believed.
    pub logins: f64,
}

/// A rate of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByFeature {
    /// RELIABLE ones.
    pub reliable: f64,
    /// FAST ones.
    pub fast: f64,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessLoad {
    /// Cores: 1.0 is all of one.
    pub cpu: f64,
    /// Resident.
    pub memory_bytes: u64,
}

/// A part of a node that is not well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trouble {
    /// As in [`crate::Health::checks`].
    pub part: String,
    /// A sentence.
    pub what: String,
    /// Since when, ms since the epoch.
    pub since_ms: u64,
}
