//! Messages of other nodes that sessions of this one have proven: their origin may not have heard of it.

use std::collections::HashSet;
use std::time::Duration;

use crate::id::MessageId;

/// Ids of one generation. There are two.
const GENERATION_MAX: usize = 1 << 16;
/// After this a generation is full however few it has.
const GENERATION_TIME: Duration = Duration::from_secs(60);

/// Ids proven within the last minute or two, in bounded memory.
#[derive(Debug, Default)]
pub struct ProvenLately {
    young: HashSet<MessageId>,
    old: HashSet<MessageId>,
    turned_at: Duration,
}

impl ProvenLately {
    /// It was proven.
    pub fn insert(&mut self, id: MessageId, now: Duration) {
        if self.young.len() >= GENERATION_MAX || self.turned_at + GENERATION_TIME <= now {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
        self.young.insert(id);
    }

    /// Whether it was proven, as far as is remembered.
    pub fn contains(&self, id: &MessageId) -> bool {
        self.young.contains(id) || self.old.contains(id)
    }
}
