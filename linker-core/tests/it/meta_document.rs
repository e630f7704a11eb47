//! The meta document by example: what the seed's means, and what may be written.

use linker_core::app::{AuthMethod, ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::directory::{Directory, Home};
use linker_core::id::UserId;
use linker_core::meta::{ClientAppDocument, MetaCaution, MetaDocument, validate_client_apps};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const PUBLIC_KEY: &str =
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";

/// The seed's example, key by key.
pub(crate) fn seed() -> Value {
    let domain = |number: u8| {
        json!({
            "name": format!("domain-0{number}"),
            "urls": [format!("tcp://192.168.56.{number}:9089"), format!("ws://192.168.56.{number}:8088")],
        })
    };
    let app = |name: &str| json!({"appName": name, "appId": name, "masterUserId": format!("{name}-1"), "authEnabled": false});
    json!({
        "spring": {"profiles": "development"},
        "server": {"port": 9000},
        "domains": [domain(1), domain(2), domain(3), domain(4)],
        "domainLinks": [
            {"n1": "domain-01", "n2": "domain-02"},
            {"n1": "domain-02", "n2": "domain-03"},
            {"n1": "domain-03", "n2": "domain-04"},
            {"n1": "domain-01", "n2": "domain-04"},
        ],
        "clientApps": [
            app("domain1"), app("domain2"), app("domain3"), app("domain4"),
            {
                "appName": "ANZ", "appId": "app-id-343", "masterUserId": "ANZ-123223",
                "authUrl": "http://localhost:4200/auth", "authEnabled": false,
            },
        ],
        "userDistributions": [
            {"domainName": "domain-01", "from": 0, "to": 999_999},
            {"domainName": "domain-02", "from": 1_000_000, "to": 2_999_999},
            {"domainName": "domain-03", "from": 3_000_000, "to": 5_999_999},
            {"domainName": "domain-04", "from": 6_000_000},
        ],
    })
}

pub(crate) fn parse(document: Value) -> MetaDocument {
    serde_json::from_value(document).unwrap()
}

/// The seed's document with one part replaced.
pub(crate) fn seed_with(pointer: &str, value: Value) -> MetaDocument {
    let mut document = seed();
    *document.pointer_mut(pointer).unwrap() = value;
    parse(document)
}

fn warnings(document: &MetaDocument) -> Vec<String> {
    let checked = document.validate().unwrap();
    checked.warnings.iter().map(ToString::to_string).collect()
}

fn auth_of(app: Value) -> AuthMethod {
    let app: ClientAppDocument = serde_json::from_value(app).unwrap();
    let checked = validate_client_apps(&[app]).unwrap();
    checked.value.iter().next().unwrap().auth.clone()
}

#[test]
fn the_seeds_document_works_as_the_seed_says() {
    let document = parse(seed());
    assert_eq!(
        document.server.as_ref().and_then(|server| server.port),
        Some(9000)
    );
    let checked = document.validate().unwrap();
    let tcp: Vec<_> = checked
        .warnings
        .iter()
        .map(|warning| (warning.key.as_str(), &warning.what))
        .collect();
    let ignored = &MetaCaution::TcpIgnored;
    let keys = [
        "domains[0].urls[0]",
        "domains[1].urls[0]",
        "domains[2].urls[0]",
        "domains[3].urls[0]",
    ];
    assert_eq!(tcp, keys.map(|key| (key, ignored)));

    let network = checked.value;
    let own = "domain-01".parse().unwrap();
    let directory = Directory::new(
        &own,
        Arc::new(network.apps),
        Arc::new(network.distributions),
        &Arc::new(network.topology),
        &HashSet::new(),
    )
    .unwrap();
    let user = |text: &str| text.parse::<UserId>().unwrap();
    let home = |text: &str| directory.home_of(&user(text)).unwrap().to_string();
    assert_eq!(home("ANZ-123456"), "domain-01");
    assert_eq!(home("ANZ-2000000"), "domain-02");
    assert_eq!(home("ANZ-3123456"), "domain-03");
    assert_eq!(home("ANZ-9223372036854775807"), "domain-04");
    // Both neighbours are on a shortest path to domain-03: the smaller name.
    let (domain, next_hop) = ("domain-03".parse().unwrap(), "domain-02".parse().unwrap());
    let away = Home::Away {
        domain: &domain,
        next_hop: Some(&next_hop),
    };
    assert_eq!(
        directory.check_recipient(&user("ANZ-1"), &user("ANZ-3123456")),
        Ok(away)
    );
    assert_eq!(directory.ws_urls(&domain), ["ws://192.168.56.3:8088/ws"]);
    let app = directory.app_by_id("app-id-343").unwrap();
    assert_eq!(app.auth, AuthMethod::None);
    assert!(app.is_master(&user("ANZ-123223")));
}

#[test]
fn a_document_survives_being_served_as_json() {
    let document = parse(seed());
    let json = serde_json::to_value(&document).unwrap();
    let mut expected = seed();
    expected.as_object_mut().unwrap().remove("spring");
    assert_eq!(json, expected);
    let back = parse(json);
    assert_eq!(warnings(&back), warnings(&document));
}

#[test]
fn unknown_keys_are_refused() {
    for (pointer, key) in [
        ("", "domain"),
        ("/server", "address"),
        ("/domains/0", "url"),
        ("/domainLinks/0", "n3"),
        ("/clientApps/0", "appID"),
        ("/userDistributions/0", "domain"),
    ] {
        let mut document = seed();
        let part = document.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        part.insert(key.to_owned(), json!(1));
        let error = serde_json::from_value::<MetaDocument>(document)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("unknown field `{key}`, expected")),
            "{error}"
        );
    }
}

#[test]
fn empty_lists_may_be_left_empty() {
    let document = parse(json!({
        "spring": null, "server": null, "domains": [{"name": "a", "urls": null}], "domainLinks": null, "clientApps": null,
    }));
    assert_eq!(warnings(&document), [""; 0]);
    assert!(document.validate().unwrap().value.apps.is_empty());
}

#[test]
fn client_urls_without_a_path_get_one() {
    for (given, told) in [
        ("ws://h:8088", "ws://h:8088/ws"),
        ("ws://h", "ws://h/ws"),
        ("wss://h/", "wss://h/ws"),
        ("wss://h/linker/ws", "wss://h/linker/ws"),
        ("ws://h?a=/b", "ws://h/ws?a=/b"),
        ("ws://h/x?a=b", "ws://h/x?a=b"),
        ("ws://[::1]:8088", "ws://[::1]:8088/ws"),
        ("WS://h:1", "WS://h:1/ws"),
    ] {
        let network = seed_with("/domains/0/urls", json!([given]))
            .validate()
            .unwrap()
            .value;
        let domain = network.topology.domain(&"domain-01".parse().unwrap()).unwrap();
        assert_eq!(domain.ws_urls, [told]);
        assert!(domain.amqp_urls.is_empty());
    }
    let urls = json!(["amqp://broker/vhost", "amqps://broker:5671"]);
    let network = seed_with("/domains/0/urls", urls).validate().unwrap().value;
    let domain = network.topology.domain(&"domain-01".parse().unwrap()).unwrap();
    assert_eq!(domain.amqp_urls, ["amqp://broker/vhost", "amqps://broker:5671"]);
}

#[test]
fn a_token_is_for_whom_and_from_whom_the_app_says() {
    let expected = |claims: Value| {
        let mut app = json!({"appName": "ANZ", "appId": "1", "jwt": {"algorithm": "RS256", "keyFile": "k"}});
        app["jwt"]
            .as_object_mut()
            .unwrap()
            .extend(claims.as_object().unwrap().clone());
        let read: ClientAppDocument = serde_json::from_value(app.clone()).unwrap();
        // As the meta server hands it on.
        assert_eq!(serde_json::to_value(read).unwrap()["jwt"], app["jwt"]);
        match auth_of(app) {
            AuthMethod::Jwt { expected, .. } => (expected.audience, expected.issuer),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(expected(json!({})), (vec![], None));
    assert_eq!(
        expected(json!({"audience": "chat"})),
        (vec!["chat".to_owned()], None)
    );
    let both = expected(json!({"audience": ["chat", "mail"], "issuer": "https://id"}));
    assert_eq!(
        both,
        (
            vec!["chat".to_owned(), "mail".to_owned()],
            Some("https://id".to_owned())
        )
    );
    // A key with nothing behind it is not the same as no key: whoever wrote it meant a check.
    for nothing in [
        json!({"audience": null}),
        json!({"issuer": null}),
        json!({"audience": [1]}),
    ] {
        let jwt = json!({"algorithm": "RS256", "keyFile": "k"});
        let mut app = json!({"appName": "ANZ", "appId": "1", "jwt": jwt});
        app["jwt"]
            .as_object_mut()
            .unwrap()
            .extend(nothing.as_object().unwrap().clone());
        assert!(
            serde_json::from_value::<ClientAppDocument>(app).is_err(),
            "{nothing}"
        );
    }
}

#[test]
fn authentication_is_what_the_app_says() {
    let app = |rest: Value| {
        let mut app = json!({"appName": "ANZ", "appId": "1"});
        app.as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        app
    };
    let url = "https://h:1/auth";
    let callback = |timeout| AuthMethod::Callback {
        url: url.to_owned(),
        timeout,
    };
    let jwt = |algorithm, key| AuthMethod::Jwt {
        algorithm,
        key,
        expected: ExpectedClaims::default(),
    };
    let (seconds, millis) = (Duration::from_secs(3), Duration::from_millis(250));
    assert_eq!(auth_of(app(json!({}))), AuthMethod::None);
    assert_eq!(auth_of(app(json!({"authUrl": url}))), AuthMethod::None);
    assert_eq!(
        auth_of(app(json!({"authUrl": url, "authEnabled": true}))),
        callback(seconds)
    );
    let timed = app(json!({"authUrl": url, "authEnabled": true, "authTimeout": "250ms"}));
    assert_eq!(auth_of(timed), callback(millis));
    let public = json!({"algorithm": "EdDSA", "publicKey": PUBLIC_KEY});
    let by_public = jwt(JwtAlgorithm::EdDsa, JwtKey::PublicKey(PUBLIC_KEY.to_owned()));
    assert_eq!(
        auth_of(app(json!({"jwt": public, "authEnabled": true}))),
        by_public
    );
    // A key is not given to be ignored: left out, `authEnabled` is true here.
    assert_eq!(auth_of(app(json!({"jwt": public}))), by_public);
    assert_eq!(
        auth_of(app(json!({"jwt": public, "authEnabled": false}))),
        AuthMethod::None
    );
    let by_file = auth_of(app(json!({"jwt": {"algorithm": "HS256", "keyFile": "/etc/key"}})));
    assert_eq!(
        by_file,
        jwt(JwtAlgorithm::Hs256, JwtKey::KeyFile("/etc/key".into()))
    );
    let by_set = auth_of(app(
        json!({"jwt": {"algorithm": "RS256", "jwksFile": "keys.json"}}),
    ));
    assert_eq!(
        by_set,
        jwt(JwtAlgorithm::Rs256, JwtKey::JwksFile("keys.json".into()))
    );

    let unused: ClientAppDocument = serde_json::from_value(app(json!({"authUrl": url}))).unwrap();
    let warnings = validate_client_apps(&[unused]).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        (warnings[0].key.as_str(), &warnings[0].what),
        ("clientApps[0].authUrl", &MetaCaution::AuthUrlUnused)
    );
}

#[test]
fn gaps_and_islands_are_warnings() {
    let mut document = seed();
    for domain in document["domains"].as_array_mut().unwrap() {
        domain["urls"] = json!([]);
    }
    document["domainLinks"] =
        json!([{"n1": "domain-01", "n2": "domain-03"}, {"n1": "domain-02", "n2": "domain-04"}]);
    document["userDistributions"] = json!([
        {"domainName": "domain-02", "from": 30, "to": 39},
        {"domainName": "domain-01", "from": 2, "to": 9},
        {"domainName": "domain-03", "from": 10, "to": 28},
    ]);
    let refused = "they are refused with UNKNOWN_DOMAIN";
    assert_eq!(warnings(&parse(document.clone())), [
        "domainLinks: no links lead from domain-01 to domain-02: messages between them are refused with UNKNOWN_DOMAIN".to_owned(),
        format!("userDistributions: no range has the users 0 to 1: {refused}"),
        format!("userDistributions: no range has the users 29: {refused}"),
        format!("userDistributions: no range has the users 40 and above: {refused}"),
    ]);
    document["userDistributions"] = json!([]);
    assert_eq!(
        warnings(&parse(document))[1..],
        [
            "userDistributions: there are several domains, but no ranges: all users are refused with UNKNOWN_DOMAIN"
        ]
    );
}
