//! Users whose home is another domain by now: what waits here for them is to go there.

use std::time::Duration;

use linker_core::id::{DomainName, UserId};
use linker_core::port::WaitReason;

use super::world::{Event, Mail, World, place_of, trace};

const LOOK_AGAIN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_millis(200);

impl World {
    pub(crate) fn strays(&mut self) {
        let strays = self.node().net.strays.get_mut();
        strays.wanted = false;
        let some: Vec<UserId> = std::mem::take(&mut strays.some).into_iter().collect();
        let all = std::mem::take(&mut strays.all);
        self.strays_ask((!all).then_some(some), false);
    }

    pub(crate) fn strays_ask(&mut self, users: Option<Vec<UserId>>, again: bool) {
        if self.domains[self.at].store_is_away {
            self.schedule(ASK_AGAIN, Event::StraysAsk(users, again));
            return;
        }
        let looked: Vec<UserId> = match &users {
            Some(users) => users.clone(),
            None => self.domains[self.at].store.recipients().into_iter().collect(),
        };
        let directory = self.node().net.directory.borrow();
        let own = directory.own_domain();
        let home = |user: &UserId| {
            let home = directory.home_of(user)?;
            Some((*user, (home != own).then(|| home.clone())))
        };
        let homes: Vec<_> = looked.iter().filter_map(home).collect();
        drop(directory);
        let after = self.store_takes();
        self.schedule(after, Event::StraysMoved(users, again, homes));
    }

    pub(crate) fn strays_moved(
        &mut self,
        users: Option<Vec<UserId>>,
        again: bool,
        homes: Vec<(UserId, Option<DomainName>)>,
    ) {
        let domain = &mut self.domains[self.at];
        if domain.store_is_away {
            self.schedule(ASK_AGAIN, Event::StraysAsk(users, again));
            return;
        }
        domain.store.rehome(&homes);
        for home in homes.iter().filter_map(|(_, home)| home.as_ref()) {
            self.node().net.shut(place_of(home));
        }
        if homes.iter().any(|(_, home)| home.is_none()) {
            let store = &self.domains[self.at].store;
            let page = store.page(0, u32::MAX, |row| row.reason == WaitReason::Fault);
            if !page.rows.is_empty() {
                trace!(self, "{} rows are taken over", page.rows.len());
                self.mail(Mail::Faults(page.rows));
            }
        }
        if users.is_none() && !again {
            self.schedule(LOOK_AGAIN, Event::StraysAsk(None, true));
            return;
        }
        let strays = self.node().net.strays.get_mut();
        strays.busy = strays.wanted;
        if strays.wanted {
            self.schedule(SETTLE, Event::Strays);
        }
    }
}
