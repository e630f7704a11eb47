//! `node`: who this process is in its domain.

use linker_core::id::{DomainName, NodeName};

use super::check;
use super::reader::Section;
use super::surroundings::Surroundings;

const WEIGHT_MAX: u32 = 1000;
/// The longest part of the host name that the default node name takes, so that it stays below the bound of a name.
const HOST_PART_MAX: usize = 100;

/// Names of this node and its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeConfig {
    /// `domain`; default `domain-01`.
    pub(crate) domain: DomainName,
    /// `name`, unique in the domain; default from the host's name and a random suffix.
    pub(crate) name: NodeName,
    /// `weight`: how many of the sessions that log in by `POST /api/v1/login` it is to have in relation to other nodes; default 1, 0: none.
    pub(crate) weight: u32,
}

impl NodeConfig {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let domain = section.parsed("domain", "the name of a domain", check::domain_name);
        let name = section.parsed("name", "the name of a node", check::node_name);
        let surroundings = section.reading.surroundings();
        Self {
            domain: domain.unwrap_or_else(default_domain),
            name: name.unwrap_or_else(|| default_name(surroundings)),
            weight: section.integer_u32("weight", 0..=WEIGHT_MAX, 1),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "a constant that the test of the defaults reads"
)]
fn default_domain() -> DomainName {
    "domain-01".parse().expect("the default is a name")
}

#[expect(
    clippy::expect_used,
    reason = "made of allowed characters only, and short enough"
)]
fn default_name(surroundings: &dyn Surroundings) -> NodeName {
    let host = surroundings.host_name();
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '-'
        }
    };
    let host: String = host.chars().take(HOST_PART_MAX).map(allowed).collect();
    let host = if host.is_empty() { "node" } else { &host };
    let name = format!("{host}-{:08x}", surroundings.random_suffix());
    name.parse().expect("the characters were chosen to fit")
}
