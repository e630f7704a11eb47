//! What shows the application that a request is Linker's, and of now.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `t=<seconds since the epoch>,v1=<64 hex digits>`: the HMAC-SHA-256 of `<t>.<body>`.
pub const SIGNATURE_HEADER: &str = "Linker-Signature";

/// Signs bodies with a secret that the application has too.
pub struct Signer {
    /// With the secret in it, and in no text form.
    keyed: Hmac<Sha256>,
}

impl Signer {
    /// Any length will do for the calculation.
    #[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
    pub fn new(secret: &[u8]) -> Self {
        Self {
            keyed: Hmac::new_from_slice(secret).expect("any length is allowed"),
        }
    }

    pub(super) fn sign_now(&self, body: &[u8]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.sign(now.as_secs(), body)
    }

    /// The value of [`SIGNATURE_HEADER`] for a body that is sent at this time, in seconds since the epoch.
    pub fn sign(&self, at_s: u64, body: &[u8]) -> String {
        let mut keyed = self.keyed.clone();
        keyed.update(format!("{at_s}.").as_bytes());
        keyed.update(body);
        let mut value = format!("t={at_s},v1=");
        for byte in keyed.finalize().into_bytes() {
            // Writing to memory does not fail.
            let _ = write!(value, "{byte:02x}");
        }
        value
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(…)")
    }
}
