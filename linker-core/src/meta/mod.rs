//! The meta document: what all nodes of all domains have to agree on. Fetching and parsing it is done elsewhere; here are its types, and what makes
//! it valid.

mod client_app;
mod directory;
mod document;
mod finding;
mod validate;

pub use client_app::validate_client_apps;
pub use directory::MetaUnfit;
pub use document::{
    ClientAppDocument, DistributionDocument, DomainDocument, JwtDocument, LinkDocument, MetaDocument,
    MetaServerDocument, OneOrMore,
};
pub use finding::{Located, MetaCaution, MetaFault, MetaProblem, MetaWarning};
pub use validate::{Checked, MetaNetwork};
