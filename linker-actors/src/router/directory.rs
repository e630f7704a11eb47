//! Where the routers of a node are.

use std::sync::{PoisonError, RwLock};

use actix::Recipient;

use super::RouterMail;

/// The routers by number. 0 is the node's own: it outlives the threads of sessions.
#[derive(Default)]
pub(crate) struct Routers {
    of: RwLock<Vec<Option<Recipient<RouterMail>>>>,
}

impl Routers {
    /// A number for a new router.
    pub(crate) fn reserve(&self) -> u16 {
        let mut routers = self.of.write().unwrap_or_else(PoisonError::into_inner);
        // Numbers of routers that ended are not used again: tickets of theirs may still be about.
        routers.push(None);
        (routers.len() - 1) as u16
    }

    pub(crate) fn set(&self, shard: u16, recipient: Recipient<RouterMail>) {
        let mut routers = self.of.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = routers.get_mut(usize::from(shard)) {
            *place = Some(recipient);
        }
    }

    pub(crate) fn remove(&self, shard: u16) {
        let mut routers = self.of.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = routers.get_mut(usize::from(shard)) {
            *place = None;
        }
    }

    /// A sender of one's own: keep it, its place in the mailbox is part of the bound.
    pub(crate) fn recipient(&self, shard: u16) -> Option<Recipient<RouterMail>> {
        let routers = self.of.read().unwrap_or_else(PoisonError::into_inner);
        routers.get(usize::from(shard))?.clone()
    }

    pub(crate) fn all(&self) -> Vec<(u16, Recipient<RouterMail>)> {
        let routers = self.of.read().unwrap_or_else(PoisonError::into_inner);
        let present =
            |(shard, recipient): (usize, &Option<_>)| Some((shard as u16, Option::clone(recipient)?));
        routers.iter().enumerate().filter_map(present).collect()
    }

    /// Everybody has a look at what the node shares.
    pub(crate) fn wake_all(&self) {
        let routers = self.of.read().unwrap_or_else(PoisonError::into_inner);
        for recipient in routers.iter().flatten() {
            // Full means awake.
            let _ = recipient.try_send(RouterMail::Wake);
        }
    }
}
