use linker_core::app::{JwtAlgorithm, JwtKey};
use serde_json::json;

use super::key_file::{KeyFile, fault};
use super::signer::{
    Checker, ED25519_PUBLIC, P256_PUBLIC, P384_PUBLIC, RSA_1024_PUBLIC, RSA_PRIVATE, RSA_PUBLIC, SECRET,
};

#[test]
fn a_public_key_that_does_not_fit_is_refused_with_its_fault() {
    let certificate = RSA_PUBLIC.replace("PUBLIC KEY", "CERTIFICATE");
    let two = format!("{RSA_PUBLIC}{RSA_PUBLIC}");
    let broken = RSA_PUBLIC.replace("MIIB", "AAAA");
    let cases = [
        (JwtAlgorithm::Rs256, "", "publicKey is not PEM"),
        (JwtAlgorithm::Rs256, "sesame", "publicKey is not PEM"),
        (
            JwtAlgorithm::Rs256,
            P256_PUBLIC,
            "publicKey holds no public key for RS256",
        ),
        (
            JwtAlgorithm::Rs256,
            &broken,
            "publicKey holds no public key for RS256",
        ),
        (JwtAlgorithm::Rs256, RSA_PRIVATE, "publicKey holds a private key"),
        (JwtAlgorithm::Rs256, &certificate, "publicKey holds a certificate"),
        (JwtAlgorithm::Rs256, &two, "publicKey holds several PEM blocks"),
        (
            JwtAlgorithm::Rs256,
            RSA_1024_PUBLIC,
            "publicKey holds a key that has 1024 bits",
        ),
        (
            JwtAlgorithm::Ps512,
            RSA_1024_PUBLIC,
            "publicKey holds a key that has 1024 bits",
        ),
        (
            JwtAlgorithm::Es256,
            P384_PUBLIC,
            "publicKey holds a key that does not fit ES256",
        ),
        (
            JwtAlgorithm::Es384,
            P256_PUBLIC,
            "publicKey holds a key that does not fit ES384",
        ),
        (
            JwtAlgorithm::Es256,
            ED25519_PUBLIC,
            "publicKey holds no public key for ES256",
        ),
        (
            JwtAlgorithm::EdDsa,
            RSA_PUBLIC,
            "publicKey holds no public key for EdDSA",
        ),
        (
            JwtAlgorithm::Hs256,
            RSA_PUBLIC,
            "publicKey holds a public key, but HS256 needs a secret",
        ),
    ];
    for (algorithm, pem, expected) in cases {
        let text = fault(Checker::open(algorithm, JwtKey::PublicKey(pem.to_owned())));
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn a_key_file_that_does_not_fit_is_refused_with_its_name_and_fault() {
    let cases: [(JwtAlgorithm, &[u8], &str); 6] = [
        (
            JwtAlgorithm::Hs256,
            RSA_PUBLIC.as_bytes(),
            "holds PEM, but HS256 needs a secret",
        ),
        (
            JwtAlgorithm::Hs256,
            &SECRET[..31],
            "is too short: HS256 needs at least 32 bytes, it has 31",
        ),
        (
            JwtAlgorithm::Hs384,
            &SECRET[..47],
            "is too short: HS384 needs at least 48 bytes, it has 47",
        ),
        (
            JwtAlgorithm::Hs512,
            &SECRET[..63],
            "is too short: HS512 needs at least 64 bytes, it has 63",
        ),
        (JwtAlgorithm::Es256, &[0xff; 64], "is not PEM"),
        (JwtAlgorithm::Es256, P384_PUBLIC.as_bytes(), "does not fit ES256"),
    ];
    for (algorithm, content, expected) in cases {
        let file = KeyFile::new(content);
        let text = fault(file.open_key(algorithm));
        assert!(
            text.contains(expected) && text.contains(&file.path().display().to_string()),
            "{text}"
        );
    }
}

#[test]
fn a_key_set_that_does_not_fit_is_refused_without_quoting_it() {
    let ed25519 = |x: &str| json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
    let oct = json!({"keys": [{"kty": "oct", "k": "c2VzYW1l"}]}).to_string();
    let cases = [
        (
            JwtAlgorithm::Hs256,
            "\"sesame\"".to_owned(),
            "is not a JWK Set (line 1, column 8)",
        ),
        (JwtAlgorithm::Hs256, "[\"sesame\"]".to_owned(), "is not a JWK Set"),
        (
            JwtAlgorithm::Hs256,
            r#"{"keys": "sesame"}"#.to_owned(),
            "is not a JWK Set",
        ),
        (
            JwtAlgorithm::Hs256,
            r#"{"keys": ["sesame"]}"#.to_owned(),
            "holds no key for HS256",
        ),
        (
            JwtAlgorithm::Hs256,
            oct,
            "holds no usable key for HS256: one is too short",
        ),
        (
            JwtAlgorithm::EdDsa,
            ed25519("AAAA"),
            "holds no usable key for EdDSA: one does not fit EdDSA",
        ),
        (
            JwtAlgorithm::EdDsa,
            ed25519("not base64!"),
            "holds no usable key for EdDSA: one is malformed",
        ),
    ];
    for (algorithm, content, expected) in cases {
        let text = fault(KeyFile::new(content).open_jwks(algorithm));
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("sesame") && !text.contains("c2VzYW1l"), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent"), folder.path().to_owned()] {
        for key in [JwtKey::KeyFile(path.clone()), JwtKey::JwksFile(path.clone())] {
            let text = fault(Checker::open(JwtAlgorithm::EdDsa, key));
            assert!(
                text.starts_with(&format!("cannot read {}: ", path.display())),
                "{text}"
            );
        }
    }
    let huge = KeyFile::new(" ".repeat(1024 * 1024 + 1));
    let text = fault(huge.open_jwks(JwtAlgorithm::EdDsa));
    assert!(text.contains("longer than 1 MiB"), "{text}");
}
