//! TLS of this node's own ports: rustls with ring, HTTP/1.1 only, a certificate that can be exchanged while the node runs.

mod accept;
mod certificate;
mod expiry;
mod handshakes;
mod pair;
mod plain;

pub(crate) use accept::{Accept, TlsSocket};
pub(crate) use certificate::{PortTls, Tls};
pub(crate) use pair::{PairFault, certified_key, check_certificates, check_key};
