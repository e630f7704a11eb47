//! The network of domains: who is linked with whom, and which way a message takes.

mod link_state;
mod link_states;
mod next_hop;
mod topology;

pub use link_state::LinkState;
pub use link_states::{LinkStates, MAX_AGE, REFRESH, STARTING};
pub use next_hop::NextHops;
pub(crate) use topology::DomainId;
pub use topology::{Domain, Link, LinkDirection, Topology, TopologyFault, TopologyPlace, TopologyProblem};
