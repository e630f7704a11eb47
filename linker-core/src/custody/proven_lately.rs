//! Messages of other nodes that sessions of this one have proven: their origin may not have heard of it.

use std::time::Duration;

use crate::envelope::Envelope;
use crate::generations::Generations;
use crate::id::{DomainName, MessageId};

/// Ids of one generation. There are two.
const GENERATION_MAX: usize = 1 << 16;
/// After this a generation is full however few it has.
const GENERATION_TIME: Duration = Duration::from_secs(60);

/// Ids proven within the last minute or two, in bounded memory.
#[derive(Debug)]
pub struct ProvenLately(Generations<MessageId, Path>);

/// `None` for what has not left a domain: that costs nothing.
type Path = Option<Box<[DomainName]>>;

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
        self.0.insert(envelope.id, path, now);
    }

    /// Whether it was proven, as far as is remembered.
    pub fn contains(&self, id: &MessageId) -> bool {
        self.0.get(id).is_some()
    }

    /// The domains that what was proven had left, for people who ask.
    pub fn path(&self, id: &MessageId) -> Option<&[DomainName]> {
        self.0.get(id).map(|path| path.as_deref().unwrap_or_default())
    }
}
