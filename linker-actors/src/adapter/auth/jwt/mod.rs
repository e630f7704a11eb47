//! JSON Web Tokens (RFC 7519) as proof of who one is.

mod keys;
mod source;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation};
use linker_core::app::{ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::limit::TOKEN_LEEWAY_S;
use linker_core::port::{AuthError, Authenticator, BoxFuture, Credentials, Login};
use serde::Deserialize;
use serde_json::{Number, Value};

use keys::{KeySet, NoKey, library_algorithm};
pub use source::JwtConfigError;
use source::KeySource;

/// Bytes of a token; checking one costs time in proportion.
const TOKEN_LEN_MAX: usize = 8 * 1024;
/// The end of the year 9999. A later `exp` is taken for this, so that sums with it cannot overflow.
const EXPIRY_S_MAX: u64 = 253_402_300_799;

type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// Believes who shows a token that is signed with the configured algorithm by a known key, names the user as its `sub`, has an `exp` that has not passed and no
/// `nbf` that has not come, with [`TOKEN_LEEWAY_S`] of leeway for both.
///
/// In a JWK Set the key is the one that the token's `kid` names; without a `kid` it must be the only one that fits. Key files are looked at on use, at most
/// once a second; a new version that is not usable is logged once and leaves the old keys in force. `iss` and `aud` are looked at where
/// [`JwtAuthenticator::expecting`] says what they have to be. Its answer is never [`AuthError::Unavailable`].
pub struct JwtAuthenticator {
    algorithm: JwtAlgorithm,
    keys: KeySource,
    expected: ExpectedClaims,
    clock: Clock,
}

impl JwtAuthenticator {
    /// Checks tokens with `key`, by the system's clock. Reads the key file, if there is one, and blocks for it.
    ///
    /// # Errors
    /// [`JwtConfigError`] when the key cannot be read or does not fit the algorithm.
    pub fn new(algorithm: JwtAlgorithm, key: &JwtKey) -> Result<Self, JwtConfigError> {
        Self::with_clock(algorithm, key, system_time_s)
    }

    /// As [`JwtAuthenticator::new`], with a clock that tells the seconds since the epoch.
    ///
    /// # Errors
    /// As there.
    pub fn with_clock(
        algorithm: JwtAlgorithm,
        key: &JwtKey,
        clock: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<Self, JwtConfigError> {
        Ok(Self {
            algorithm,
            keys: KeySource::open(algorithm, key, clock())?,
            expected: ExpectedClaims::default(),
            clock: Box::new(clock),
        })
    }

    /// Believes from now on only tokens that say this besides.
    #[must_use]
    pub fn expecting(mut self, expected: ExpectedClaims) -> Self {
        self.expected = expected;
        self
    }

    fn check(&self, token: &str, user_id: &str, keys: &KeySet, now_s: u64) -> Result<Login, Refusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
        if header.alg != library_algorithm(self.algorithm) {
            return Err(Refusal::Algorithm(self.algorithm));
        }
        // RFC 7515: what is critical must be understood, and nothing is. The library does not look.
        if header.crit.is_some() {
            return Err(Refusal::Critical);
        }
        let key = keys.select(header.kid.as_deref()).map_err(|fault| match fault {
            NoKey::Unknown => Refusal::UnknownKey,
            NoKey::Unnamed => Refusal::UnnamedKey,
        })?;
        let claims = self.verify(token, key)?;
        claims.meet(&self.expected)?;
        claims.judge(user_id, now_s)
    }

    /// The claims of a token with a good signature.
    fn verify(&self, token: &str, key: &DecodingKey) -> Result<Claims, Refusal> {
        let mut validation = Validation::new(library_algorithm(self.algorithm));
        // All claims are judged here, by our clock; the library would ask the system's.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        match jsonwebtoken::decode::<Claims>(token, key, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidSignature => Refusal::Signature,
                _ => Refusal::Malformed,
            }),
        }
    }
}

impl fmt::Debug for JwtAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthenticator")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Authenticator for JwtAuthenticator {
    fn authenticate(&self, credentials: Credentials) -> BoxFuture<'_, Result<Login, AuthError>> {
        Box::pin(async move {
            let refused = |refusal: Refusal| AuthError::Refused(refusal.to_string());
            let token = credentials
                .token
                .as_deref()
                .ok_or_else(|| refused(Refusal::NoToken))?;
            if token.len() > TOKEN_LEN_MAX {
                return Err(refused(Refusal::TooLong));
            }
            let now_s = (self.clock)();
            let keys = self.keys.keys(now_s).await;
            self.check(token, &credentials.user.to_string(), &keys, now_s)
                .map_err(refused)
        })
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<Number>,
    nbf: Option<Number>,
    /// Of any kind: it is not for those to be refused by who are not asked for one.
    aud: Option<Value>,
    iss: Option<Value>,
}

impl Claims {
    fn meet(&self, expected: &ExpectedClaims) -> Result<(), Refusal> {
        let is_expected = |value: &Value| {
            let text = value.as_str();
            text.is_some_and(|text| expected.audience.iter().any(|audience| audience == text))
        };
        let is_for_us = match &self.aud {
            // RFC 7519: one, or a list that others may be in too.
            Some(Value::Array(audience)) => audience.iter().any(is_expected),
            Some(one) => is_expected(one),
            None => false,
        };
        if !expected.audience.is_empty() && !is_for_us {
            return Err(Refusal::Audience);
        }
        match &expected.issuer {
            Some(issuer) if self.iss.as_ref().and_then(Value::as_str) != Some(issuer) => Err(Refusal::Issuer),
            _ => Ok(()),
        }
    }

    fn judge(&self, user_id: &str, now_s: u64) -> Result<Login, Refusal> {
        if self.sub.as_deref() != Some(user_id) {
            return Err(Refusal::Subject);
        }
        let exp = self.exp.as_ref().ok_or(Refusal::NoExpiry)?;
        let expires_at_s = whole_seconds(exp)?.min(EXPIRY_S_MAX);
        if now_s >= expires_at_s + TOKEN_LEEWAY_S {
            return Err(Refusal::Expired);
        }
        if let Some(nbf) = &self.nbf
            && whole_seconds(nbf)? > now_s.saturating_add(TOKEN_LEEWAY_S)
        {
            return Err(Refusal::NotYet);
        }
        Ok(Login {
            expires_at_s: Some(expires_at_s),
        })
    }
}

/// A NumericDate, which may have a fraction, without it.
fn whole_seconds(number: &Number) -> Result<u64, Refusal> {
    match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => Ok(seconds),
        (None, Some(seconds)) if seconds >= 0.0 => Ok(seconds as u64),
        _ => Err(Refusal::Malformed),
    }
}

/// Why a token is not believed, as the client is told.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this app asks for a token")]
    NoToken,
    #[error("the token is longer than {TOKEN_LEN_MAX} bytes")]
    TooLong,
    #[error("the token is not a well-formed signed JSON Web Token")]
    Malformed,
    #[error("the token is not signed with {0}")]
    Algorithm(JwtAlgorithm),
    #[error("the token demands an extension that is not understood here")]
    Critical,
    #[error("the token is signed with a key that is not known here")]
    UnknownKey,
    #[error("the token does not name the key it is signed with")]
    UnnamedKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is another user's")]
    Subject,
    #[error("the token is for another service (aud)")]
    Audience,
    #[error("the token is another issuer's (iss)")]
    Issuer,
    #[error("the token has no expiry time")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
}

fn system_time_s() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
