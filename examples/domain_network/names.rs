//! The four domains, their links and their users, and what they are called.

use std::fmt;

use linker_actors::core::id::DomainName;

use crate::Outcome;

/// The domains, by their numbers from 0, which are one less than those in their names.
pub(crate) const DOMAINS: usize = 4;

/// The ring.
pub(crate) const LINKS: [(usize, usize); 4] = [(0, 1), (1, 2), (2, 3), (3, 0)];

/// The first and last numbers of each domain's users.
pub(crate) const USERS: [(u64, Option<u64>); DOMAINS] = [
    (0, Some(999_999)),
    (1_000_000, Some(2_999_999)),
    (3_000_000, Some(5_999_999)),
    (6_000_000, None),
];

pub(crate) const APP_ID: &str = "app-id-343";

/// What people call a domain.
pub(crate) fn shown(domain: usize) -> String {
    format!("domain-{:02}", domain + 1)
}

/// `01`, `1` or `domain-01`.
pub(crate) fn domain_named(text: &str) -> Outcome<usize> {
    let number = text.strip_prefix("domain-").unwrap_or(text).parse::<usize>();
    match number {
        Ok(number @ 1..=DOMAINS) => Ok(number - 1),
        _ => Err(format!("{text}: not one of the domains 01 to {DOMAINS:02}").into()),
    }
}

/// This run among all that ever were: names at services that others use too have it in them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run(u32);

impl Run {
    pub(crate) fn new() -> Outcome<Self> {
        let number = getrandom::u32().map_err(|error| format!("no random number: {error}"))?;
        Ok(Self(number))
    }

    /// What the nodes call a domain.
    pub(crate) fn domain(self, domain: usize) -> Outcome<DomainName> {
        Ok(format!("{}-{self}", shown(domain)).parse()?)
    }

    /// The database of a domain.
    pub(crate) fn database(self, domain: usize) -> String {
        format!("linker_network_{self}_{:02}", domain + 1)
    }

    /// The vhost of a domain.
    pub(crate) fn vhost(self, domain: usize) -> String {
        format!("linker-network-{self}-{:02}", domain + 1)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}
