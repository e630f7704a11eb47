//! Certificate and key as they stand in files.

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

/// What is wrong with them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PairFault {
    #[error("no certificate in it")]
    NoCertificate,
    #[error("a certificate that cannot be read")]
    Certificate,
    #[error("no private key in it")]
    NoKey,
    #[error("a private key that is encrypted, and nobody is asked for its password")]
    EncryptedKey,
    #[error("a private key that cannot be read")]
    Key,
    #[error("a private key of an unknown kind")]
    KeyKind,
    #[error("the key is not the certificate's")]
    Mismatch,
}

/// Whether there are certificates in this PEM. What only shows with the key is not looked at.
pub(crate) fn check_certificates(text: &str) -> Result<(), PairFault> {
    certificates(text).map(drop)
}

/// Whether there is a private key in this PEM that can be used.
pub(crate) fn check_key(text: &str) -> Result<(), PairFault> {
    let key = key(text)?;
    let loaded = ring::default_provider().key_provider.load_private_key(key);
    loaded.map(drop).map_err(|_| PairFault::KeyKind)
}

/// Both together, as they are used.
pub(crate) fn certified_key(cert: &str, key_text: &str) -> Result<CertifiedKey, PairFault> {
    let pair = CertifiedKey::from_der(certificates(cert)?, key(key_text)?, &ring::default_provider());
    pair.map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairFault::Mismatch,
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => PairFault::Certificate,
        _ => PairFault::KeyKind,
    })
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PairFault> {
    let all: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if all.is_empty() => Err(PairFault::NoCertificate),
        Ok(all) => Ok(all),
        Err(_) => Err(PairFault::Certificate),
    }
}

fn key(text: &str) -> Result<PrivateKeyDer<'static>, PairFault> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(_) if text.contains("Proc-Type: 4,ENCRYPTED") => Err(PairFault::EncryptedKey),
        Ok(key) => Ok(key),
        Err(_) if text.contains("ENCRYPTED") => Err(PairFault::EncryptedKey),
        Err(pem::Error::NoItemsFound) => Err(PairFault::NoKey),
        Err(_) => Err(PairFault::Key),
    }
}
