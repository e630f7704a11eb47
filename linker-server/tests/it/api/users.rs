//! `/api/v1/users/{id}` and `/api/v1/users/{id}/sessions`.

use serde_json::json;

use crate::harness::{Api, Client, Domain, Network, Node, WAIT, eventually, referenced, user_of};

#[tokio::test]
async fn a_user_is_told_with_sessions_and_what_waits() {
    let node = Node::start().await;
    let api = Api::of(&node);
    let absent = api.get("/api/v1/users/ANZ-2").await;
    assert_eq!(absent.status, 200);
    assert_eq!(
        absent.json(),
        json!({"userId": "ANZ-2", "online": false, "sessions": [], "missing": 0})
    );
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "later", "a"));
    eventually("it is stored", WAIT, async || {
        (api.get("/api/v1/users/ANZ-2").await.json()["missing"] == 1).then_some(())
    })
    .await;
    let seen = api.get("/api/v1/users/ANZ-1").await.json();
    assert_eq!(seen["online"], true);
    let session = &seen["sessions"][0];
    assert_eq!(session["address"], "127.0.0.1");
    assert!(
        session["since"].as_u64().unwrap() > 1_700_000_000_000,
        "{session}"
    );
    let me = api.get("/api/v1/whoami").await.json();
    assert_eq!(session["node"], me["node"]);
}

#[tokio::test]
async fn sessions_on_other_nodes_are_told_and_closed() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut here = Client::login(&a, "ANZ-2").await;
    let mut there = Client::login(&b, "ANZ-2").await;
    let api = Api::of(&a);
    let user = api.get("/api/v1/users/ANZ-2").await.json();
    let mut nodes: Vec<&str> = user["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["node"].as_str().unwrap())
        .collect();
    nodes.sort_unstable();
    assert_eq!(nodes, ["a", "b"]);
    for session in user["sessions"].as_array().unwrap() {
        assert_eq!(session["address"], "127.0.0.1", "{user}");
        assert!(session["since"].is_u64(), "{user}");
    }
    let closed = api.delete("/api/v1/users/ANZ-2/sessions").await;
    assert_eq!((closed.status, closed.json()), (200, json!({"closed": 2})));
    assert_eq!(here.closed().await, Some(4010));
    assert_eq!(there.closed().await, Some(4010));
    eventually("they are gone", WAIT, async || {
        (api.get("/api/v1/users/ANZ-2").await.json()["online"] == false).then_some(())
    })
    .await;
}

#[tokio::test]
async fn users_of_another_domain_are_asked_for_there() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    let api = Api::of(&nodes[0]);
    let stranger = user_of(1, 5);
    for answer in [
        api.get(&format!("/api/v1/users/{stranger}")).await,
        api.delete(&format!("/api/v1/users/{stranger}/sessions")).await,
    ] {
        let problem = answer.problem(421);
        assert_eq!(problem["domain"], network.name(1));
        assert!(
            problem["urls"].as_array().is_some_and(|urls| !urls.is_empty()),
            "{problem}"
        );
    }
    // Messages go there all the same.
    network.await_link(&nodes[0], 1, true).await;
    let mut reader = Client::login(&nodes[1], &stranger).await;
    let sent = api
        .post("/api/v1/messages", &json!({"to": stranger, "content": 1}))
        .await;
    assert_eq!((sent.status, &sent.json()["state"]), (202, &json!("forwarded")));
    reader.expect("MESSAGE").await;
}

#[tokio::test]
async fn who_is_no_user_is_told_so() {
    let node = Node::start().await;
    let api = Api::of(&node);
    assert_eq!(
        api.get("/api/v1/users/nobody").await.problem(400)["code"],
        "INVALID_USER_ID"
    );
    assert_eq!(
        api.get("/api/v1/users/QQQ-1").await.problem(404)["code"],
        "UNKNOWN_USER"
    );
    api.delete("/api/v1/users/QQQ-1/sessions").await.problem(404);
    api.delete("/api/v1/users/ANZ-1").await.problem(405);
    api.get("/api/v1/nothing").await.problem(404);
}
