use jsonwebtoken::{Algorithm, Header};
use linker_actors::adapter::auth::JwtAuthenticator;
use linker_core::app::{ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::limit::TOKEN_LEEWAY_S;
use linker_core::port::{Authenticator, Login};
use serde_json::{Value, json};

use super::signer::{
    Checker, ED25519_PUBLIC, NOW_S, P256_PUBLIC, P384_PUBLIC, RSA_PUBLIC, SECRET, Signer, claims,
};
use super::{USER, credentials, refusal};

fn eddsa() -> (Checker, Signer) {
    let checker = Checker::with_public_key(JwtAlgorithm::EdDsa, ED25519_PUBLIC);
    (checker, Signer::new(Algorithm::EdDSA))
}

/// `header.payload` of a token, and its signature.
fn split(token: &str) -> (&str, &str) {
    token.rsplit_once('.').unwrap()
}

#[tokio::test]
async fn a_good_token_is_believed_in_every_algorithm_until_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    for algorithm in JwtAlgorithm::ALL {
        let library: Algorithm = algorithm.as_str().parse().unwrap();
        let key = match library {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => JwtKey::KeyFile(secret.clone()),
            Algorithm::ES256 => JwtKey::PublicKey(P256_PUBLIC.to_owned()),
            Algorithm::ES384 => JwtKey::PublicKey(P384_PUBLIC.to_owned()),
            Algorithm::EdDSA => JwtKey::PublicKey(ED25519_PUBLIC.to_owned()),
            _ => JwtKey::PublicKey(RSA_PUBLIC.to_owned()),
        };
        let checker = Checker::open(algorithm, key).unwrap();
        let token = Signer::new(library).sign(&claims());

        let expires_at_s = Some(NOW_S + 3600);
        assert_eq!(
            checker.login(&token).await,
            Ok(Login { expires_at_s }),
            "{algorithm}"
        );

        // The same signature under other claims.
        let (_, signature) = split(&token);
        let other = Signer::new(library).sign(&json!({"sub": USER, "exp": NOW_S + 7200}));
        let forged = format!("{}.{signature}", split(&other).0);
        assert_eq!(
            refusal(checker.login(&forged).await),
            "the token's signature is wrong",
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn the_system_clock_serves_where_no_other_is_given() {
    let algorithm = JwtAlgorithm::EdDsa;
    let key = JwtKey::PublicKey(ED25519_PUBLIC.to_owned());
    let authenticator = JwtAuthenticator::new(algorithm, &key).unwrap();
    let signer = Signer::new(Algorithm::EdDSA);
    let now_s = jsonwebtoken::get_current_timestamp();
    let token_until = |exp: u64| credentials(Some(&signer.sign(&json!({"sub": USER, "exp": exp}))));

    authenticator
        .authenticate(token_until(now_s + 600))
        .await
        .unwrap();
    let text = refusal(authenticator.authenticate(token_until(now_s - 600)).await);
    assert_eq!(text, "the token has expired");
}

#[tokio::test]
async fn audience_and_issuer_are_what_is_expected_of_them() {
    let checker = Checker::with_public_key(JwtAlgorithm::EdDsa, ED25519_PUBLIC).expecting(ExpectedClaims {
        audience: vec!["chat".to_owned(), "https://chat.example".to_owned()],
        issuer: Some("https://id.example".to_owned()),
    });
    let signer = Signer::new(Algorithm::EdDSA);
    let token = |aud: &Value, iss: &Value| {
        let mut claims = claims();
        for (name, value) in [("aud", aud), ("iss", iss)] {
            if *value != json!("absent") {
                claims[name] = value.clone();
            }
        }
        signer.sign(&claims)
    };
    let (aud, iss) = (json!("chat"), json!("https://id.example"));
    for aud in [
        json!("chat"),
        json!("https://chat.example"),
        json!(["mail", "chat"]),
        json!([7, "chat"]),
    ] {
        assert!(checker.login(&token(&aud, &iss)).await.is_ok(), "{aud}");
    }
    for aud in [
        json!("absent"),
        json!("mail"),
        json!("Chat"),
        json!("chat "),
        json!([]),
        json!([["chat"]]),
        json!({"chat": "chat"}),
        json!(null),
        json!(true),
    ] {
        let told = refusal(checker.login(&token(&aud, &iss)).await);
        assert_eq!(told, "the token is for another service (aud)", "{aud}");
    }
    for iss in [
        json!("absent"),
        json!("https://id.example/"),
        json!(["https://id.example"]),
        json!(null),
    ] {
        let told = refusal(checker.login(&token(&aud, &iss)).await);
        assert_eq!(told, "the token is another issuer's (iss)", "{iss}");
    }
    // Who is not asked for them may have anything there.
    let (checker, _) = eddsa();
    for claim in [json!("absent"), json!("mail"), json!({"a": [1]}), json!(null)] {
        assert!(checker.login(&token(&claim, &claim)).await.is_ok(), "{claim}");
    }
}

#[tokio::test]
async fn no_token_is_refused() {
    let text = refusal(eddsa().0.login_without_token().await);
    assert_eq!(text, "this app asks for a token");
}

#[tokio::test]
async fn what_is_no_signed_token_is_refused() {
    let (checker, signer) = eddsa();
    let token = signer.sign(&claims());
    let (content, signature) = split(&token);
    // {"alg":"none"}, as the one attack that everybody tries.
    let (_, payload) = content.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let signed_none = format!("eyJhbGciOiJub25lIn0.{payload}.{signature}");
    let texts = [
        "",
        ".",
        "..",
        "...",
        "token-12345",
        "a.b.c",
        "ü.ü.ü",
        content,
        &unsigned,
        &signed_none,
    ];
    for text in texts {
        let told = refusal(checker.login(text).await);
        assert_eq!(
            told, "the token is not a well-formed signed JSON Web Token",
            "{text}"
        );
    }
    for signature in ["", "AAAA"] {
        let told = refusal(checker.login(&format!("{content}.{signature}")).await);
        assert_eq!(told, "the token's signature is wrong");
    }
}

#[tokio::test]
async fn a_token_in_another_algorithm_is_refused_though_its_signature_is_good() {
    let checker = Checker::with_public_key(JwtAlgorithm::Rs256, RSA_PUBLIC);
    for algorithm in [
        Algorithm::RS384,
        Algorithm::PS256,
        Algorithm::HS256,
        Algorithm::EdDSA,
    ] {
        let text = refusal(checker.login(&Signer::new(algorithm).sign(&claims())).await);
        assert_eq!(text, "the token is not signed with RS256");
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret_to_sign_with() {
    let checker = Checker::with_public_key(JwtAlgorithm::Rs256, RSA_PUBLIC);
    let attacker = Signer::with_secret(Algorithm::HS256, RSA_PUBLIC.as_bytes());

    let text = refusal(checker.login(&attacker.sign(&claims())).await);
    assert_eq!(text, "the token is not signed with RS256");

    // The same, but lying about it in the header.
    let honest = Signer::new(Algorithm::RS256).sign(&claims());
    let (content, _) = split(&honest);
    let secret = jsonwebtoken::EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    let signature = jsonwebtoken::crypto::sign(content.as_bytes(), &secret, Algorithm::HS256).unwrap();
    let text = refusal(checker.login(&format!("{content}.{signature}")).await);
    assert_eq!(text, "the token's signature is wrong");
}

#[tokio::test]
async fn a_key_that_comes_with_the_token_is_not_used() {
    let (checker, _) = eddsa();
    let attacker = Signer::other_eddsa();
    let mut header = Header::new(Algorithm::EdDSA);
    header.jwk = Some(serde_json::from_value(attacker.jwk(None)).unwrap());

    let text = refusal(checker.login(&attacker.sign_with(&header, &claims())).await);

    assert_eq!(text, "the token's signature is wrong");
}

#[tokio::test]
async fn a_critical_extension_is_refused() {
    let (checker, signer) = eddsa();
    let mut header = Header::new(Algorithm::EdDSA);
    header.crit = Some(vec!["b64".to_owned()]);

    let text = refusal(checker.login(&signer.sign_with(&header, &claims())).await);

    assert_eq!(text, "the token demands an extension that is not understood here");
}

#[tokio::test]
async fn a_token_of_more_than_8_kib_is_refused() {
    let (checker, signer) = eddsa();
    let sized = |length: usize| {
        let filler = "x".repeat(length);
        signer.sign(&json!({"sub": USER, "exp": NOW_S + 3600, "filler": filler}))
    };
    // Payload, and so the filler, grows by 3 bytes for 4 of the token.
    let mut length = (8192 - sized(0).len()) / 4 * 3;
    while sized(length + 1).len() <= 8192 {
        length += 1;
    }

    checker.login(&sized(length)).await.unwrap();
    let text = refusal(checker.login(&sized(length + 1)).await);
    assert_eq!(text, "the token is longer than 8192 bytes");
}

#[tokio::test]
async fn only_the_user_named_by_the_token_may_use_it() {
    let (checker, signer) = eddsa();
    let subjects = [
        json!("ANZ-123224"),
        json!("anz-123223"),
        json!("ANZ-123223 "),
        json!(""),
        Value::Null,
    ];
    for sub in subjects {
        let token = signer.sign(&json!({"sub": sub, "exp": NOW_S + 3600}));
        assert_eq!(
            refusal(checker.login(&token).await),
            "the token is another user's"
        );
    }
    let token = signer.sign(&json!({"exp": NOW_S + 3600}));
    assert_eq!(
        refusal(checker.login(&token).await),
        "the token is another user's"
    );
}

#[tokio::test]
async fn a_token_without_an_expiry_time_is_refused() {
    let (checker, signer) = eddsa();
    for claims in [json!({"sub": USER}), json!({"sub": USER, "exp": null})] {
        let text = refusal(checker.login(&signer.sign(&claims)).await);
        assert_eq!(text, "the token has no expiry time");
    }
}

#[tokio::test]
async fn claims_of_a_wrong_kind_are_refused() {
    let (checker, signer) = eddsa();
    let all = [
        json!({"sub": 123223, "exp": NOW_S + 3600}),
        json!({"sub": USER, "exp": "1900000000"}),
        json!({"sub": USER, "exp": -1}),
        json!({"sub": USER, "exp": [NOW_S]}),
        json!({"sub": USER, "exp": NOW_S + 3600, "nbf": "now"}),
        json!([USER, NOW_S + 3600]),
        json!("claims"),
    ];
    for claims in all {
        let text = refusal(checker.login(&signer.sign(&claims)).await);
        assert_eq!(
            text, "the token is not a well-formed signed JSON Web Token",
            "{claims}"
        );
    }
}

#[tokio::test]
async fn an_expired_token_lives_on_for_its_leeway_and_not_a_second_longer() {
    let (checker, signer) = eddsa();
    let token = signer.sign(&json!({"sub": USER, "exp": NOW_S}));

    checker.set_time(NOW_S + TOKEN_LEEWAY_S - 1);
    assert_eq!(
        checker.login(&token).await,
        Ok(Login {
            expires_at_s: Some(NOW_S)
        })
    );
    checker.set_time(NOW_S + TOKEN_LEEWAY_S);
    assert_eq!(refusal(checker.login(&token).await), "the token has expired");
}

#[tokio::test]
async fn a_token_for_later_is_good_from_its_leeway_before() {
    let (checker, signer) = eddsa();
    let token = signer.sign(&json!({"sub": USER, "nbf": NOW_S, "exp": NOW_S + 3600}));

    checker.set_time(NOW_S - TOKEN_LEEWAY_S - 1);
    assert_eq!(refusal(checker.login(&token).await), "the token is not valid yet");
    checker.set_time(NOW_S - TOKEN_LEEWAY_S);
    checker.login(&token).await.unwrap();
}

#[tokio::test]
async fn times_may_have_fractions_and_be_as_far_away_as_they_like() {
    let (checker, signer) = eddsa();
    let expiry_of = async |exp: Value| {
        let token = signer.sign(&json!({"sub": USER, "exp": exp}));
        checker.login(&token).await.unwrap().expires_at_s.unwrap()
    };

    assert_eq!(expiry_of(json!(NOW_S as f64 + 0.9)).await, NOW_S);
    for far in [json!(u64::MAX), json!(1e300)] {
        let expires_at_s = expiry_of(far).await;
        assert!(
            expires_at_s > NOW_S && expires_at_s.checked_mul(1000).is_some(),
            "{expires_at_s}"
        );
    }
}

#[tokio::test]
async fn issuer_and_audience_do_not_matter() {
    let (checker, signer) = eddsa();
    let token = signer.sign(&json!({
        "sub": USER, "exp": NOW_S + 3600, "iss": "https://issuer.example", "aud": ["one", "two"],
    }));
    checker.login(&token).await.unwrap();
}
