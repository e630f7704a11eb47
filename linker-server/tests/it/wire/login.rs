//! Logging in: the order of the checks, what each refusal looks like, and the time allowed.

use serde_json::json;

use crate::harness::{Client, MASTER, Node, NodeConfig, Raw, Received, Wire, auth, message, ping};

#[tokio::test]
async fn a_login_with_a_known_app_and_its_own_user_succeeds() {
    let node = Node::start().await;
    let client = Client::login(&node, "ANZ-1").await;
    let reply = client.reply.as_ref().unwrap();
    assert_eq!(reply["data"]["appId"], "app-id-343");
    assert_eq!(reply["data"]["userId"], "ANZ-1");
    assert!(reply["data"]["error"].is_null(), "{}", reply.text);
}

#[tokio::test]
async fn an_unknown_app_is_refused_before_the_user_id_is_looked_at() {
    let node = Node::start().await;
    let reply = Client::refused(
        &node,
        json!({"type": "AUTH_CLIENT", "data": {"appId": "no-such-app", "userId": "not a user id"}}),
    )
    .await;
    assert_eq!(reply.code(), "UNKNOWN_APP");
    assert_eq!(reply["data"]["appId"], "no-such-app");
    assert_eq!(reply["data"]["userId"], "not a user id");
    assert!(reply["data"]["error"]["message"].is_string(), "{}", reply.text);
}

#[tokio::test]
async fn a_malformed_user_id_is_refused_before_its_app_is_compared() {
    let node = Node::start().await;
    let long_name = format!("{}-1", "a".repeat(33));
    for user in [
        "",
        "ANZ",
        "ANZ-",
        "-1",
        "ANZ-01",
        "ANZ-00",
        "ANZ--1",
        "ANZ-+1",
        "ANZ-1 ",
        " ANZ-1",
        "ANZ-1x",
        "ANZ-1-2",
        "A Z-1",
        "ÄNZ-1",
        "ANZ-١",
        "ANZ-9223372036854775808",
        "ANZ-99999999999999999999999",
        &long_name,
    ] {
        let reply = Client::refused(
            &node,
            json!({"type": "AUTH_CLIENT", "data": {"appId": "app-id-343", "userId": user}}),
        )
        .await;
        assert_eq!(reply.code(), "INVALID_USER_ID", "{user:?}: {}", reply.text);
    }
}

#[tokio::test]
async fn the_smallest_and_the_largest_number_are_users() {
    let node = Node::start().await;
    Client::login(&node, "ANZ-0").await;
    Client::login(&node, "ANZ-9223372036854775807").await;
}

#[tokio::test]
async fn an_app_name_may_have_32_characters_digits_and_underscores() {
    let name = "a_Z0123456789012345678901234567Z";
    assert_eq!(name.len(), 32);
    let app_id = format!("app-id-{name}");
    let node = NodeConfig::new()
        .app(json!({"appName": name, "appId": app_id}))
        .start()
        .await;
    Client::login(&node, &format!("{name}-7")).await;
}

#[tokio::test]
async fn a_user_of_another_app_is_refused() {
    let node = Node::start().await;
    for user in ["XYZ-5", "NOPE-5", "anz-5"] {
        let reply = Client::refused(
            &node,
            json!({"type": "AUTH_CLIENT", "data": {"appId": "app-id-343", "userId": user}}),
        )
        .await;
        assert_eq!(reply.code(), "WRONG_APP", "{user}");
    }
}

#[tokio::test]
async fn a_refused_login_leaves_others_alone() {
    let node = Node::start().await;
    let mut other = Client::login(&node, "ANZ-1").await;
    Client::refused(
        &node,
        json!({"type": "AUTH_CLIENT", "data": {"appId": "x", "userId": "ANZ-1"}}),
    )
    .await;
    other.expect_quiet().await;
}

#[tokio::test]
async fn a_connection_that_does_not_log_in_is_closed_with_4001() {
    let node = NodeConfig::new().set("limits.authTimeout", "300ms").start().await;
    let mut silent = Client::connect(&node).await;
    assert_eq!(silent.closed().await, Some(4001));
}

#[tokio::test]
async fn bad_frames_before_the_login_do_not_prolong_its_time() {
    let node = NodeConfig::new().set("limits.authTimeout", "500ms").start().await;
    let mut client = Client::connect(&node).await;
    client.send_text("{");
    assert_eq!(client.next().await.code(), "INVALID_JSON");
    assert_eq!(client.closed().await, Some(4001));
}

#[tokio::test]
async fn a_login_in_time_is_not_closed_when_the_time_is_over() {
    let node = NodeConfig::new().set("limits.authTimeout", "500ms").start().await;
    let mut user = Client::login(&node, "ANZ-1").await;
    let mut silent = Client::connect(&node).await;
    assert_eq!(silent.closed().await, Some(4001));
    user.expect_quiet().await;
}

#[tokio::test]
async fn anything_but_auth_client_before_the_login_is_not_authenticated_and_a_login_still_works() {
    let node = Node::start().await;
    let mut client = Client::connect(&node).await;
    let mut early = message("ANZ-2", "too early");
    early["reference"] = json!("r-early");
    client.send(early);
    let error = client.next().await;
    assert_eq!(error.code(), "NOT_AUTHENTICATED");
    assert_eq!(error["reference"], "r-early");
    client.send(ping());
    assert_eq!(client.next().await.code(), "NOT_AUTHENTICATED");
    client.send(auth("ANZ-1"));
    assert_eq!(client.next().await["data"]["isAuthenticated"], true);

    let mut recipient = Client::login(&node, "ANZ-2").await;
    assert_eq!(recipient.missing(), 0, "the early message was not processed");
    recipient.expect_quiet().await;
}

#[tokio::test]
async fn bad_json_before_the_login_is_an_error_and_a_login_still_works() {
    let node = Node::start().await;
    let mut client = Client::connect(&node).await;
    for text in ["", "{", "[]", "null", "\"AUTH_CLIENT\"", "1"] {
        client.send_text(text);
        let error = client.next().await;
        assert_eq!(error.code(), "INVALID_JSON", "{text:?}");
        error.error_text();
    }
    client.send(auth("ANZ-1"));
    assert_eq!(client.next().await["data"]["isAuthenticated"], true);
}

#[tokio::test]
async fn a_missing_or_malformed_field_of_the_login_is_named_and_a_login_still_works() {
    let node = Node::start().await;
    let mut client = Client::connect(&node).await;
    for (data, field) in [
        (json!({"userId": "ANZ-1"}), "appId"),
        (json!({"appId": "app-id-343"}), "userId"),
        (json!({"appId": 343, "userId": "ANZ-1"}), "appId"),
        (json!({"appId": "app-id-343", "userId": 1}), "userId"),
        (
            json!({"appId": "app-id-343", "userId": "ANZ-1", "token": {}}),
            "token",
        ),
        (
            json!({"appId": "app-id-343", "userId": "ANZ-1", "options": {"ack": "never"}}),
            "ack",
        ),
        (
            json!({"appId": "app-id-343", "userId": "ANZ-1", "options": {"accepted": "yes"}}),
            "accepted",
        ),
        (
            json!({"appId": "app-id-343", "userId": "ANZ-1", "options": {"replay": 1}}),
            "replay",
        ),
        (
            json!({"appId": "app-id-343", "userId": "ANZ-1", "options": []}),
            "options",
        ),
    ] {
        client.send(json!({"type": "AUTH_CLIENT", "data": data}));
        let error = client.next().await;
        assert_eq!(error.kind(), "ERROR", "{data}: {}", error.text);
        assert_eq!(error.code(), "INVALID_FIELD", "{data}");
        assert!(
            error.error_text().contains(field),
            "{data}: {field} is not named in {}",
            error.text
        );
    }
    client.send(json!({"type": "AUTH_CLIENT"}));
    assert_eq!(client.next().await.code(), "INVALID_FIELD");
    client.send(auth("ANZ-1"));
    assert_eq!(client.next().await["data"]["isAuthenticated"], true);
}

#[tokio::test]
async fn unknown_options_and_fields_are_ignored() {
    let node = Node::start().await;
    let mut frame = auth("ANZ-1");
    frame["data"]["options"] = json!({"colour": "green", "ack": "transport"});
    frame["data"]["device"] = json!("phone");
    frame["version"] = json!(7);
    Client::login_by(&node, frame).await;
}

#[tokio::test]
async fn a_second_login_on_one_connection_is_already_authenticated() {
    let node = Node::start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    for frame in [auth("ANZ-1"), auth("ANZ-2"), auth(MASTER)] {
        client.send(frame);
        assert_eq!(client.next().await.code(), "ALREADY_AUTHENTICATED");
    }
    let mut again = auth("ANZ-1");
    again["data"]["token"] = json!("anything");
    client.send(again);
    assert_eq!(
        client.next().await.code(),
        "ALREADY_AUTHENTICATED",
        "this session's token does not expire"
    );
    client.expect_quiet().await;
}

#[tokio::test]
async fn frames_sent_right_behind_the_login_wait_for_it() {
    let node = Node::start().await;
    let mut raw = Raw::connect(&node).await;
    raw.answers_pings = true;
    let frames = [auth("ANZ-1"), message("ANZ-1", "to myself"), ping()];
    let bytes: Vec<u8> = frames
        .iter()
        .flat_map(|frame| crate::harness::Wire::new(1, frame.to_string().as_bytes()).bytes())
        .collect();
    raw.bytes(&bytes).await;
    assert_eq!(
        raw.expect("AUTH_CLIENT_REPLY").await["data"]["isAuthenticated"],
        true
    );
    let mut kinds = [
        raw.next_text().await.kind().to_owned(),
        raw.next_text().await.kind().to_owned(),
    ];
    kinds.sort();
    assert_eq!(kinds, ["MESSAGE", "PONG"]);
}

#[tokio::test]
async fn neither_pings_nor_half_a_frame_prolong_the_time_for_the_login() {
    let node = NodeConfig::new().set("limits.authTimeout", "700ms").start().await;
    let mut pinging = Raw::connect(&node).await;
    let mut trickling = Raw::connect(&node).await;
    let never_whole = Wire::new(1, &[b' '; 60_000]).bytes();
    let tickle = async {
        for byte in never_whole.iter().take(4000) {
            // Whether they are still open is told by how they are closed.
            pinging.bytes(&Wire::new(9, b"here").bytes()).await;
            trickling.bytes(&[*byte]).await;
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
            if let Some(Received::Close(code)) =
                pinging.receive_within(std::time::Duration::from_millis(1)).await
            {
                return code;
            }
        }
        None
    };
    assert_eq!(tickle.await, Some(4001));
    assert_eq!(trickling.closed().await, Some(4001));
}
