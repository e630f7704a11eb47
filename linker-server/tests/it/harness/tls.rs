//! Certificates made for a test, and connections that trust them and nothing else.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for 127.0.0.1 and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    /// The certificate in PEM.
    pub(crate) cert: String,
    /// The key in PEM.
    pub(crate) key: String,
    der: CertificateDer<'static>,
    client: Arc<ClientConfig>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair")
    }
}

impl Pair {
    /// Another one each time.
    pub(crate) fn new() -> Self {
        Self::ending_at(None)
    }

    /// One that ends at this time, in seconds since the epoch.
    pub(crate) fn ending_at(end_s: Option<u64>) -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut wanted = CertificateParams::new(names).expect("they are names");
        if let Some(end_s) = end_s {
            wanted.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end_s);
        }
        let signing_key = KeyPair::generate().expect("a key can be made");
        let cert = wanted
            .self_signed(&signing_key)
            .expect("a certificate can be made");
        let der = cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(der.clone()).expect("it is a certificate");
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            cert: cert.pem(),
            key: signing_key.serialize_pem(),
            der,
            client: Arc::new(client),
        }
    }

    /// Makes the handshake, trusting this certificate alone and offering these protocols.
    pub(crate) async fn secure_offering(
        &self,
        stream: TcpStream,
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut client = ClientConfig::clone(&self.client);
        client.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        let name = ServerName::try_from("127.0.0.1").expect("an address is a name");
        let secured = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
        let shown = secured.get_ref().1.peer_certificates();
        assert_eq!(shown.map(|shown| &shown[0]), Some(&self.der));
        Ok(secured)
    }

    /// Makes the handshake, trusting this certificate alone.
    pub(crate) async fn secure(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.secure_offering(stream, &[]).await
    }
}
