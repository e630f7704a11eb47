//! Limits that the sessions of a user, of an app and of an address have together.

use std::net::IpAddr;
use std::time::Instant;

use linker_core::clock::Now;
use linker_core::id::{AppName, UserId};
use linker_core::session::{SharedLimits, SharedVerdict};

use crate::attempts::Attempts;
use crate::config::NodeConfig;
use crate::runtime::clock::Clock;

/// What was done lately on this node, as far as it is limited.
pub(crate) struct SharedRates {
    frames_of_users: Attempts<UserId>,
    frames_of_apps: Attempts<AppName>,
    logins: Attempts<IpAddr>,
}

impl SharedRates {
    pub(crate) fn new(config: &NodeConfig) -> Self {
        Self {
            frames_of_users: Attempts::new(config.messages_per_second_per_user),
            frames_of_apps: Attempts::new(config.messages_per_second_per_app),
            logins: Attempts::new(config.logins_per_second_per_address),
        }
    }

    pub(crate) fn configure(&self, config: &NodeConfig) {
        self.frames_of_users
            .set_per_second(config.messages_per_second_per_user);
        self.frames_of_apps
            .set_per_second(config.messages_per_second_per_app);
        self.logins.set_per_second(config.logins_per_second_per_address);
    }
}

/// The same, as one session sees it.
pub(crate) struct SessionShare<'a> {
    pub(crate) rates: &'a SharedRates,
    pub(crate) clock: Clock,
    pub(crate) address: Option<IpAddr>,
}

impl SessionShare<'_> {
    fn instant(&self, now: Now) -> Instant {
        self.clock.instant(now.elapsed).into_std()
    }
}

impl SharedLimits for SessionShare<'_> {
    fn frame(&self, user: &UserId, now: Now) -> SharedVerdict {
        let now = self.instant(now);
        if !self.rates.frames_of_users.take(*user, now) {
            return SharedVerdict::UserOver;
        }
        match self.rates.frames_of_apps.take(*user.app(), now) {
            true => SharedVerdict::Pass,
            false => SharedVerdict::AppOver,
        }
    }

    fn login(&self, now: Now) -> bool {
        // Without an address nobody can be told apart, and all would have one rate together.
        self.address
            .is_none_or(|address| self.rates.logins.take(address, self.instant(now)))
    }
}
