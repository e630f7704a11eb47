//! Reading keys: PEM, secrets, JWK Sets. A key gets in only if it can check signatures of the one configured algorithm.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use linker_core::app::JwtAlgorithm;
use linker_core::pem::{self, PublicKeyFault};
use serde::Deserialize;

/// Bits of an RSA key: RFC 7518 asks for at least 2048, and the library checks no signature by more than 4096.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The keys of one source, each fit for the configured algorithm; at least one.
pub(super) struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
}

/// Why no key of a set can check a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The token names one that is not in the set.
    Unknown,
    /// The token names none, and the set has several.
    Unnamed,
}

impl KeySet {
    /// One public key as PEM.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn from_pem(algorithm: JwtAlgorithm, pem: &str) -> Result<Self, String> {
        if algorithm.is_symmetric() {
            return Err(format!(
                "holds a public key, but {algorithm} needs a secret, from a keyFile"
            ));
        }
        pem::check_public_key(pem).map_err(describe)?;
        let parsed = match library_algorithm(algorithm).family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem.as_bytes()),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem.as_bytes()),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem.as_bytes()),
            AlgorithmFamily::Hmac => return Err("is not a secret".to_owned()),
        };
        let key = parsed.map_err(|_| format!("holds no public key for {algorithm}"))?;
        let key = checked(algorithm, key).map_err(|fault| format!("holds a key that {fault}"))?;
        Ok(Self {
            keys: vec![Key { id: None, key }],
        })
    }

    /// The content of a key file: PEM, or for HS* the secret itself.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn from_key_file(algorithm: JwtAlgorithm, content: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(content);
        if !algorithm.is_symmetric() {
            return Self::from_pem(algorithm, text.map_err(|_| "is not PEM".to_owned())?);
        }
        // Editors end a text with a line end; a binary secret may end with the same byte and means it.
        let secret = match text {
            Ok(text) if pem::has_block(text) => {
                return Err(format!(
                    "holds PEM, but {algorithm} needs a secret: with a public key as the secret, anybody could sign"
                ));
            }
            Ok(text) => match text.strip_suffix('\n') {
                Some(line) => line.strip_suffix('\r').unwrap_or(line).as_bytes(),
                None => content,
            },
            Err(_) => content,
        };
        let key = checked(algorithm, DecodingKey::from_secret(secret))
            .map_err(|fault| format!("holds a secret that {fault}"))?;
        Ok(Self {
            keys: vec![Key { id: None, key }],
        })
    }

    /// A JWK Set. Keys that do not fit, or that cannot be used, are passed over, as RFC 7517 asks.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn from_jwks(algorithm: JwtAlgorithm, content: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        // The library's own set would fail as a whole where one key does. Its errors, and serde's, quote what they met: a secret, maybe.
        let set: Set = serde_json::from_slice(content).map_err(|error| {
            format!(
                "is not a JWK Set (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        let mut keys = Vec::new();
        let mut last_fault = None;
        for value in set.keys {
            let Ok(jwk) = serde_json::from_value::<Jwk>(value) else {
                continue;
            };
            if !fits(algorithm, &jwk) {
                continue;
            }
            let parsed = DecodingKey::from_jwk(&jwk).map_err(|_| "is malformed".to_owned());
            match parsed.and_then(|key| checked(algorithm, key)) {
                Ok(key) => keys.push(Key {
                    id: jwk.common.key_id,
                    key,
                }),
                Err(fault) => last_fault = Some(fault),
            }
        }
        if keys.is_empty() {
            return Err(match last_fault {
                Some(fault) => format!("holds no usable key for {algorithm}: one {fault}"),
                None => format!("holds no key for {algorithm}"),
            });
        }
        Ok(Self { keys })
    }

    /// The key for a token that names `id`, or none. An only key without an id stands for any.
    ///
    /// # Errors
    /// [`NoKey`] when there is none, or no telling which.
    pub(super) fn select(&self, id: Option<&str>) -> Result<&DecodingKey, NoKey> {
        if let [only] = self.keys.as_slice()
            && (id.is_none() || only.id.is_none())
        {
            return Ok(&only.key);
        }
        let id = id.ok_or(NoKey::Unnamed)?;
        let named = self.keys.iter().find(|key| key.id.as_deref() == Some(id));
        named.map(|key| &key.key).ok_or(NoKey::Unknown)
    }
}

fn describe(fault: PublicKeyFault) -> String {
    let text = match fault {
        PublicKeyFault::NotPem => "is not PEM",
        PublicKeyFault::SeveralBlocks => "holds several PEM blocks; several keys go into a jwksFile",
        PublicKeyFault::PrivateKey => "holds a private key; only its public half belongs here",
        PublicKeyFault::Certificate => {
            "holds a certificate; what is needed is its public key (openssl x509 -pubkey -noout)"
        }
    };
    text.to_owned()
}

pub(super) fn library_algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Hs384 => Algorithm::HS384,
        JwtAlgorithm::Hs512 => Algorithm::HS512,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Rs384 => Algorithm::RS384,
        JwtAlgorithm::Rs512 => Algorithm::RS512,
        JwtAlgorithm::Ps256 => Algorithm::PS256,
        JwtAlgorithm::Ps384 => Algorithm::PS384,
        JwtAlgorithm::Ps512 => Algorithm::PS512,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::Es384 => Algorithm::ES384,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// Whether a JWK is meant for signatures of this algorithm.
fn fits(algorithm: JwtAlgorithm, jwk: &Jwk) -> bool {
    let library = library_algorithm(algorithm);
    let common = &jwk.common;
    let algorithm_fits = common
        .key_algorithm
        .is_none_or(|named| named == KeyAlgorithm::from(library));
    let use_fits = common
        .public_key_use
        .as_ref()
        .is_none_or(|named| *named == PublicKeyUse::Signature);
    let operations_fit = common
        .key_operations
        .as_ref()
        .is_none_or(|named| named.contains(&KeyOperations::Verify));
    let kind_fits = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => library.family() == AlgorithmFamily::Rsa,
        AlgorithmParameters::EllipticCurve(key) => match library {
            Algorithm::ES256 => key.curve == EllipticCurve::P256,
            Algorithm::ES384 => key.curve == EllipticCurve::P384,
            _ => false,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            library == Algorithm::EdDSA && key.curve == EllipticCurve::Ed25519
        }
        AlgorithmParameters::OctetKey(_) => library.family() == AlgorithmFamily::Hmac,
        _ => false,
    };
    algorithm_fits && use_fits && operations_fit && kind_fits
}

/// Makes sure that the library can use the key: it looks at most keys only when it checks a signature, and calls any fault a bad signature then (or, for an
/// Ed25519 key that is too short, panics).
fn checked(algorithm: JwtAlgorithm, key: DecodingKey) -> Result<DecodingKey, String> {
    let library = library_algorithm(algorithm);
    let unfit = || format!("does not fit {algorithm}");
    match library.family() {
        AlgorithmFamily::Hmac => {
            let length = key.try_get_as_bytes().map_err(|_| unfit())?.len();
            let length_min = match algorithm {
                JwtAlgorithm::Hs256 => 32,
                JwtAlgorithm::Hs384 => 48,
                _ => 64,
            };
            if length < length_min {
                return Err(format!(
                    "is too short: {algorithm} needs at least {length_min} bytes, it has {length}"
                ));
            }
        }
        AlgorithmFamily::Rsa => return checked_rsa(key).map_err(|fault| fault.unwrap_or_else(unfit)),
        AlgorithmFamily::Ed if key.try_get_as_bytes().map_err(|_| unfit())?.len() != 32 => {
            return Err(unfit());
        }
        AlgorithmFamily::Ec | AlgorithmFamily::Ed => {
            jsonwebtoken::crypto::verify("", b"", &key, library).map_err(|_| unfit())?;
        }
    }
    Ok(key)
}

fn checked_rsa(key: DecodingKey) -> Result<DecodingKey, Option<String>> {
    // By way of a JWK the DER of a PEM file becomes modulus and exponent.
    let key = Jwk::from_decoding_key(&key, None)
        .and_then(|jwk| DecodingKey::from_jwk(&jwk))
        .map_err(|_| None)?;
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else {
        return Err(None);
    };
    let bits = bit_length(n);
    if !RSA_BITS.contains(&bits) {
        return Err(Some(format!(
            "has {bits} bits: RSA keys need {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        )));
    }
    let exponent_is_odd = e.last().is_some_and(|byte| byte % 2 == 1);
    if !exponent_is_odd || !(2..=32).contains(&bit_length(e)) {
        return Err(None);
    }
    Ok(key)
}

fn bit_length(big_endian: &[u8]) -> usize {
    match big_endian.iter().position(|byte| *byte != 0) {
        Some(first) => (big_endian.len() - first) * 8 - big_endian[first].leading_zeros() as usize,
        None => 0,
    }
}
