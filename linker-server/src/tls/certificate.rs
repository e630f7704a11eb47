//! The certificate that a port shows, and the settings around it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use super::expiry;
use super::pair::{self, PairFault};
use crate::config::{ServerConfig, TlsConfig};

/// TLS of one port.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

/// What connections are shown from now on.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// TLS with this pair.
    pub(crate) fn new(config: &TlsConfig) -> Result<Self, PairFault> {
        let shown = Arc::new(Shown(ArcSwap::from_pointee(certified(config)?)));
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut server = builder
            .with_safe_default_protocol_versions()
            // Of this provider they are; the fault is named as the nearest there is.
            .map_err(|_| PairFault::KeyKind)?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone() as Arc<dyn ResolvesServerCert>);
        // The upgrade to WebSocket is one of HTTP/1.1.
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Every handshake is a whole one, so that everybody is shown the certificate in force, and an idle session has no ticket to keep.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            shown,
        })
    }

    /// Shows another certificate to who comes from now on; sessions that are there go on.
    pub(crate) fn show(&self, config: &TlsConfig) -> Result<(), PairFault> {
        self.shown.0.store(Arc::new(certified(config)?));
        Ok(())
    }

    /// When the first of the certificates in force ends.
    pub(super) fn first_end_s(&self) -> Option<i64> {
        expiry::first_end_s(&self.shown.0.load().cert)
    }
}

fn certified(config: &TlsConfig) -> Result<CertifiedKey, PairFault> {
    pair::certified_key(&config.cert, config.key.expose())
}

/// TLS of this node's ports, where they have it.
#[derive(Clone)]
pub(crate) struct PortTls {
    /// `server.tls`.
    pub(crate) clients: Option<Tls>,
    /// `server.adminTls`.
    pub(crate) admin: Option<Tls>,
}

impl PortTls {
    pub(crate) fn new(config: &ServerConfig) -> Result<Self, PairFault> {
        Ok(Self {
            clients: config.tls.as_ref().map(Tls::new).transpose()?,
            admin: config.admin_tls.as_ref().map(Tls::new).transpose()?,
        })
    }
}
