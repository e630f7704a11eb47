//! As much of PEM (RFC 7468) as has to be known to tell what kind of key a text is, before anybody reads it as one.

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// Why a text is not one public key in PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKeyFault {
    /// A private key is in it, perhaps among others.
    PrivateKey,
    /// It is not PEM.
    NotPem,
    /// There are several blocks.
    SeveralBlocks,
    /// A certificate, which has a public key in it but is none.
    Certificate,
}

/// Whether a text has a block of PEM in it, complete or not.
pub fn has_block(text: &str) -> bool {
    text.contains(BEGIN)
}

/// Checks that a text is one block of PEM that may be a public key; whether it is a good one, only the algorithm can tell.
///
/// # Errors
/// What it is instead; a private key first, since whoever wrote it there has to know.
pub fn check_public_key(text: &str) -> Result<(), PublicKeyFault> {
    if text.contains("PRIVATE KEY") {
        return Err(PublicKeyFault::PrivateKey);
    }
    if !has_block(text) || !text.contains(END) {
        return Err(PublicKeyFault::NotPem);
    }
    if text.matches(BEGIN).count() > 1 {
        return Err(PublicKeyFault::SeveralBlocks);
    }
    if text.contains("BEGIN CERTIFICATE-----") {
        return Err(PublicKeyFault::Certificate);
    }
    Ok(())
}
