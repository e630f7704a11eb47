//! Messages of other nodes that sessions of this one have proven: their origin may not have heard of it.

use std::time::Duration;

use crate::envelope::Envelope;
use crate::generations::Generations;
use crate::id::{AppName, DomainName, MessageId};

/// Ids of one generation. There are two.
const GENERATION_MAX: usize = 1 << 16;
/// After this a generation is full however few it has.
const GENERATION_TIME: Duration = Duration::from_secs(60);

/// What was proven, for people who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The apps of its sender and of its recipient.
    pub apps: [AppName; 2],
    /// `None` for what has not left a domain: that costs nothing.
    path: Option<Box<[DomainName]>>,
}

impl Proven {
    /// The domains that it had left.
    pub fn path(&self) -> &[DomainName] {
        self.path.as_deref().unwrap_or_default()
    }
}

/// Ids proven within the last minute or two, in bounded memory.
#[derive(Debug)]
pub struct ProvenLately(Generations<MessageId, Proven>);

impl Default for ProvenLately {
    fn default() -> Self {
        Self(Generations::new(GENERATION_MAX, GENERATION_TIME, Duration::ZERO))
    }
}

impl ProvenLately {
    /// It was proven.
    pub fn insert(&mut self, envelope: &Envelope, now: Duration) {
        let trail = envelope.trail.as_ref().filter(|trail| !trail.path.is_empty());
        let path = trail.map(|trail| trail.path.clone().into());
        let apps = envelope.apps();
        self.0.insert(envelope.id, Proven { apps, path }, now);
    }

    /// Whether it was proven, as far as is remembered.
    pub fn contains(&self, id: &MessageId) -> bool {
        self.get(id).is_some()
    }

    /// What is remembered of it.
    pub fn get(&self, id: &MessageId) -> Option<&Proven> {
        self.0.get(id)
    }
}
