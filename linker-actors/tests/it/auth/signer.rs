//! Who signs tokens in these tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use linker_actors::adapter::auth::{JwtAuthenticator, JwtConfigError};
use linker_core::app::{ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::port::{AuthError, Authenticator, Login};
use serde_json::{Value, json};

use super::{USER, credentials, log};

pub(super) const NOW_S: u64 = 1_800_000_000;
pub(super) const SECRET: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) const RSA_PUBLIC: &str = include_str!("../../keys/rsa_public.pem");
pub(super) const RSA_PRIVATE: &str = include_str!("../../keys/rsa_private.pem");
pub(super) const RSA_1024_PUBLIC: &str = include_str!("../../keys/rsa_1024_public.pem");
pub(super) const P256_PUBLIC: &str = include_str!("../../keys/p256_public.pem");
pub(super) const P384_PUBLIC: &str = include_str!("../../keys/p384_public.pem");
pub(super) const ED25519_PUBLIC: &str = include_str!("../../keys/ed25519_public.pem");
const P256_PRIVATE: &str = include_str!("../../keys/p256_private.pem");
const P384_PRIVATE: &str = include_str!("../../keys/p384_private.pem");
const ED25519_PRIVATE: &str = include_str!("../../keys/ed25519_private.pem");
const ED25519_OTHER_PRIVATE: &str = include_str!("../../keys/ed25519_other_private.pem");

#[derive(Clone)]
pub(super) struct Signer {
    pub(super) algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    /// One with the tests' key for this algorithm.
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(SECRET),
            Algorithm::ES256 => EncodingKey::from_ec_pem(P256_PRIVATE.as_bytes()).unwrap(),
            Algorithm::ES384 => EncodingKey::from_ec_pem(P384_PRIVATE.as_bytes()).unwrap(),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(ED25519_PRIVATE.as_bytes()).unwrap(),
            _ => EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap(),
        };
        Self { algorithm, key }
    }

    /// Another one for EdDSA, with a key of its own.
    pub(super) fn other_eddsa() -> Self {
        let key = EncodingKey::from_ed_pem(ED25519_OTHER_PRIVATE.as_bytes()).unwrap();
        let algorithm = Algorithm::EdDSA;
        Self { algorithm, key }
    }

    pub(super) fn with_secret(algorithm: Algorithm, secret: &[u8]) -> Self {
        let key = EncodingKey::from_secret(secret);
        Self { algorithm, key }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&Header::new(self.algorithm), claims)
    }

    pub(super) fn sign_with(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }

    /// A good token, under a key id.
    pub(super) fn sign_as(&self, key_id: &str) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(key_id.to_owned());
        self.sign_with(&header, &claims())
    }

    /// The key that checks, as a JWK; without an id where none is given.
    pub(super) fn jwk(&self, key_id: Option<&str>) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = key_id.map(str::to_owned);
        serde_json::to_value(jwk).unwrap()
    }
}

/// Claims of a good token.
pub(super) fn claims() -> Value {
    json!({"sub": USER, "exp": NOW_S + 3600})
}

/// An authenticator whose time stands still until it is told otherwise.
pub(super) struct Checker {
    authenticator: JwtAuthenticator,
    now_s: Arc<AtomicU64>,
}

impl Checker {
    pub(super) fn open(algorithm: JwtAlgorithm, key: JwtKey) -> Result<Self, JwtConfigError> {
        log::record();
        let now_s = Arc::new(AtomicU64::new(NOW_S));
        let clock = Arc::clone(&now_s);
        let authenticator =
            JwtAuthenticator::with_clock(algorithm, &key, move || clock.load(Ordering::SeqCst))?;
        Ok(Self { authenticator, now_s })
    }

    pub(super) fn with_public_key(algorithm: JwtAlgorithm, pem: &str) -> Self {
        Self::open(algorithm, JwtKey::PublicKey(pem.to_owned())).unwrap()
    }

    pub(super) fn expecting(mut self, expected: ExpectedClaims) -> Self {
        self.authenticator = self.authenticator.expecting(expected);
        self
    }

    pub(super) fn set_time(&self, now_s: u64) {
        self.now_s.store(now_s, Ordering::SeqCst);
    }

    pub(super) fn pass_a_second(&self) {
        self.now_s.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) async fn login(&self, token: &str) -> Result<Login, AuthError> {
        self.authenticator.authenticate(credentials(Some(token))).await
    }

    pub(super) async fn login_without_token(&self) -> Result<Login, AuthError> {
        self.authenticator.authenticate(credentials(None)).await
    }
}
