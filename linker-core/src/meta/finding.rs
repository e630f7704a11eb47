//! Mistakes and warnings, each with the key it stands at.

use std::fmt;
use std::ops::RangeInclusive;

use crate::app::{AppFault, ExpectedClaims, JwtAlgorithmError};
use crate::distribution::RangeFault;
use crate::duration::DurationError;
use crate::id::{DomainName, IdError, USER_NUMBER_MAX};
use crate::network::TopologyFault;
use crate::url::UrlFault;

/// Something and the key it stands at, as `domainLinks[2].n1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The path of the key.
    pub key: String,
    /// What stands there.
    pub what: T,
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

impl<T: std::error::Error> std::error::Error for Located<T> {}

/// A mistake: the document cannot be used.
pub type MetaProblem = Located<MetaFault>;

/// What is probably not meant: the document can be used.
pub type MetaWarning = Located<MetaCaution>;

/// What is wrong, and what is allowed. Never quotes a key, nor a url that has a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaFault {
    /// A key that has to be there.
    #[error("is missing; allowed: {allowed}")]
    Missing {
        /// What to write.
        allowed: &'static str,
    },
    /// A name or user id that is none.
    #[error("{text:?} is not allowed: {reason}")]
    Id {
        /// What is there.
        text: String,
        /// What is allowed.
        #[source]
        reason: IdError,
    },
    /// A name that Linker has for something else.
    #[error("{0:?} is Linker's own; allowed: any other name")]
    ReservedName(String),
    /// See [`TopologyFault`].
    #[error(transparent)]
    Topology(#[from] TopologyFault),
    /// See [`AppFault`].
    #[error(transparent)]
    App(#[from] AppFault),
    /// See [`RangeFault`].
    #[error(transparent)]
    Range(#[from] RangeFault),
    /// Not a url.
    #[error("is not a url; allowed: {allowed}")]
    UrlMalformed {
        /// What is allowed.
        allowed: &'static str,
    },
    /// A url of another kind than is known here.
    #[error("the scheme {scheme:?} is not known here; allowed: {allowed}")]
    UrlScheme {
        /// Its scheme.
        scheme: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A url with a secret.
    #[error(
        "the url has a user or password; allowed: the url without them, credentials of brokers stand under `links` in a node's own file"
    )]
    UrlCredentials,
    /// Nobody could prove who they are.
    #[error("authEnabled is true, but nothing says how; allowed: an `authUrl` or a `jwt`")]
    AuthMethodMissing,
    /// Two ways to prove it.
    #[error("there is an authUrl as well; allowed: either `authUrl` or `jwt`")]
    AuthMethodTwice,
    /// See [`DurationError`].
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// No time at all.
    #[error("is no time at all; allowed: more than 0, as 3s")]
    DurationZero,
    /// See [`JwtAlgorithmError`].
    #[error(transparent)]
    JwtAlgorithm(#[from] JwtAlgorithmError),
    /// None, or more than one.
    #[error("has {0} keys; allowed: exactly one of `publicKey`, `keyFile`, `jwksFile`")]
    JwtKeyCount(usize),
    /// A key that must not be read by whoever reads this.
    #[error(
        "the key is a secret; allowed: a public key, or `keyFile` or `jwksFile` with the name of a file on the nodes"
    )]
    JwtSecret,
    /// Not a public key.
    #[error("is not a public key; allowed: PEM, from `-----BEGIN PUBLIC KEY-----` on")]
    JwtPublicKey,
    /// None, or too many.
    #[error("has {0} audiences; allowed: a text, or a list of 1 to {max}", max = ExpectedClaims::AUDIENCES_MAX)]
    JwtAudienceCount(usize),
    /// Nothing that a token could say.
    #[error("is no text that a token says; allowed: {allowed}", allowed = ExpectedClaims::CLAIM_ALLOWED)]
    JwtClaim,
}

impl MetaFault {
    /// What a message about a malformed url says is `allowed`.
    pub(super) fn of_url(fault: UrlFault, allowed: &'static str) -> Self {
        match fault {
            UrlFault::Credentials => Self::UrlCredentials,
            UrlFault::NoScheme | UrlFault::NoHost | UrlFault::Port | UrlFault::Malformed => {
                Self::UrlMalformed { allowed }
            }
        }
    }
}

/// What is odd, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetaCaution {
    /// The seed's way between domains.
    #[error("tcp urls are ignored: domains reach each other by `amqp://` or `amqps://`")]
    TcpIgnored,
    /// Users of these numbers have no home.
    #[error("no range has the users {}: they are refused with UNKNOWN_DOMAIN", numbers(.0))]
    Gap(RangeInclusive<u64>),
    /// Nobody has a home.
    #[error("there are several domains, but no ranges: all users are refused with UNKNOWN_DOMAIN")]
    NoRanges,
    /// The network falls apart.
    #[error("no links lead from {from} to {to}: messages between them are refused with UNKNOWN_DOMAIN")]
    Unlinked {
        /// A domain.
        from: DomainName,
        /// One that it cannot reach.
        to: DomainName,
    },
    /// It says where to ask, but not that it should be asked.
    #[error(
        "is not used, because `authEnabled` is left out: anybody may log in; write `authEnabled: true` or `false`"
    )]
    AuthUrlUnused,
}

fn numbers(range: &RangeInclusive<u64>) -> String {
    match (*range.start(), *range.end()) {
        (only, last) if only == last => format!("{only}"),
        (first, USER_NUMBER_MAX) => format!("{first} and above"),
        (first, last) => format!("{first} to {last}"),
    }
}

/// Collects what a document has.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<MetaProblem>,
    pub(super) warnings: Vec<MetaWarning>,
}

impl Findings {
    pub(super) fn problem(&mut self, key: impl Into<String>, what: impl Into<MetaFault>) {
        let (key, what) = (key.into(), what.into());
        self.problems.push(Located { key, what });
    }

    pub(super) fn warning(&mut self, key: impl Into<String>, what: MetaCaution) {
        let key = key.into();
        self.warnings.push(Located { key, what });
    }

    /// Reads a name or id that has to be there.
    pub(super) fn id<T>(&mut self, key: String, text: &str, allowed: &'static str) -> Option<T>
    where
        T: std::str::FromStr<Err = IdError>,
    {
        if text.is_empty() {
            self.problem(key, MetaFault::Missing { allowed });
            return None;
        }
        match text.parse() {
            Ok(id) => Some(id),
            Err(reason) => {
                let text = text.to_owned();
                self.problem(key, MetaFault::Id { text, reason });
                None
            }
        }
    }
}
