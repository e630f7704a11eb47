//! Custody: who answers for a RELIABLE message until its delivery is proven or somebody else has confirmed to have it.
//!
//! One [`Custody`] a router; what routers of a node share is in [`CustodyShared`].

mod adoption;
mod claims;
mod dedupe;
mod delivery;
mod effect;
mod elsewhere;
mod fast;
mod forwarded_lately;
mod forwarding;
mod guests;
mod lag;
mod lines;
mod pending;
mod proven_lately;
mod proving;
mod repetitions;
mod router;
mod routing;
mod sessions;
mod shared;
mod storing;
mod stripping;
mod surrender;
mod upstream;
mod words;

pub use adoption::Adopted;
pub use claims::{Claims, PAGE_AGE_MAX, Taken};
pub use dedupe::{DedupeKey, DedupeTable, Known, Progress};
pub use delivery::{Delivery, Ticket};
pub use effect::{CustodyEffect, NodeWord, Origin, Outcome, Settlement};
pub use forwarded_lately::{Forwarded, ForwardedLately};
pub use forwarding::AdoptedForward;
pub use lag::Lag;
pub use proven_lately::{Proven, ProvenLately};
pub use router::{Custody, CustodyContext, Submission};
pub use sessions::{Elsewhere, Forwarding, LocalSessions, NodeOffer, Offer};
pub use shared::{CustodyConfig, CustodyShared, Reports};
pub use surrender::Surrendered;
