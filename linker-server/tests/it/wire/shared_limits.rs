//! Limits that the sessions of a user, an app and an address have together.

use serde_json::{Value, json};

use crate::harness::{Client, NodeConfig, Raw, Wire, auth, claims, hs_token, ping};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Writes all frames at once, so that they are one burst.
async fn at_once(raw: &mut Raw, frames: &[Value]) {
    let bytes: Vec<u8> = frames
        .iter()
        .flat_map(|frame| Wire::new(1, frame.to_string().as_bytes()).bytes())
        .collect();
    raw.bytes(&bytes).await;
}

/// How the node answers as many pings at once: those handled, those refused.
async fn ping_at_once(raw: &mut Raw, count: usize) -> (usize, usize) {
    at_once(raw, &vec![ping(); count]).await;
    let (mut handled, mut refused) = (0, 0);
    for _ in 0..count {
        let frame = raw.next_text().await;
        if frame.kind() == "PONG" {
            handled += 1;
        } else {
            assert_eq!(frame.code(), "RATE_LIMITED", "{}", frame.text);
            refused += 1;
        }
    }
    (handled, refused)
}

#[tokio::test]
async fn all_sessions_of_a_user_have_one_rate_and_other_users_their_own() {
    let node = NodeConfig::new()
        .set("limits.messagesPerSecondPerUser", 10)
        .set("limits.maxViolations", 60)
        .start()
        .await;
    let mut first = Raw::login(&node, "ANZ-1").await;
    let mut second = Raw::login(&node, "ANZ-1").await;
    let mut other = Raw::login(&node, "ANZ-2").await;
    let (handled, refused) = ping_at_once(&mut first, 50).await;
    assert!(handled >= 10 && refused > 0, "{handled}, {refused}");
    // What the first has used up is used up for the second, but for what came back meanwhile; the time is the limiter's.
    let (also, refused) = ping_at_once(&mut second, 50).await;
    assert!(refused > 0 && also < 50, "{also}, {refused}");
    let (handled, _) = ping_at_once(&mut other, 10).await;
    assert_eq!(handled, 10);
    // It is a violation of the one who goes on.
    at_once(&mut second, &vec![ping(); 1000]).await;
    assert_eq!(second.closed().await, Some(4029));
}

#[tokio::test]
async fn all_users_of_an_app_have_one_rate_and_nobody_is_sent_away_for_the_others() {
    let node = NodeConfig::new()
        .set("limits.messagesPerSecondPerApp", 10)
        .set("limits.maxViolations", 3)
        .start()
        .await;
    let mut first = Raw::login(&node, "ANZ-1").await;
    let mut other = Raw::login(&node, "XYZ-2").await;
    let (handled, refused) = ping_at_once(&mut first, 200).await;
    assert!(handled >= 10 && refused > 0, "{handled}, {refused}");
    let (handled, _) = ping_at_once(&mut other, 10).await;
    assert_eq!(handled, 10);
    // Far more than maxViolations were refused, and the session lives.
    crate::harness::eventually("it is handled again", crate::harness::WAIT, async || {
        (ping_at_once(&mut first, 1).await.0 == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn logins_from_one_address_are_limited_and_renewals_count() {
    let key = NodeConfig::new();
    let file = key.write("key", KEY);
    let node = key
        .set("limits.loginsPerSecondPerAddress", 1)
        .app(json!({
            "appName": "J", "appId": "app-id-J", "authEnabled": true,
            "jwt": {"algorithm": "HS256", "keyFile": file},
        }))
        .start()
        .await;
    let login = || {
        let mut frame = auth("J-1");
        frame["data"]["token"] = json!(hs_token(KEY.as_bytes(), &claims("J-1", 600)));
        frame
    };
    let mut user = Client::login_by(&node, login()).await;
    let limited =
        crate::harness::eventually("a renewal is over the limit", crate::harness::WAIT, async || {
            user.send(login());
            let answer = user.next().await;
            (answer.kind() == "ERROR").then_some(answer)
        })
        .await;
    assert_eq!(limited.code(), "RATE_LIMITED", "{}", limited.text);
    // A first login over the limit is refused as such.
    let code = crate::harness::eventually("a login is over the limit", crate::harness::WAIT, async || {
        let mut client = Client::connect(&node).await;
        client.send(auth("ANZ-1"));
        let reply = client.expect("AUTH_CLIENT_REPLY").await;
        if reply["data"]["isAuthenticated"] == true {
            return None;
        }
        assert_eq!(client.closed().await, Some(4003));
        Some(reply.code().to_owned())
    })
    .await;
    assert_eq!(code, "RATE_LIMITED");
}

#[tokio::test]
async fn an_app_has_so_many_sessions_on_a_node_and_no_more() {
    let node = NodeConfig::new().set("limits.sessionsPerApp", 2).start().await;
    let mut first = Client::login(&node, "ANZ-1").await;
    let second = Client::login(&node, "ANZ-2").await;
    let refused = Client::refused(&node, auth("ANZ-3")).await;
    assert_eq!(refused.code(), "RATE_LIMITED");
    let mut other = Client::login(&node, "XYZ-2").await;
    first.expect_quiet().await;
    second.close().await;
    crate::harness::eventually("there is room again", crate::harness::WAIT, async || {
        let mut client = Client::connect(&node).await;
        client.send(auth("ANZ-3"));
        let reply = client.expect("AUTH_CLIENT_REPLY").await;
        (reply["data"]["isAuthenticated"] == true).then_some(())
    })
    .await;
    other.expect_quiet().await;
    // Who was refused is registered nowhere.
    crate::harness::eventually(
        "as many are registered as there are",
        crate::harness::WAIT,
        async || {
            let metrics = node.metrics().await;
            let registered = metrics.value("linker_presence_entries", &[]);
            (registered == metrics.value("linker_sessions", &[])).then_some(())
        },
    )
    .await;
}
