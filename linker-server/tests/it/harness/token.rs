//! JWTs as a client app's own login would issue them. The keys exist for these tests only.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const EC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgs7d3B4Wm+KwPTuuM
aoKxNNxNEOMQBqk/WPKvxxbQAEahRANCAAQfUMjfKzm+VVHhS1iImokWXmJfEI5m
RKJ4B37jpz310UuL8yJ3ktfVUgQjFm8l+mret8Ap+9Lp4ZBUMKLn+4zA
-----END PRIVATE KEY-----
";

/// The public key of [`ec_token`].
pub(crate) const EC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH1DI3ys5vlVR4UtYiJqJFl5iXxCO
ZkSieAd+46c99dFLi/Mid5LX1VIEIxZvJfpq3rfAKfvS6eGQVDCi5/uMwA==
-----END PUBLIC KEY-----
";

/// The public key of [`ec_token`] as a key set.
pub(crate) const EC_JWKS: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig",
    "x": "H1DI3ys5vlVR4UtYiJqJFl5iXxCOZkSieAd-46c99dE", "y": "S4vzIneS19VSBCMWbyX6at63wCn70unhkFQwouf7jMA"}]}"#;

const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIADp1W59R4DMHkoW/uL9bcAqCnZAkC6YG/u6O4nkz/vb
-----END PRIVATE KEY-----
";

/// The public key of [`ed_token`].
pub(crate) const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAfhTmn/1qmiYv0Y7BzzWgIiAnhGdWrkObBeYH6DO9orM=
-----END PUBLIC KEY-----
";

/// The claims of a token: `sub`, and `exp` this many seconds from now.
pub(crate) fn claims(user: &str, expires_in: i64) -> Value {
    json!({"sub": user, "exp": seconds_from_now(expires_in)})
}

/// The time as tokens write it.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_secs();
    i64::try_from(now).expect("the clock is before the year 292 billion") + seconds
}

/// HS256 under this secret.
pub(crate) fn hs_token(secret: &[u8], claims: &Value) -> String {
    encode(
        &Header::new(Algorithm::HS256),
        claims,
        &EncodingKey::from_secret(secret),
    )
    .expect("HS256 signs")
}

/// ES256.
pub(crate) fn ec_token(claims: &Value) -> String {
    let key = EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).expect("a PKCS#8 key");
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("one".to_owned());
    encode(&header, claims, &key).expect("ES256 signs")
}

/// EdDSA.
pub(crate) fn ed_token(claims: &Value) -> String {
    let key = EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).expect("a PKCS#8 key");
    encode(&Header::new(Algorithm::EdDSA), claims, &key).expect("EdDSA signs")
}

/// A token that says `alg: none` and has no signature.
pub(crate) fn unsigned_token(claims: &Value) -> String {
    let signed = hs_token(b"any", claims);
    let body = signed.split('.').nth(1).expect("a token has three parts");
    // {"alg":"none","typ":"JWT"}
    format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{body}.")
}
