//! What domains tell each other of their links.

use crate::id::DomainName;

/// What a domain says of its own links, or what somebody passes on of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Who says so.
    pub domain: DomainName,
    /// A later word has a larger number.
    pub number: u64,
    /// How long ago it was said, ms.
    pub age_ms: u64,
    /// The neighbours that it cannot hand anything over to now; by name.
    pub down: Vec<DomainName>,
}
