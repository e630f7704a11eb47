use linker_core::app::{AuthMethod, JwtAlgorithm, JwtKey};

use super::Start;

const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----";

/// The mistakes of one client app with these keys beside a sound name and id, without their place.
fn mistakes_of(keys: &str) -> Vec<String> {
    let start = Start::with(&format!("clientApps: [{{appName: A, appId: a, {keys}}}]"))
        .and_file("/etc/linker/key.pem", PEM)
        .and_file("/etc/linker/secret", "s3cret\n")
        .and_file("/etc/linker/private.pem", PEM.replace("PUBLIC", "PRIVATE"))
        .and_file("/etc/linker/two.pem", format!("{PEM}\n{PEM}"))
        .and_file(
            "/etc/linker/certificate.pem",
            PEM.replace("PUBLIC KEY", "CERTIFICATE"),
        )
        .and_file("/etc/linker/empty", "")
        .and_file("/etc/linker/keys.json", r#"{"keys": []}"#);
    let strip = |line: String| line.replace("node.yml:1: clientApps[0].", "");
    start.mistakes().into_iter().map(strip).collect()
}

fn jwt_of(jwt: &str) -> (JwtAlgorithm, JwtKey) {
    let start = Start::with(&format!(
        "clientApps: [{{appName: A, appId: a, authEnabled: true, jwt: {jwt}}}]"
    ))
    .and_file("/etc/linker/key.pem", PEM)
    .and_file("/etc/linker/secret", "s3cret\r\n")
    .and_file("/keys.json", r#"{"keys": [{"kty": "oct"}]}"#);
    match start.config().client_apps.apps.remove(0).auth {
        AuthMethod::Jwt { algorithm, key, .. } => (algorithm, key),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_needs_client_apps_or_a_meta_document() {
    assert_eq!(
        Start::with("node: {}").mistakes(),
        [
            "node.yml: clientApps: missing; allowed: one client app at least, here or in the document of meta.file"
        ]
    );
    assert!(
        Start::with("clientApps: []").mistakes()[0].starts_with("node.yml:1: clientApps: the list is empty;")
    );
    assert!(Start::with("clientApps: {}").mistakes()[0].contains("a mapping where a list is expected"));
    assert!(Start::with("clientApps:").mistakes()[0].contains("no value where a list is expected"));
    assert!(
        Start::with("clientApps: [ANZ]").mistakes()[0]
            .contains("clientApps[0]: a single value where keys are expected")
    );
}

#[test]
fn a_token_is_for_whom_and_from_whom_the_app_says() {
    let expected_of = |claims: &str| {
        let jwt = format!("{{algorithm: EdDSA, keyFile: key.pem{claims}}}");
        let app = format!("clientApps: [{{appName: A, appId: a, authEnabled: true, jwt: {jwt}}}]");
        let start = Start::with(&app).and_file("/etc/linker/key.pem", PEM);
        match start.config().client_apps.apps.remove(0).auth {
            AuthMethod::Jwt { expected, .. } => (expected.audience, expected.issuer),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(expected_of(""), (vec![], None));
    assert_eq!(expected_of(", audience: chat"), (vec!["chat".to_owned()], None));
    assert_eq!(
        expected_of(", audience: [chat, 'https://b'], issuer: https://id"),
        (
            vec!["chat".to_owned(), "https://b".to_owned()],
            Some("https://id".to_owned())
        )
    );
    let many = format!("audience: [{}]", ["a"; 17].join(","));
    for (claims, mistake) in [
        ("audience: []", "jwt.audience: the list is empty"),
        ("audience:", "jwt.audience: the key has no value"),
        (
            "audience: [chat, '']",
            "jwt.audience[1]: \"\" is no text that a token says; allowed: 1 to 256 bytes",
        ),
        ("audience: {a: b}", "jwt.audience: a mapping where a single value"),
        (many.as_str(), "jwt.audience: 17 audiences; allowed: 16 at most"),
        (
            "issuer: [a]",
            "jwt.issuer: a list where a single value is expected",
        ),
        ("issuer: ''", "jwt.issuer: \"\" is no text"),
        (
            "issuers: a",
            "jwt.issuers: unknown key, the nearest known one is clientApps[0].jwt.issuer",
        ),
    ] {
        let app = format!("authEnabled: true, jwt: {{algorithm: EdDSA, keyFile: key.pem, {claims}}}");
        let lines = mistakes_of(&app);
        assert!(
            lines.len() == 1 && lines[0].starts_with(mistake),
            "{claims}: {lines:#?}"
        );
    }
}

#[test]
fn names_and_ids_are_unique() {
    let lines = Start::with(
        "clientApps:
  - {appName: A, appId: a}
  - {appName: A, appId: b}
  - {appName: B, appId: a}
",
    )
    .mistakes();
    assert_eq!(
        lines,
        [
            "node.yml:3: clientApps[1].appName: \"A\" is given twice, first at node.yml:2; allowed: an appName of its own for every client app",
            "node.yml:4: clientApps[2].appId: \"a\" is given twice, first at node.yml:2; allowed: an appId of its own for every client app",
        ]
    );
}

#[test]
fn names_ids_and_masters_are_checked() {
    for name in ["'A-B'", "''", "'ä'", "a123456789b123456789c123456789d12"] {
        let lines = Start::with(&format!("clientApps: [{{appName: {name}, appId: a}}]")).mistakes();
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains("is not an app name; allowed: 1 to 32 of A-Z a-z 0-9 _"),
            "{lines:?}"
        );
    }
    assert_eq!(
        mistakes_of("masterUserId: B-1"),
        ["masterUserId: B-1 is a user of another app; allowed: a user of A, A-1 say"]
    );
    assert!(
        mistakes_of("masterUserId: A-01")[0]
            .starts_with("masterUserId: \"A-01\" is not a user id; allowed: appName-NUMBER")
    );
    assert!(mistakes_of("isolated: si")[0].starts_with("isolated: \"si\" is not a yes or no"));
    let lines = Start::with("clientApps: [{masterUserId: A-1}]").mistakes();
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[test]
fn authentication_says_who_vouches_and_how() {
    assert_eq!(
        mistakes_of("authEnabled: true"),
        ["authEnabled: true, but nothing says how; allowed: authUrl or jwt beside it"]
    );
    assert!(mistakes_of("authUrl: localhost/auth")[0].starts_with("authUrl: "));
    assert!(mistakes_of("authTimeout: 0s")[0].starts_with("authTimeout: 0s is out of range"));
    let both = "authEnabled: true, authUrl: http://a, jwt: {algorithm: EdDSA, keyFile: key.pem}";
    assert_eq!(
        mistakes_of(both),
        ["jwt: authUrl is given too; allowed: authUrl or jwt, not both"]
    );
    let silent = "jwt: {algorithm: EdDSA, keyFile: key.pem}";
    assert!(mistakes_of(silent)[0].starts_with("jwt: tokens are not checked without authEnabled"));
    let waiting = "authEnabled: true, authTimeout: 1s, jwt: {algorithm: EdDSA, keyFile: key.pem}";
    assert!(mistakes_of(waiting)[0].starts_with("authTimeout: jwt asks nobody"));
}

#[test]
fn a_switched_off_auth_url_is_accepted_as_in_the_seed() {
    let config =
        Start::with("clientApps: [{appName: A, appId: a, authEnabled: false, authUrl: http://a/auth}]")
            .config();
    assert_eq!(config.client_apps.apps[0].auth, AuthMethod::None);
}

#[test]
fn a_jwt_key_comes_from_one_of_three_places() {
    let inline = jwt_of(&format!("{{algorithm: RS256, publicKey: {:?}}}", PEM));
    assert_eq!(inline, (JwtAlgorithm::Rs256, JwtKey::PublicKey(PEM.to_owned())));
    // Files are carried on by their paths, for whoever follows their changes; a path in the file is relative to the file.
    let key_file = |path: &str| JwtKey::KeyFile(path.into());
    let from_file = jwt_of("{algorithm: EdDSA, keyFile: key.pem}");
    assert_eq!(from_file, (JwtAlgorithm::EdDsa, key_file("/etc/linker/key.pem")));
    let shared = jwt_of("{algorithm: HS512, keyFile: secret}");
    assert_eq!(shared, (JwtAlgorithm::Hs512, key_file("/etc/linker/secret")));
    let set = jwt_of("{algorithm: ES256, jwksFile: /keys.json}");
    assert_eq!(set, (JwtAlgorithm::Es256, JwtKey::JwksFile("/keys.json".into())));
}

#[test]
fn what_is_wrong_with_a_jwt_is_told() {
    let wrong: [(&str, &[&str]); 15] = [
        (
            "{}",
            &[
                "jwt.algorithm: missing; allowed: HS256, ",
                "jwt.publicKey: missing, and no keyFile or jwksFile",
            ],
        ),
        (
            "{algorithm: none, keyFile: key.pem}",
            &["jwt.algorithm: \"none\" is unknown; allowed: HS256, "],
        ),
        ("{algorithm: ES256}", &["jwt.publicKey: missing"]),
        (
            "{algorithm: ES256, keyFile: key.pem, jwksFile: keys.json}",
            &[
                "jwt.jwksFile: keyFile is given too",
                "keys.json: not a JSON Web Key Set",
            ],
        ),
        (
            "{algorithm: ES256, keyFile: missing.pem}",
            &["jwt.keyFile: cannot read /etc/linker/missing.pem: "],
        ),
        (
            "{algorithm: ES256, keyFile: empty}",
            &["jwt.keyFile: in /etc/linker/empty: it is empty"],
        ),
        (
            "{algorithm: ES256, keyFile: secret}",
            &["jwt.keyFile: in /etc/linker/secret: not a key in PEM"],
        ),
        (
            "{algorithm: ES256, keyFile: private.pem}",
            &["jwt.keyFile: in /etc/linker/private.pem: a private key"],
        ),
        (
            "{algorithm: ES256, keyFile: two.pem}",
            &["jwt.keyFile: in /etc/linker/two.pem: several blocks of PEM"],
        ),
        (
            "{algorithm: ES256, keyFile: certificate.pem}",
            &["jwt.keyFile: in /etc/linker/certificate.pem: a certificate"],
        ),
        (
            "{algorithm: HS256, keyFile: key.pem}",
            &["jwt.keyFile: in /etc/linker/key.pem: a key in PEM"],
        ),
        (
            "{algorithm: HS256, publicKey: s3cret}",
            &["jwt.publicKey: an HS algorithm has no public key"],
        ),
        (
            "{algorithm: ES256, publicKey: s3cret}",
            &["jwt.publicKey: not a key in PEM"],
        ),
        (
            "{algorithm: ES256, jwksFile: keys.json}",
            &["jwt.jwksFile: in /etc/linker/keys.json: not a JSON Web Key Set"],
        ),
        (
            "{algorithm: ES256, key: x, keyFile: key.pem}",
            &["jwt.key: unknown key, the nearest known one is clientApps[0].jwt.keyFile"],
        ),
    ];
    for (jwt, expected) in wrong {
        let lines = mistakes_of(&format!("authEnabled: true, jwt: {jwt}"));
        assert_eq!(lines.len(), expected.len(), "{jwt}: {lines:#?}");
        for part in expected {
            assert!(
                lines.iter().any(|line| line.contains(part)),
                "{jwt}: {part} not in {lines:#?}"
            );
        }
        assert!(!lines.concat().contains("s3cret"), "{lines:#?}");
    }
    assert!(
        mistakes_of("authEnabled: true, jwt: RS256")[0]
            .starts_with("jwt: a single value where keys are expected")
    );
}
