use std::fs;

use jsonwebtoken::Algorithm;
use linker_core::app::JwtAlgorithm;
use serde_json::{Value, json};

use super::key_file::{KeyFile, fault};
use super::signer::{Checker, ED25519_PUBLIC, P256_PUBLIC, SECRET, Signer, claims};
use super::{log, refusal};

const UNKNOWN_KEY: &str = "the token is signed with a key that is not known here";
const UNNAMED_KEY: &str = "the token does not name the key it is signed with";
const WRONG_SIGNATURE: &str = "the token's signature is wrong";

/// The first EdDSA signer, the second, and both keys.
fn two_signers() -> (Signer, Signer, [Value; 2]) {
    let (one, two) = (Signer::new(Algorithm::EdDSA), Signer::other_eddsa());
    let keys = [one.jwk(Some("one")), two.jwk(Some("two"))];
    (one, two, keys)
}

#[tokio::test]
async fn a_jwk_set_serves_every_algorithm() {
    for algorithm in JwtAlgorithm::ALL {
        let signer = Signer::new(algorithm.as_str().parse().unwrap());
        let checker = KeyFile::jwks(&[signer.jwk(Some("one"))])
            .open_jwks(algorithm)
            .unwrap();
        checker.login(&signer.sign_as("one")).await.unwrap();
    }
}

#[tokio::test]
async fn the_key_is_the_one_that_the_token_names() {
    let (one, two, keys) = two_signers();
    let checker = KeyFile::jwks(&keys).open_jwks(JwtAlgorithm::EdDsa).unwrap();

    checker.login(&one.sign_as("one")).await.unwrap();
    checker.login(&two.sign_as("two")).await.unwrap();
    assert_eq!(refusal(checker.login(&one.sign_as("two")).await), WRONG_SIGNATURE);
    assert_eq!(refusal(checker.login(&one.sign_as("three")).await), UNKNOWN_KEY);
    assert_eq!(refusal(checker.login(&one.sign(&claims())).await), UNNAMED_KEY);
}

#[tokio::test]
async fn an_only_key_needs_no_name() {
    let (one, _, keys) = two_signers();
    let checker = KeyFile::jwks(&keys[..1]).open_jwks(JwtAlgorithm::EdDsa).unwrap();
    checker.login(&one.sign(&claims())).await.unwrap();
    checker.login(&one.sign_as("one")).await.unwrap();
    assert_eq!(refusal(checker.login(&one.sign_as("two")).await), UNKNOWN_KEY);

    let nameless = KeyFile::jwks(&[one.jwk(None)])
        .open_jwks(JwtAlgorithm::EdDsa)
        .unwrap();
    nameless.login(&one.sign(&claims())).await.unwrap();
    nameless.login(&one.sign_as("whatever")).await.unwrap();

    let pem = Checker::with_public_key(JwtAlgorithm::EdDsa, ED25519_PUBLIC);
    pem.login(&one.sign_as("whatever")).await.unwrap();
}

#[tokio::test]
async fn keys_for_something_else_are_passed_over() {
    let signer = Signer::new(Algorithm::ES256);
    let with = |field: &str, value: Value| {
        let mut jwk = signer.jwk(Some("one"));
        jwk[field] = value;
        jwk
    };
    let others = [
        Signer::new(Algorithm::ES384).jwk(Some("one")),
        Signer::new(Algorithm::EdDSA).jwk(Some("one")),
        Signer::new(Algorithm::RS256).jwk(Some("one")),
        Signer::new(Algorithm::HS256).jwk(Some("one")),
        with("alg", json!("ES384")),
        with("alg", json!("ECDH-ES")),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("kid", json!(5)),
        with("x", json!("AAAA")),
        with("crv", json!("secp256k1")),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
        json!("not a key"),
    ];
    for other in &others {
        let text = fault(KeyFile::jwks(std::slice::from_ref(other)).open_jwks(JwtAlgorithm::Es256));
        assert!(text.contains("for ES256"), "{other}: {text}");
    }
    let mut all = others.to_vec();
    all.push(signer.jwk(Some("one")));
    let checker = KeyFile::jwks(&all).open_jwks(JwtAlgorithm::Es256).unwrap();
    checker.login(&signer.sign(&claims())).await.unwrap();
}

#[tokio::test]
async fn a_rotated_key_set_counts_from_the_next_second() {
    let (one, two, keys) = two_signers();
    let file = KeyFile::jwks(&keys[..1]);
    let checker = file.open_jwks(JwtAlgorithm::EdDsa).unwrap();
    checker.login(&one.sign_as("one")).await.unwrap();

    file.replace(json!({ "keys": [keys[1]] }).to_string());
    assert_eq!(refusal(checker.login(&two.sign_as("two")).await), UNKNOWN_KEY);
    checker.pass_a_second();
    checker.login(&two.sign_as("two")).await.unwrap();
    assert_eq!(refusal(checker.login(&one.sign_as("one")).await), UNKNOWN_KEY);
}

#[tokio::test]
async fn a_rotated_key_of_the_same_length_counts_too() {
    let file = KeyFile::new(SECRET);
    let checker = file.open_key(JwtAlgorithm::Hs512).unwrap();
    let fresh = SECRET.map(|byte| byte ^ 1);
    let modified = fs::metadata(file.path()).unwrap().modified().unwrap();
    file.replace(fresh);
    let replaced = fs::File::options().write(true).open(file.path()).unwrap();
    replaced.set_modified(modified).unwrap();

    checker.pass_a_second();

    let token = Signer::with_secret(Algorithm::HS512, &fresh).sign(&claims());
    checker.login(&token).await.unwrap();
    let token = Signer::new(Algorithm::HS512).sign(&claims());
    assert_eq!(refusal(checker.login(&token).await), WRONG_SIGNATURE);
}

#[tokio::test]
async fn all_logins_of_the_second_after_a_rotation_get_the_new_keys() {
    let (_, two, keys) = two_signers();
    let file = KeyFile::jwks(&keys[..1]);
    let checker = file.open_jwks(JwtAlgorithm::EdDsa).unwrap();
    file.replace(json!({ "keys": [keys[1]] }).to_string());
    checker.pass_a_second();

    let token = two.sign_as("two");
    let (first, second, third) = tokio::join!(
        checker.login(&token),
        checker.login(&token),
        checker.login(&token)
    );

    for login in [first, second, third] {
        login.unwrap();
    }
}

#[tokio::test]
async fn a_bad_new_file_keeps_the_old_keys_and_is_logged_once() {
    let (one, two, keys) = two_signers();
    let file = KeyFile::jwks(&keys[..1]);
    let checker = file.open_jwks(JwtAlgorithm::EdDsa).unwrap();
    let warnings = || {
        let lines = log::lines_with(&file.path().display().to_string());
        lines.iter().filter(|line| line.starts_with("WARN")).count()
    };
    let mut expected = 0;
    let spoil: [&dyn Fn(); 4] = [
        &|| file.replace("{"),
        &|| file.replace(json!({ "keys": [] }).to_string()),
        &|| file.replace(" ".repeat(1024 * 1024 + 1)),
        &|| fs::remove_file(file.path()).unwrap(),
    ];
    for spoil in spoil {
        // A usable version between two bad ones, so that each is news.
        file.replace(json!({ "keys": [keys[0]] }).to_string());
        checker.pass_a_second();
        checker.login(&one.sign_as("one")).await.unwrap();
        spoil();
        expected += 1;
        for _ in 0..3 {
            checker.pass_a_second();
            checker.login(&one.sign_as("one")).await.unwrap();
            assert_eq!(warnings(), expected);
        }
    }

    file.replace(json!({ "keys": keys }).to_string());
    checker.pass_a_second();
    checker.login(&two.sign_as("two")).await.unwrap();
    assert_eq!(warnings(), expected);
}

#[tokio::test]
async fn the_line_end_after_a_secret_is_not_part_of_it_unless_the_secret_is_binary() {
    let text_token = Signer::new(Algorithm::HS512).sign(&claims());
    for end in ["", "\n", "\r\n"] {
        let content = [SECRET.as_slice(), end.as_bytes()].concat();
        let checker = KeyFile::new(content).open_key(JwtAlgorithm::Hs512).unwrap();
        checker.login(&text_token).await.unwrap();
    }

    let mut binary = SECRET.map(|byte| byte | 0x80);
    binary[63] = b'\n';
    let checker = KeyFile::new(binary).open_key(JwtAlgorithm::Hs512).unwrap();
    let token = Signer::with_secret(Algorithm::HS512, &binary).sign(&claims());
    checker.login(&token).await.unwrap();
}

#[tokio::test]
async fn a_key_file_may_hold_pem() {
    let checker = KeyFile::new(P256_PUBLIC).open_key(JwtAlgorithm::Es256).unwrap();
    let token = Signer::new(Algorithm::ES256).sign(&claims());
    checker.login(&token).await.unwrap();
}
