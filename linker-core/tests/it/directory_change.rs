//! The directory changes under sessions that are there.

use std::sync::Arc;
use std::time::Duration;

use linker_core::app::{AuthMethod, ClientApp, ClientApps, ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_core::code::{CloseCode, ErrorCode};
use linker_core::directory::DirectoryError;
use linker_core::id::UserId;
use linker_core::meta::MetaUnfit;
use linker_core::port::Login;
use linker_core::session::{SessionConfig, SessionEffect};
use serde_json::json;

use crate::lone_session::{Alone, LOGIN};
use crate::meta_document::{parse, seed, seed_with};

fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

fn no_apps() -> Arc<ClientApps> {
    Arc::default()
}

fn own_apps() -> Arc<ClientApps> {
    Arc::new(ClientApps::new(vec![app(AuthMethod::None)]).unwrap())
}

fn app(auth: AuthMethod) -> ClientApp {
    ClientApp {
        app_name: "ANZ".parse().unwrap(),
        app_id: "app".to_owned(),
        master: None,
        isolated: false,
        auth,
    }
}

fn callback(url: &str) -> AuthMethod {
    let timeout = Duration::from_secs(3);
    AuthMethod::Callback {
        url: url.to_owned(),
        timeout,
    }
}

fn jwt(key: &str) -> AuthMethod {
    jwt_for(key, &[])
}

fn jwt_for(key: &str, audience: &[&str]) -> AuthMethod {
    AuthMethod::Jwt {
        algorithm: JwtAlgorithm::Es256,
        key: JwtKey::KeyFile(key.into()),
        expected: ExpectedClaims {
            audience: audience.iter().map(ToString::to_string).collect(),
            issuer: None,
        },
    }
}

#[test]
fn a_session_goes_on_where_its_login_showed_what_a_login_shows_now() {
    let goes_on = [
        (AuthMethod::None, AuthMethod::None),
        (callback("http://a"), AuthMethod::None),
        (jwt("k"), AuthMethod::None),
        (callback("http://a"), callback("http://b")),
        (jwt("k"), jwt("k")),
    ];
    for (then, now) in goes_on {
        assert!(
            app(now.clone()).admits_sessions_of(&app(then.clone())),
            "{then:?} {now:?}"
        );
    }
    let ends = [
        (AuthMethod::None, callback("http://a")),
        (AuthMethod::None, jwt("k")),
        (callback("http://a"), jwt("k")),
        (jwt("k"), callback("http://a")),
        (jwt("k"), jwt("other")),
        (jwt("k"), jwt_for("k", &["chat"])),
    ];
    for (then, now) in ends {
        assert!(
            !app(now.clone()).admits_sessions_of(&app(then.clone())),
            "{then:?} {now:?}"
        );
    }
    let mut renamed = app(AuthMethod::None);
    renamed.app_id = "another".to_owned();
    assert!(!renamed.admits_sessions_of(&app(AuthMethod::None)));
    let mut isolated = app(AuthMethod::None);
    isolated.isolated = true;
    isolated.master = Some(user("ANZ-1"));
    assert!(isolated.admits_sessions_of(&app(AuthMethod::None)));
}

#[test]
fn a_directory_admits_those_at_home_in_its_domain() {
    let own = "domain-02".parse().unwrap();
    let network = parse(seed()).validate().unwrap().value;
    let directory = network.directory(&own, &no_apps()).unwrap();
    let anz = directory.app_by_id("app-id-343").unwrap();
    assert!(directory.admits(&user("ANZ-1000000"), anz));
    assert!(
        !directory.admits(&user("ANZ-999999"), anz),
        "it lives in domain-01"
    );
    assert!(
        !directory.admits(&user("NONE-1000000"), anz),
        "there is no such app"
    );
}

#[test]
fn client_apps_come_from_the_document_or_the_node_not_from_both_or_none() {
    let own = "domain-01".parse().unwrap();
    let with = |apps, own_apps: &Arc<ClientApps>| {
        let network = seed_with("/clientApps", apps).validate().unwrap().value;
        network.directory(&own, own_apps)
    };
    let app = json!([{"appName": "XYZ", "appId": "x"}]);
    let name = |apps: &ClientApps| {
        apps.iter()
            .map(|app| app.app_name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(name(with(app.clone(), &no_apps()).unwrap().apps()), ["XYZ"]);
    assert_eq!(name(with(json!([]), &own_apps()).unwrap().apps()), ["ANZ"]);
    assert_eq!(with(app, &own_apps()).unwrap_err(), MetaUnfit::AppsTwice);
    assert_eq!(with(json!([]), &no_apps()).unwrap_err(), MetaUnfit::NoApps);
}

#[test]
fn a_node_of_a_domain_that_the_document_does_not_know_is_told_so() {
    let own: linker_core::id::DomainName = "domain-77".parse().unwrap();
    let network = parse(seed()).validate().unwrap().value;
    let unfit = network.directory(&own, &no_apps()).unwrap_err();
    assert_eq!(unfit, MetaUnfit::Directory(DirectoryError::OwnDomain(own)));
}

#[test]
fn what_changed_while_the_app_was_asked_counts() {
    let own = "domain-01".parse().unwrap();
    let directory = |first_number: u64, app: serde_json::Value| {
        let mut document = seed();
        document["clientApps"] = json!([app]);
        document["userDistributions"][0]["from"] = json!(first_number);
        let network = parse(document).validate().unwrap().value;
        network.directory(&own, &no_apps()).unwrap()
    };
    let anz = json!({"appName": "ANZ", "appId": "app"});
    let strict = json!({"appName": "ANZ", "appId": "app", "authEnabled": true, "authUrl": "http://h"});
    let changed = [
        (directory(0, anz.clone()), None),
        (directory(2, anz), Some(ErrorCode::UnknownDomain)),
        (
            directory(0, json!({"appName": "XYZ", "appId": "app"})),
            Some(ErrorCode::UnknownApp),
        ),
        (
            directory(0, json!({"appName": "ANZ", "appId": "new"})),
            Some(ErrorCode::UnknownApp),
        ),
        (directory(0, strict), Some(ErrorCode::AuthUnavailable)),
    ];
    for (now, expected) in changed {
        let mut alone = Alone::new(SessionConfig::default());
        alone.text(LOGIN);
        alone.directory = now;
        alone.step(|session, cx| session.on_authenticated(Ok(Login::default()), cx));
        assert_eq!(alone.errors(), Vec::from_iter(expected), "{expected:?}");
        let refused = expected.map(|_| CloseCode::LoginRefused);
        assert_eq!(alone.closed, refused, "{expected:?}");
        let registered = alone
            .other
            .iter()
            .any(|effect| matches!(effect, SessionEffect::Register { .. }));
        assert_eq!(registered, expected.is_none(), "{expected:?}");
    }
}

#[test]
fn a_session_knows_whether_another_directory_would_have_let_it_in() {
    let alone = Alone::logged_in("{}", SessionConfig::default());
    assert!(alone.session.is_admitted_by(&alone.directory));
    let elsewhere = parse(seed()).validate().unwrap().value;
    let elsewhere = elsewhere.directory(&"domain-01".parse().unwrap(), &no_apps());
    assert!(
        !alone.session.is_admitted_by(&elsewhere.unwrap()),
        "its app has another id there"
    );
    let nobody = Alone::new(SessionConfig::default());
    assert!(nobody.session.is_admitted_by(&nobody.directory));
}
