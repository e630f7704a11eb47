//! TLS for asking others: rustls with ring, named here and not taken from the process, which belongs to the embedding host.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;

/// Trusts whom the operating system trusts.
///
/// # Errors
/// When the system has no certificates to trust.
pub(in crate::adapter) fn trusting_the_system() -> Result<ClientConfig, rustls::Error> {
    Ok(finish(builder()?.with_platform_verifier()?))
}

/// Trusts `roots` and nobody else; with none, TLS cannot be spoken at all.
pub(in crate::adapter) fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    Ok(finish(builder()?.with_root_certificates(roots)))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}

fn finish(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
