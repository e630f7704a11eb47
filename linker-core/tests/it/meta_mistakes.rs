//! Each mistake in a meta document, as a person is told of it: the key, what is wrong, what is allowed.

use linker_core::meta::{ClientAppDocument, MetaDocument, validate_client_apps};
use serde_json::{Value, json};

use crate::meta_document::{PUBLIC_KEY, parse, seed_with};

/// Every mistake, as a person reads it.
fn mistakes(document: &MetaDocument) -> Vec<String> {
    match document.validate() {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn app_mistakes(app: Value) -> Vec<String> {
    let app: ClientAppDocument = serde_json::from_value(app).unwrap();
    match validate_client_apps(&[app]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn urls_of_another_kind_are_refused() {
    let allowed = "allowed: ws://HOST:PORT/PATH, wss://…, amqp://HOST:PORT/VHOST, amqps://…";
    let mistake = |url: &str| mistakes(&seed_with("/domains/1/urls/1", json!(url)));
    for scheme in ["http", "redis", "wsx"] {
        let expected = format!("domains[1].urls[1]: the scheme {scheme:?} is not known here; {allowed}");
        assert_eq!(mistake(&format!("{scheme}://h:1")), [expected]);
    }
    for bad in [
        "",
        "ws",
        "ws:",
        "ws:/h",
        "ws://",
        "ws:///ws",
        "://h",
        "h:8088",
        "ws://h:",
        "ws://h:0",
        "ws://h:65536",
        "ws://h:+1",
        "ws://h:8o",
        "ws://h 1",
        "ws://h/a b",
        "ws://h\n",
        "ws://a:b:1",
        "ws://[::1",
        "ws://[x]:1",
        "ws://::1",
        "ws://h\\x",
        "w s://h",
        "ws://h,i",
    ] {
        assert_eq!(
            mistake(bad),
            [format!("domains[1].urls[1]: is not a url; {allowed}")],
            "{bad:?}"
        );
    }
}

#[test]
fn urls_with_a_secret_are_refused_and_not_repeated() {
    for scheme in ["ws", "wss", "amqp", "amqps", "tcp", "http"] {
        for user in ["guest:hunter2@", "guest@", ":hunter2@", "@", "a:b@c:hunter2@"] {
            let document = seed_with("/domains/1/urls/1", json!(format!("{scheme}://{user}h:1/v")));
            let told = mistakes(&document);
            assert_eq!(told.len(), 1);
            assert!(
                told[0].starts_with("domains[1].urls[1]: the url has a user or password; allowed:"),
                "{told:?}"
            );
            assert!(!told[0].contains("hunter2"));
        }
    }
    // Behind the host it is part of the path.
    assert_eq!(
        mistakes(&seed_with("/domains/1/urls/1", json!("amqp://h/a@b"))),
        [""; 0]
    );
}

/// Puts each value in its place and expects a mistake that begins as given; what follows from it elsewhere may be told too.
fn expect_mistakes(cases: impl IntoIterator<Item = (&'static str, Value, &'static str)>) {
    for (pointer, value, expected) in cases {
        let told = mistakes(&seed_with(pointer, value));
        assert!(
            told.iter().any(|mistake| mistake.starts_with(expected)),
            "{expected}: {told:?}"
        );
    }
}

#[test]
fn mistakes_of_domains_are_told_with_their_key() {
    let name = "/domains/2/name";
    expect_mistakes([
        (
            "/domains",
            json!([]),
            "domains: is missing; allowed: at least one domain with a `name`",
        ),
        (
            name,
            json!("domain-01"),
            "domains[2].name: the domain domain-01 is listed twice; allowed: a name of its own for each domain",
        ),
        (
            name,
            json!("domain 3"),
            "domains[2].name: \"domain 3\" is not allowed: a node or domain name is 1 to 128 of A-Z a-z 0-9 . _ -",
        ),
        (
            name,
            json!(""),
            "domains[2].name: is missing; allowed: 1 to 128 of A-Z a-z 0-9 . _ -",
        ),
    ]);
}

#[test]
fn mistakes_of_links_are_told_with_their_key() {
    expect_mistakes([
        (
            "/domainLinks/2/n1",
            json!("domain-09"),
            "domainLinks[2].n1: no domain is called domain-09; allowed: a name that is listed under `domains`",
        ),
        (
            "/domainLinks/2/n2",
            json!(""),
            "domainLinks[2].n2: is missing; allowed: a name that is listed under `domains`",
        ),
        (
            "/domainLinks/0/n2",
            json!("domain-01"),
            "domainLinks[0]: the link leads from domain-01 to itself; allowed: two different domains",
        ),
        (
            "/domainLinks/1",
            json!({"n1": "domain-02", "n2": "domain-01"}),
            "domainLinks[1]: domain-02 and domain-01 are linked twice; allowed: one link between two domains, both ways",
        ),
        (
            "/domainLinks/3",
            json!({"n1": "domain-01", "n2": "domain-04", "weight": 0}),
            "domainLinks[3].weight: the weight is 0; allowed: 1 or more",
        ),
    ]);
}

#[test]
fn mistakes_of_distributions_are_told_with_their_key() {
    let (domain, from) = ("/userDistributions/1/domainName", "/userDistributions/1/from");
    expect_mistakes([
        (
            domain,
            json!("domain-09"),
            "userDistributions[1].domainName: no domain is called domain-09; allowed: a name that is listed under `domains`",
        ),
        (
            domain,
            json!("d 9"),
            "userDistributions[1].domainName: \"d 9\" is not allowed:",
        ),
        (
            from,
            Value::Null,
            "userDistributions[1].from: is missing; allowed: the first number, from 0",
        ),
        (
            from,
            json!(999_999),
            "userDistributions[1].from: the range overlaps with 0 to 999999 of domain-01; allowed: each number in one range",
        ),
        (
            from,
            json!(3_000_000),
            "userDistributions[1].to: the range ends at 2999999, before it begins at 3000000; allowed: `from` not above `to`",
        ),
        (
            "/userDistributions/2/to",
            Value::Null,
            "userDistributions[3].from: the range overlaps with 3000000 and above of domain-03;",
        ),
        (
            "/userDistributions/3/from",
            json!(1u64 << 63),
            "userDistributions[3].from: 9223372036854775808 is above the largest user number; allowed: 0 to 9223372036854775807",
        ),
    ]);
}

#[test]
fn mistakes_of_client_apps_are_told_with_their_key() {
    for (pointer, value, expected) in [
        (
            "/clientApps/4/appName",
            json!("domain1"),
            vec![
                "clientApps[4].appName: the appName domain1 is used twice; allowed: a name of its own for each app",
                "clientApps[4].masterUserId: the master ANZ-123223 is not a user of this app; allowed: domain1-<number>",
            ],
        ),
        (
            "/clientApps/4/appId",
            json!("domain2"),
            vec![
                "clientApps[4].appId: the appId \"domain2\" is used twice; allowed: an id of its own for each app",
            ],
        ),
        (
            "/clientApps/4/appName",
            json!(""),
            vec!["clientApps[4].appName: is missing; allowed: 1 to 32 of A-Z a-z 0-9 _"],
        ),
        (
            "/clientApps/4/appName",
            json!("A-Z"),
            vec!["clientApps[4].appName: \"A-Z\" is not allowed: an app name is 1 to 32 of A-Z a-z 0-9 _"],
        ),
        (
            "/clientApps/4/appId",
            json!(""),
            vec!["clientApps[4].appId: is missing; allowed: any text, best a uuid"],
        ),
        (
            "/clientApps/4/masterUserId",
            json!("ANZ"),
            vec![
                "clientApps[4].masterUserId: \"ANZ\" is not allowed: a user id is <appName>-<number>, the number decimal, 0 to 9223372036854775807, without leading zeros",
            ],
        ),
        (
            "/clientApps/4/masterUserId",
            json!("domain1-7"),
            vec![
                "clientApps[4].masterUserId: the master domain1-7 is not a user of this app; allowed: ANZ-<number>",
            ],
        ),
        (
            "/clientApps/4/authUrl",
            json!("ftp://h"),
            vec![
                "clientApps[4].authUrl: the scheme \"ftp\" is not known here; allowed: http://HOST:PORT/PATH or https://…",
            ],
        ),
        (
            "/clientApps/4/authUrl",
            json!("localhost:4200"),
            vec!["clientApps[4].authUrl: is not a url; allowed: http://HOST:PORT/PATH or https://…"],
        ),
    ] {
        assert_eq!(mistakes(&seed_with(pointer, value)), expected);
    }
    let told = mistakes(&seed_with(
        "/clientApps/4/authUrl",
        json!("http://u:hunter2@h/auth"),
    ));
    assert!(
        told[0].starts_with("clientApps[4].authUrl: the url has a user or password")
            && !told[0].contains("hunter2")
    );
}

#[test]
fn authentication_that_cannot_work_is_refused() {
    let one_key = "allowed: exactly one of `publicKey`, `keyFile`, `jwksFile`";
    let no_claim = "is no text that a token says; allowed: 1 to 256 bytes without control characters, as the tokens have it";
    let jwt = |claims: Value| {
        let mut jwt = json!({"algorithm": "RS256", "keyFile": "k"});
        jwt.as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        json!({"jwt": jwt})
    };
    for (rest, expected) in [
        (json!({"authEnabled": true}), vec![
            "clientApps[0].authEnabled: authEnabled is true, but nothing says how; allowed: an `authUrl` or a `jwt`".to_owned(),
        ]),
        (json!({"authUrl": "http://h", "jwt": {"algorithm": "RS256", "keyFile": "k"}}), vec![
            "clientApps[0].jwt: there is an authUrl as well; allowed: either `authUrl` or `jwt`".to_owned(),
        ]),
        (json!({"authUrl": "http://h", "authTimeout": "3"}), vec![
            "clientApps[0].authTimeout: is not a duration; allowed: a whole number and a unit, as 20ms, 30s, 5m, 1h, 7d".to_owned(),
        ]),
        (json!({"authUrl": "http://h", "authTimeout": "0ms"}), vec![
            "clientApps[0].authTimeout: is no time at all; allowed: more than 0, as 3s".to_owned(),
        ]),
        (json!({"jwt": {"algorithm": "RS256"}}), vec![format!("clientApps[0].jwt: has 0 keys; {one_key}")]),
        (json!({"jwt": {"algorithm": "RS256", "keyFile": "a", "jwksFile": "b"}}), vec![
            format!("clientApps[0].jwt: has 2 keys; {one_key}"),
        ]),
        (json!({"jwt": {"algorithm": "none", "keyFile": ""}}), vec![
            "clientApps[0].jwt.algorithm: is not a known algorithm; allowed: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA".to_owned(),
            "clientApps[0].jwt.keyFile: is missing; allowed: the name of a file on the nodes".to_owned(),
        ]),
        (json!({"jwt": {"algorithm": "RS256", "publicKey": "MIIB"}}), vec![
            "clientApps[0].jwt.publicKey: is not a public key; allowed: PEM, from `-----BEGIN PUBLIC KEY-----` on".to_owned(),
        ]),
        (jwt(json!({"audience": []})), vec![
            "clientApps[0].jwt.audience: has 0 audiences; allowed: a text, or a list of 1 to 16".to_owned(),
        ]),
        (jwt(json!({"audience": vec!["a"; 17]})), vec![
            "clientApps[0].jwt.audience: has 17 audiences; allowed: a text, or a list of 1 to 16".to_owned(),
        ]),
        (jwt(json!({"audience": ["chat", ""], "issuer": "a\nb"})), vec![
            format!("clientApps[0].jwt.audience: {no_claim}"),
            format!("clientApps[0].jwt.issuer: {no_claim}"),
        ]),
    ] {
        let mut app = json!({"appName": "ANZ", "appId": "1"});
        app.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        assert_eq!(app_mistakes(app), expected);
    }
}

#[test]
fn secret_keys_are_refused_and_not_repeated() {
    let private = PUBLIC_KEY.replace("PUBLIC", "PRIVATE") + "hunter2";
    let both = format!("{PUBLIC_KEY}{private}");
    for (algorithm, key) in [
        ("HS256", "hunter2"),
        ("HS512", PUBLIC_KEY),
        ("RS256", &private),
        ("EdDSA", &both),
    ] {
        let app = json!({"appName": "ANZ", "appId": "1", "jwt": {"algorithm": algorithm, "publicKey": key}});
        let parsed: ClientAppDocument = serde_json::from_value(app.clone()).unwrap();
        assert!(!format!("{parsed:?}").contains("hunter2"));
        let told = app_mistakes(app);
        let text = "clientApps[0].jwt.publicKey: the key is a secret; allowed: a public key, or `keyFile` or `jwksFile`";
        assert!(
            told.len() == 1 && told[0].starts_with(text) && !told[0].contains("hunter2"),
            "{told:?}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let document = parse(json!({
        "domains": [{"name": "a", "urls": ["http://h"]}, {"name": "a"}, {"name": "?"}],
        "domainLinks": [{"n1": "a", "n2": "b"}, {"n1": "a", "n2": "a", "weight": 0}, {}],
        "clientApps": [
            {"appName": "ANZ", "appId": "1", "masterUserId": "x", "authUrl": "?"},
            {"appName": "ANZ", "appId": "1", "masterUserId": "XYZ-1", "authEnabled": true},
            {},
        ],
        "userDistributions": [{"domainName": "b", "from": 5, "to": 4}, {"domainName": "a"}, {"from": 1}],
    }));
    let keys: Vec<String> = document
        .validate()
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.key)
        .collect();
    assert_eq!(
        keys,
        [
            "domains[0].urls[0]",
            "domains[2].name",
            "domainLinks[2].n1",
            "domainLinks[2].n2",
            "domains[1].name",
            "domainLinks[0].n2",
            "domainLinks[1]",
            "domainLinks[1].weight",
            "clientApps[0].masterUserId",
            "clientApps[0].authUrl",
            "clientApps[1].authEnabled",
            "clientApps[2].appName",
            "clientApps[2].appId",
            "clientApps[1].appName",
            "clientApps[1].appId",
            "clientApps[1].masterUserId",
            "userDistributions[0].domainName",
            "userDistributions[1].from",
            "userDistributions[2].domainName",
            "userDistributions[0].to",
        ]
    );
}
