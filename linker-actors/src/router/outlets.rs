//! One holder's ways to the routers of its node.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{RouterMail, Routers};
use crate::runtime::outlet::Outlet;

/// Made as they are needed.
#[derive(Default)]
pub(crate) struct RouterOutlets {
    of: HashMap<u16, Outlet<RouterMail>>,
}

impl RouterOutlets {
    /// Sends, now or with a later flush. Mail for a router that has ended is dropped: it has surrendered what the mail is about.
    pub(crate) fn send(&mut self, routers: &Routers, shard: u16, mail: RouterMail) {
        let outlet = match self.of.entry(shard) {
            Entry::Occupied(outlet) => outlet.into_mut(),
            Entry::Vacant(place) => match routers.recipient(shard) {
                Some(recipient) => place.insert(Outlet::to("router", recipient)),
                None => return,
            },
        };
        outlet.push(mail);
    }

    /// Sends what waits. False when some still does.
    pub(crate) fn flush(&mut self) -> bool {
        let mut flushed = true;
        for outlet in self.of.values_mut() {
            flushed &= outlet.flush();
        }
        flushed
    }

    /// The holder ends: what waits goes out whatever the mailboxes have room for.
    pub(crate) fn empty(&mut self) {
        self.of.values_mut().for_each(Outlet::empty);
    }
}
