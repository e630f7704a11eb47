//! What a node knows of apps, users and domains at one moment.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::{ClientApp, ClientApps};
use crate::code::{ErrorCode, FrameError};
use crate::distribution::UserDistributions;
use crate::id::{AppName, DomainName, UserId};
use crate::network::{Domain, DomainId, LinkDirection, NextHops, Topology};

/// Where a recipient is at home, as seen from the directory's domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home<'d> {
    /// In this domain.
    Here,
    /// In another one.
    Away {
        /// Which.
        domain: &'d DomainName,
        /// The neighbour to hand over to; `None` while no path is up, so that the message has to wait.
        next_hop: Option<&'d DomainName>,
    },
}

/// Why nothing can be sent to a recipient, in the order in which it is checked (PROTOCOL.md, Identity).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipientError {
    /// `UNKNOWN_USER`: no client app has the recipient's prefix.
    #[error("no client app has this prefix")]
    UnknownUser,
    /// `UNKNOWN_DOMAIN`: no distribution covers its number, or no links lead to its domain, be they up or down.
    #[error("no domain that can be reached has users of this number")]
    UnknownDomain,
    /// `FORBIDDEN`: the two are of different apps, one of which is isolated.
    #[error("this app's users speak only with each other")]
    Forbidden,
}

/// Why the parts do not make a directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The own domain is not one of the network's.
    #[error("this node's domain {0} is not among the domains of the network")]
    OwnDomain(DomainName),
    /// Users would live in a domain that is not one of the network's.
    #[error("users are distributed to {0}, which is not among the domains of the network")]
    HomeDomain(DomainName),
}

/// An immutable snapshot: client apps, the home of each user, and the way to each domain. Cheap to clone; asking it allocates nothing.
#[derive(Debug, Clone)]
pub struct Directory {
    apps: Arc<ClientApps>,
    distributions: Arc<UserDistributions>,
    /// The domain of each range of `distributions`.
    homes: Arc<[DomainId]>,
    next_hops: Arc<NextHops>,
}

impl Directory {
    /// What a node of the domain `own` knows while the links of `down` are down.
    ///
    /// # Errors
    /// [`DirectoryError`] when `own` or the domain of a range is unknown to the topology.
    pub fn new(
        own: &DomainName,
        apps: Arc<ClientApps>,
        distributions: Arc<UserDistributions>,
        topology: &Arc<Topology>,
        down: &HashSet<LinkDirection>,
    ) -> Result<Self, DirectoryError> {
        let next_hops =
            NextHops::compute(topology, own, down).ok_or_else(|| DirectoryError::OwnDomain(own.clone()))?;
        let homes = distributions.ranges().iter().map(|range| {
            topology
                .id(&range.domain)
                .ok_or_else(|| DirectoryError::HomeDomain(range.domain.clone()))
        });
        Ok(Self {
            homes: homes.collect::<Result<_, _>>()?,
            apps,
            distributions,
            next_hops: Arc::new(next_hops),
        })
    }

    /// A domain on its own: every user of these apps is at home in it.
    pub fn single(domain: Domain, apps: Arc<ClientApps>) -> Self {
        Self {
            apps,
            distributions: Arc::default(),
            homes: Arc::new([]),
            next_hops: Arc::new(NextHops::alone(domain)),
        }
    }

    /// The same while other links are down; all else is shared.
    pub fn with_links_down(&self, down: &HashSet<LinkDirection>) -> Self {
        Self {
            next_hops: Arc::new(self.next_hops.recompute(down)),
            ..self.clone()
        }
    }

    /// The domain this directory was made for.
    pub fn own_domain(&self) -> &DomainName {
        self.next_hops.own()
    }

    /// The ways to the other domains.
    pub fn next_hops(&self) -> &NextHops {
        &self.next_hops
    }

    /// Domains and links, whatever their state.
    pub fn topology(&self) -> &Topology {
        self.next_hops.topology()
    }

    /// All client apps.
    pub fn apps(&self) -> &ClientApps {
        &self.apps
    }

    /// The client app with this id.
    pub fn app_by_id(&self, app_id: &str) -> Option<&Arc<ClientApp>> {
        self.apps.by_id(app_id)
    }

    /// The client app with this name.
    pub fn app_of(&self, app_name: &AppName) -> Option<&Arc<ClientApp>> {
        self.apps.by_name(app_name)
    }

    /// The domain a user lives in, reachable or not; `None` where no distribution covers the number.
    pub fn home_of(&self, user: &UserId) -> Option<&DomainName> {
        let home = self.home_id(user)?;
        Some(&self.topology().by_id(home).name)
    }

    /// The domain a user lives in, where that is another one than the own.
    pub fn home_away_of(&self, user: &UserId) -> Option<&DomainName> {
        if self.topology().domains().len() <= 1 {
            return None;
        }
        let home = self.home_id(user)?;
        (home != self.next_hops.own_id()).then(|| &self.topology().by_id(home).name)
    }

    /// Whether a user lives in the own domain.
    pub fn is_home(&self, user: &UserId) -> bool {
        self.home_id(user) == Some(self.next_hops.own_id())
    }

    /// Whether a session of `user` that began under `app` may go on: the app is still there and asks for no other proof, and the user is at home here.
    pub fn admits(&self, user: &UserId, app: &ClientApp) -> bool {
        let now = self.app_of(user.app());
        now.is_some_and(|now| now.admits_sessions_of(app)) && self.is_home(user)
    }

    /// Where clients of a domain connect to; empty for an unknown one.
    pub fn ws_urls(&self, domain: &DomainName) -> &[String] {
        self.topology()
            .domain(domain)
            .map_or(&[], |domain| &domain.ws_urls)
    }

    /// Whether a backend may write in this user's name: only somebody of an app can be answered, and gets the confirmation.
    ///
    /// # Errors
    /// `UNKNOWN_USER`.
    pub fn check_sender(&self, from: &UserId) -> Result<(), FrameError> {
        match self.app_of(from.app()) {
            Some(_) => Ok(()),
            None => {
                let message = format!("`from`: {from}: {}", RecipientError::UnknownUser);
                Err(FrameError::new(ErrorCode::UnknownUser, message))
            }
        }
    }

    /// Whether `from` may write to `to`, and where that goes. Asked for every message: two hash lookups at most and a binary search.
    ///
    /// # Errors
    /// [`RecipientError`], the first in its order that holds.
    pub fn check_recipient(&self, from: &UserId, to: &UserId) -> Result<Home<'_>, RecipientError> {
        let recipient_app = self.app_of(to.app()).ok_or(RecipientError::UnknownUser)?;
        let own = self.next_hops.own_id();
        let home = self
            .home_id(to)
            .filter(|home| self.topology().are_connected(own, *home))
            .ok_or(RecipientError::UnknownDomain)?;
        let isolated = |app: Option<&Arc<ClientApp>>| app.is_some_and(|app| app.isolated);
        if from.app() != to.app() && (recipient_app.isolated || isolated(self.app_of(from.app()))) {
            return Err(RecipientError::Forbidden);
        }
        Ok(match home == own {
            true => Home::Here,
            false => Home::Away {
                domain: &self.topology().by_id(home).name,
                next_hop: self.next_hops.by_id(home),
            },
        })
    }

    fn home_id(&self, user: &UserId) -> Option<DomainId> {
        match self.distributions.position(user.number()) {
            Some(range) => Some(self.homes[range]),
            // Without any distribution everybody lives in the one domain; with several domains nobody knows in which.
            None if self.distributions.is_empty() && self.topology().domains().len() == 1 => {
                Some(self.next_hops.own_id())
            }
            None => None,
        }
    }
}
