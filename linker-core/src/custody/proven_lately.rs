//! Messages of other nodes that sessions of this one have proven: their origin may not have heard of it.

use std::time::Duration;

use crate::generations::Generations;
use crate::id::MessageId;

/// Ids of one generation. There are two.
const GENERATION_MAX: usize = 1 << 16;
/// After this a generation is full however few it has.
const GENERATION_TIME: Duration = Duration::from_secs(60);

/// Ids proven within the last minute or two, in bounded memory.
#[derive(Debug)]
pub struct ProvenLately(Generations<MessageId, ()>);

impl Default for ProvenLately {
    fn default() -> Self {
        Self(Generations::new(GENERATION_MAX, GENERATION_TIME, Duration::ZERO))
    }
}

impl ProvenLately {
    /// It was proven.
    pub fn insert(&mut self, id: MessageId, now: Duration) {
        self.0.insert(id, (), now);
    }

    /// Whether it was proven, as far as is remembered.
    pub fn contains(&self, id: &MessageId) -> bool {
        self.0.get(id).is_some()
    }
}
