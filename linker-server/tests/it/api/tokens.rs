//! Who may call what.

use serde_json::{Value, json};

use crate::harness::{Api, Client, Domain, Node, NodeConfig, WAIT, eventually, message, message_ack};

const MESSAGE: &str = "/api/v1/messages";
const USER: &str = "/api/v1/users/ANZ-2";
const SESSIONS: &str = "/api/v1/users/ANZ-2/sessions";

async fn guarded() -> Node {
    let config = NodeConfig::new().set("server.adminToken", "adm1n");
    let file = config.write("reader", "r3ad\n");
    config
        .set(
            "server.tokens",
            json!([
                {"token": "s3nd", "scopes": ["send"]},
                {"tokenFile": file, "scopes": ["read"]},
                {"token": "b0th", "scopes": ["send", "read"]},
            ]),
        )
        .start()
        .await
}

/// What sending, reading and closing are answered with.
async fn statuses(api: &Api) -> [u16; 3] {
    let body = json!({"to": "ANZ-2", "content": 1});
    [
        api.post(MESSAGE, &body).await.status,
        api.get(USER).await.status,
        api.delete(SESSIONS).await.status,
    ]
}

#[tokio::test]
async fn tokens_may_what_their_scopes_say() {
    let node = guarded().await;
    for (token, expected) in [
        ("adm1n", [202, 200, 200]),
        ("s3nd", [202, 403, 403]),
        ("r3ad", [403, 200, 403]),
        ("b0th", [202, 200, 403]),
        ("adm1", [401, 401, 401]),
        ("adm1nn", [401, 401, 401]),
    ] {
        assert_eq!(statuses(&Api::bearing(&node, token)).await, expected, "{token}");
    }
    assert_eq!(statuses(&Api::of(&node)).await, [401, 401, 401]);
}

#[tokio::test]
async fn who_has_no_token_is_told_before_anything_else_is_looked_at() {
    let node = guarded().await;
    let api = Api::of(&node);
    let answer = api.post(MESSAGE, &json!("nonsense")).await;
    answer.problem(401);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    api.get("/api/v1/users/nobody").await.problem(401);
    let basic = api.call("GET /api/v1/whoami HTTP/1.1\r\nAuthorization: Basic adm1n", "");
    basic.await.problem(401);
    // The scheme's name is in any case.
    let lower = api.call("GET /api/v1/whoami HTTP/1.1\r\nAuthorization: bearer adm1n", "");
    assert_eq!(lower.await.status, 200);
}

#[tokio::test]
async fn a_token_without_an_admin_token_guards_too() {
    let node = NodeConfig::new()
        .set("server.tokens", json!([{"token": "r3ad", "scopes": ["read"]}]))
        .start()
        .await;
    assert_eq!(statuses(&Api::of(&node)).await, [401, 401, 401]);
    assert_eq!(statuses(&Api::bearing(&node, "r3ad")).await, [403, 200, 403]);
}

#[tokio::test]
async fn without_a_token_no_page_of_another_origin_may_call() {
    let node = Node::start().await;
    let call = async |host: &str, more: &str| {
        let head = format!("GET {USER} HTTP/1.1\r\nHost: {host}{more}");
        raw_status(&node, &head).await
    };
    let here = node.admin.to_string();
    assert_eq!(call(&here, "").await, 200);
    assert_eq!(call("localhost:8090", "").await, 200);
    assert_eq!(call("[::1]:8090", "").await, 200);
    assert_eq!(call(&here, &format!("\r\nOrigin: http://{here}")).await, 200);
    // A name of its own that leads here.
    assert_eq!(call("evil.example:8090", "").await, 403);
    assert_eq!(
        call("evil.example:8090", "\r\nOrigin: http://evil.example:8090").await,
        403
    );
    assert_eq!(call(&here, "\r\nOrigin: https://evil.example").await, 403);
    assert_eq!(call(&here, "\r\nOrigin: null").await, 403);
}

/// With a `Host` of its own.
async fn raw_status(node: &Node, head: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(node.admin).await.unwrap();
    let request = format!("{head}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer}"))
}

#[tokio::test]
async fn keys_are_their_bearers_own() {
    let node = guarded().await;
    let key = "Idempotency-Key: 1\r\n";
    for (token, content) in [("s3nd", 1), ("b0th", 2), ("s3nd", 1)] {
        let body = json!({"to": "ANZ-2", "content": content});
        let answer = Api::bearing(&node, token).post_with(MESSAGE, key, &body).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    let user = Api::bearing(&node, "r3ad").get(USER).await.json();
    assert_eq!(user["missing"], 2);
}

/// Tokens that are bound to `ANZ`, to both apps, to `XYZ`, and to none.
fn bound_tokens() -> Value {
    json!([
        {"token": "anz", "scopes": ["send", "read"], "apps": ["ANZ"]},
        {"token": "both", "scopes": ["send", "read"], "apps": ["XYZ", "ANZ"]},
        {"token": "xyz", "scopes": ["read"], "apps": "XYZ"},
        {"token": "xyz-admin", "scopes": ["admin"], "apps": "XYZ"},
        {"token": "free", "scopes": ["send", "read"]},
    ])
}

async fn bound() -> Node {
    NodeConfig::new()
        .set("server.tokens", bound_tokens())
        .start()
        .await
}

#[tokio::test]
async fn a_token_of_an_app_sends_in_the_name_of_its_users_alone() {
    let node = bound().await;
    let api = Api::bearing(&node, "anz");
    for (body, status) in [
        (json!({"to": "ANZ-2", "content": 1}), 202),
        (json!({"to": "XYZ-2", "content": 1, "from": "ANZ-7"}), 202),
        (json!({"to": "XYZ-2", "content": 1}), 403),
        (json!({"to": "ANZ-2", "content": 1, "from": "XYZ-1"}), 403),
        (json!({"to": "ANZ-2", "content": 1, "from": "NOPE-1"}), 403),
    ] {
        let answer = api.post(MESSAGE, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        if status == 403 {
            answer.problem(403);
        }
    }
    for (to, from, status) in [
        (json!(["ANZ-2", "ANZ-3"]), None, 202),
        (json!(["ANZ-2", "XYZ-3"]), Some("ANZ-1"), 202),
        (json!(["ANZ-2", "XYZ-3"]), None, 403),
        (json!(["ANZ-2"]), Some("XYZ-1"), 403),
        (json!([]), Some("XYZ-1"), 403),
        (json!({"app": "ANZ"}), None, 202),
        (json!({"app": "XYZ"}), None, 403),
        (json!({"app": "XYZ"}), Some("ANZ-1"), 403),
        (json!({"app": "ANZ"}), Some("XYZ-1"), 403),
        (json!({"all": true}), None, 403),
        (json!({"all": true}), Some("ANZ-1"), 403),
    ] {
        let mut body = json!({"to": to, "content": 1});
        if let Some(from) = from {
            body["from"] = json!(from);
        }
        let answer = api.post("/api/v1/pushes", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        let with_both = Api::bearing(&node, "both").post("/api/v1/pushes", &body).await;
        let is_to_all = body["to"]["all"] == true;
        assert_eq!(with_both.status == 403, is_to_all, "{body}: {}", with_both.body);
    }
}

/// The pushes that a token is shown, by pages of one.
async fn listed(api: &Api) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = Some("/api/v1/pushes?limit=1".to_owned());
    while let Some(page) = path {
        let answer = api.get(&page).await;
        let pushes = answer.json();
        let of_page = pushes.as_array().unwrap().iter();
        ids.extend(of_page.map(|push| push["pushId"].as_str().unwrap().to_owned()));
        let next = answer.header("link").strip_prefix('<');
        path = next
            .and_then(|link| link.split_once('>'))
            .map(|(next, _)| next.to_owned());
    }
    ids
}

#[tokio::test]
async fn a_token_of_an_app_sees_its_users_and_its_pushes_alone() {
    let node = bound().await;
    let [anz, both, admin, free] =
        ["anz", "both", "xyz-admin", "free"].map(|token| Api::bearing(&node, token));
    assert_eq!(anz.get("/api/v1/users/ANZ-2").await.status, 200);
    anz.get("/api/v1/users/XYZ-2").await.problem(403);
    // Not even whether there are such users.
    anz.get("/api/v1/users/NOPE-2").await.problem(403);
    for path in ["/api/v1/nodes", "/api/v1/domains", "/api/v1/slow-consumers"] {
        anz.get(path).await.problem(403);
        assert_ne!(free.get(path).await.status, 403, "{path}");
    }
    let who = anz.get("/api/v1/whoami").await.json();
    assert_eq!(
        (&who["scopes"], &who["apps"]),
        (&json!(["send", "read"]), &json!(["ANZ"]))
    );
    assert!(free.get("/api/v1/whoami").await.json().get("apps").is_none());
    let push = async |api: &Api| {
        let body = json!({"to": ["ANZ-2"], "content": 1});
        let answer = api.post("/api/v1/pushes", &body).await;
        answer.json()["pushId"].as_str().unwrap().to_owned()
    };
    let (of_anz, of_both, of_free) = (push(&anz).await, push(&both).await, push(&free).await);
    for (api, seen) in [
        (&anz, [true, false, false]),
        (&both, [true, true, false]),
        (&admin, [false, false, false]),
        (&free, [true, true, true]),
    ] {
        for (id, is_seen) in [&of_anz, &of_both, &of_free].into_iter().zip(seen) {
            for path in [
                format!("/api/v1/pushes/{id}"),
                format!("/api/v1/pushes/{id}/undelivered"),
            ] {
                let answer = api.get(&path).await;
                assert_eq!(
                    answer.status,
                    if is_seen { 200 } else { 403 },
                    "{path}: {}",
                    answer.body
                );
            }
            let retried = api.post(&format!("/api/v1/pushes/{id}/retry"), &json!({})).await;
            assert_eq!(retried.status == 403, !is_seen, "{}", retried.body);
        }
    }
    for (api, seen) in [
        (&anz, vec![&of_anz]),
        (&both, vec![&of_anz, &of_both]),
        (&free, vec![&of_anz, &of_both, &of_free]),
    ] {
        let mut seen: Vec<String> = seen.into_iter().cloned().collect();
        seen.sort();
        assert_eq!(listed(api).await, seen);
    }
    admin.delete("/api/v1/users/ANZ-2/sessions").await.problem(403);
    admin.delete("/api/v1/users/ANZ-2/tokens").await.problem(403);
    assert_eq!(admin.delete("/api/v1/users/XYZ-2/sessions").await.status, 200);
    anz.delete("/api/v1/users/ANZ-2/sessions").await.problem(403);
}

/// Which of the tokens `anz`, `xyz` and `free` are told of a message, once one of them is told that it is in `state`.
async fn told_of(node: &Node, id: &str, state: &str) -> [bool; 3] {
    let path = format!("{MESSAGE}/{id}");
    eventually("it is found", WAIT, async || {
        let found = Api::bearing(node, "free").get(&path).await;
        (found.status == 200 && found.json()["state"] == state).then_some(())
    })
    .await;
    let mut told = [false; 3];
    for (told, token) in told.iter_mut().zip(["anz", "xyz", "free"]) {
        let found = Api::bearing(node, token).get(&path).await;
        *told = found.status == 200;
        if !*told {
            // As if there were none.
            found.problem(404);
        }
    }
    told
}

#[tokio::test]
async fn a_token_of_an_app_is_told_of_messages_from_its_users_and_to_them_alone() {
    let domain = Domain::new().await;
    let start = async |name: &str| {
        let config = domain.config(name);
        config.set("server.tokens", bound_tokens()).start().await
    };
    let (a, b) = (start("a").await, start("b").await);
    let free = Api::bearing(&a, "free");
    for (from, to, told) in [
        ("ANZ-7", "ANZ-2", [true, false, true]),
        ("ANZ-7", "XYZ-2", [true, true, true]),
        ("XYZ-7", "XYZ-2", [false, true, true]),
    ] {
        let sent = free
            .post(MESSAGE, &json!({"to": to, "from": from, "content": 1}))
            .await;
        let id = sent.json()["id"].as_str().unwrap().to_owned();
        for node in [&a, &b] {
            assert_eq!(told_of(node, &id, "stored").await, told, "{from} to {to}");
        }
    }
    // On its way, and proven by a session of another node: known to nodes, not to the store.
    let mut reader = Client::login_with(&b, "ANZ-3", json!({"ack": "client"})).await;
    let sender = Client::login(&a, "ANZ-1").await;
    sender.send(message("ANZ-3", "elsewhere"));
    let frame = reader.expect("MESSAGE").await;
    reader.send(message_ack(&[frame.id()]));
    for node in [&a, &b] {
        assert_eq!(told_of(node, frame.id(), "delivered").await, [true, false, true]);
    }
}
