//! Apps, users and domains change in a running node.

use std::sync::Arc;
use std::time::Duration;

use linker_actors::core::app::{AuthMethod, ClientApp, ClientApps, ExpectedClaims, JwtAlgorithm, JwtKey};
use linker_actors::core::code::ErrorCode;
use linker_actors::core::directory::Directory;
use linker_actors::core::network::Domain;
use linker_actors::{SendError, SetDirectoryError};

use super::{node, outgoing, spec};
use crate::harness::{Client, Node, apps, auth, eventually, message, user};

fn only(apps: Vec<ClientApp>) -> Directory {
    let domain = Domain::named("elsewhere".parse().expect("a domain name"));
    Directory::single(domain, Arc::new(ClientApps::new(apps).expect("apps")))
}

async fn set(node: &Node, apps: Vec<ClientApp>) {
    let set = node.handle.set_directory(only(apps)).await;
    assert_eq!(set, Ok(()));
}

fn with_auth(mut app: ClientApp, auth: AuthMethod) -> ClientApp {
    app.auth = auth;
    app
}

/// Asks a service that is not there.
fn callback(port: u16) -> AuthMethod {
    AuthMethod::Callback {
        url: format!("http://127.0.0.1:{port}/auth"),
        timeout: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn another_directory_is_worked_with_at_once() {
    let node = node().await;
    let mut stays = Client::login(&node, "ANZ-1").await;
    let mut goes = Client::login(&node, "XYZ-1").await;
    let [anz, _, _] = apps();
    set(&node, vec![anz]).await;
    assert_eq!(goes.closed().await, Some(1001));
    assert_eq!(Client::refused(&node, auth("XYZ-2")).await.code(), "UNKNOWN_APP");
    stays.send(message("XYZ-3", 1));
    assert_eq!(stays.expect("ERROR").await.code(), "UNKNOWN_USER");
    let refused = node.handle.send(user("XYZ-1"), outgoing(1)).await;
    assert!(
        matches!(&refused, Err(SendError::Refused(error)) if error.code == ErrorCode::UnknownUser),
        "{refused:?}"
    );
    eventually("the session is gone", crate::harness::WAIT, async || {
        (node.handle.sessions() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_user_whose_app_was_away_for_a_while_is_still_there() {
    let node = node().await;
    let [anz, xyz, _] = apps();
    let accepted = serde_json::json!({"accepted": true});
    let mut sender = Client::login_with(&node, "ANZ-1", accepted).await;
    sender.store_for("XYZ-1", &["r1".to_owned()]).await;
    set(&node, vec![anz.clone()]).await;
    set(&node, vec![anz, xyz]).await;
    let mut back = Client::login(&node, "XYZ-1").await;
    let (page, _) = back.fetch(10).await;
    assert_eq!(page.len(), 1);
}

#[tokio::test]
async fn an_app_with_another_id_or_a_stricter_login_begins_anew_and_others_do_not() {
    let node = node().await;
    let [anz, xyz, lone] = apps();
    let mut clients = Vec::new();
    for name in ["ANZ-1", "XYZ-1", "LONE-1"] {
        clients.push(Client::login(&node, name).await);
    }
    let mut renamed = anz.clone();
    renamed.app_id = "another".into();
    let strict = with_auth(xyz, callback(9));
    set(&node, vec![renamed, strict, lone]).await;
    assert_eq!(clients[0].closed().await, Some(1001));
    assert_eq!(clients[1].closed().await, Some(1001));
    clients[2].expect_quiet().await;
    assert_eq!(Client::refused(&node, auth("ANZ-1")).await.code(), "UNKNOWN_APP");
    assert_eq!(
        Client::refused(&node, auth("XYZ-1")).await.code(),
        "AUTH_UNAVAILABLE"
    );
}

#[tokio::test]
async fn a_directory_whose_logins_could_not_be_checked_is_refused_and_the_former_stays() {
    let node = spec().start().await;
    let [anz, _, _] = apps();
    let jwt = AuthMethod::Jwt {
        algorithm: JwtAlgorithm::Es256,
        key: JwtKey::KeyFile("/no/such/key.pem".into()),
        expected: ExpectedClaims::default(),
    };
    let refused = node.handle.set_directory(only(vec![with_auth(anz, jwt)])).await;
    let Err(SetDirectoryError::Authenticator(text)) = &refused else {
        panic!("it was taken: {refused:?}")
    };
    assert!(text.contains("ANZ"), "{text}");
    Client::login(&node, "ANZ-1").await;
    Client::login(&node, "XYZ-1").await;
}

#[tokio::test]
async fn who_logs_in_while_the_directory_changes_is_never_left_over() {
    let node = node().await;
    let [anz, xyz, _] = apps();
    for round in 0..20 {
        set(&node, vec![anz.clone(), xyz.clone()]).await;
        let logins = (0..8).map(async |number| {
            let mut client = Client::connect(&node).await;
            client.send(auth(&format!("XYZ-{}", round * 8 + number)));
            client.closed().await
        });
        let (codes, ()) = tokio::join!(futures_util::future::join_all(logins), async {
            tokio::task::yield_now().await;
            set(&node, vec![anz.clone()]).await;
        });
        // Refused, or let in and closed: every one of them came to its end.
        for code in codes {
            assert!([Some(1001), Some(4003)].contains(&code), "{code:?}");
        }
    }
    eventually("no session is left", crate::harness::WAIT, async || {
        (node.handle.sessions() == 0).then_some(())
    })
    .await;
}
