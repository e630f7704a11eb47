//! Messages that other domains have taken over lately: for people who ask where one is.

use std::time::Duration;

use crate::envelope::Envelope;
use crate::generations::Generations;
use crate::id::{AppName, DomainName, MessageId};

/// Ids of one generation. There are two.
const GENERATION_MAX: usize = 1 << 14;
/// After this a generation is full however few it has.
const GENERATION_TIME: Duration = Duration::from_secs(60);

/// Where a message has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// The apps of its sender and of its recipient.
    pub apps: [AppName; 2],
    /// The domains that it had left when it was here.
    pub path: Vec<DomainName>,
    /// Where its recipient lives.
    pub home: DomainName,
}

/// Messages forwarded within the last minute or two, in bounded memory.
#[derive(Debug)]
pub struct ForwardedLately(Generations<MessageId, Forwarded>);

impl Default for ForwardedLately {
    fn default() -> Self {
        Self(Generations::new(GENERATION_MAX, GENERATION_TIME, Duration::ZERO))
    }
}

impl ForwardedLately {
    /// The next domain on its way has it.
    pub fn insert(&mut self, envelope: &Envelope, home: DomainName, now: Duration) {
        let path = envelope.trail.as_ref().map(|trail| trail.path.clone());
        let forwarded = Forwarded {
            apps: envelope.apps(),
            path: path.unwrap_or_default(),
            home,
        };
        self.0.insert(envelope.id, forwarded, now);
    }

    /// Where it has gone, as far as is remembered.
    pub fn get(&self, id: &MessageId) -> Option<&Forwarded> {
        self.0.get(id)
    }
}
