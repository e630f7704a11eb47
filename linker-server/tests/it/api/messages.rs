//! `POST /api/v1/messages`.

use serde_json::{Value, json};

use crate::harness::{
    Api, Client, Domain, MASTER, Network, Node, NodeConfig, WAIT, eventually, fetch, message, message_ack,
    user_of,
};

const PATH: &str = "/api/v1/messages";

async fn send(api: &Api, body: &Value) -> Value {
    let answer = api.post(PATH, body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_message_to_somebody_present_is_delivered_as_it_was_given() {
    let node = Node::start().await;
    let mut reader = Client::login(&node, "ANZ-2").await;
    let body = r#"{"to":"ANZ-2","content":{"n":1.50,"t":"\u00e9"},"reference":"order-1"}"#;
    let answer = Api::of(&node)
        .call(
            &format!("POST {PATH} HTTP/1.1\r\nContent-Type: application/json"),
            body,
        )
        .await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["state"], "delivered");
    let frame = reader.expect("MESSAGE").await;
    assert_eq!(frame.id(), answer.json()["id"]);
    assert_eq!(frame["data"]["from"], MASTER);
    assert_eq!(frame["reference"], "order-1");
    assert!(
        frame.text.contains("1.50"),
        "numbers keep their digits: {}",
        frame.text
    );
}

#[tokio::test]
async fn a_message_to_somebody_absent_is_stored_and_fetched() {
    let node = Node::start().await;
    let sent = send(
        &Api::of(&node),
        &json!({"to": "ANZ-2", "content": "later", "from": "XYZ-7"}),
    )
    .await;
    assert_eq!(sent["state"], "stored");
    let mut reader = Client::login(&node, "ANZ-2").await;
    reader.send(fetch(10));
    let frame = reader.expect("MESSAGE").await;
    assert_eq!(frame.id(), sent["id"]);
    assert_eq!(frame["data"]["from"], "XYZ-7");
}

#[tokio::test]
async fn a_fast_message_is_delivered_or_dropped() {
    let node = Node::start().await;
    let api = Api::of(&node);
    let body = json!({"to": "ANZ-2", "content": 1, "feature": "FAST"});
    assert_eq!(send(&api, &body).await["state"], "dropped");
    let mut reader = Client::login(&node, "ANZ-2").await;
    assert_eq!(send(&api, &body).await["state"], "delivered");
    reader.expect("MESSAGE").await;
}

#[tokio::test]
async fn a_request_that_is_repeated_under_its_key_sends_one_message() {
    let node = Node::start().await;
    let api = Api::of(&node);
    let mut reader = Client::login(&node, "ANZ-2").await;
    let body = json!({"to": "ANZ-2", "content": "once"});
    let key = "Idempotency-Key: order-7\r\n";
    let first = api.post_with(PATH, key, &body).await;
    let again = api.post_with(PATH, key, &body).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json(), again.json());
    let other = api
        .post_with(PATH, key, &json!({"to": "ANZ-2", "content": "twice"}))
        .await;
    other.problem(422);
    reader.expect("MESSAGE").await;
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(message("ANZ-2", "behind"));
    let next = reader.expect("MESSAGE").await;
    assert_eq!(next["data"]["content"], "behind", "nothing came between");
}

#[tokio::test]
async fn a_key_is_known_after_a_restart_for_as_long_as_references_are() {
    let mut node = Node::start().await;
    let body = json!({"to": "ANZ-2", "content": "once"});
    let key = "Idempotency-Key: order-8\r\n";
    let first = Api::of(&node).post_with(PATH, key, &body).await.json();
    node.restart().await;
    let again = Api::of(&node).post_with(PATH, key, &body).await.json();
    assert_eq!(first["id"], again["id"]);
    let mut reader = Client::login(&node, "ANZ-2").await;
    let (page, left) = reader.fetch(10).await;
    assert_eq!((page.len(), left), (1, 0));
}

#[tokio::test]
async fn mistakes_are_told_as_problems_and_nothing_is_sent() {
    let node = NodeConfig::new()
        .app(json!({"appName": "NOM", "appId": "nom", "authEnabled": false}))
        .app(json!({"appName": "ISO", "appId": "iso", "masterUserId": "ISO-1", "isolated": true, "authEnabled": false}))
        .set("limits.maxFrameBytes", "4KiB")
        .start()
        .await;
    let api = Api::of(&node);
    let cases = [
        (json!({"content": 1}), 400, "INVALID_FIELD"),
        (json!({"to": "ANZ-2"}), 400, "INVALID_FIELD"),
        (
            json!({"to": "ANZ-2", "content": 1, "unknown": 1}),
            400,
            "INVALID_FIELD",
        ),
        (
            json!({"to": "ANZ-2", "content": 1, "feature": "QUICK"}),
            400,
            "INVALID_FIELD",
        ),
        (
            json!({"to": "ANZ-2", "content": 1, "reference": ""}),
            400,
            "INVALID_FIELD",
        ),
        (json!({"to": "nobody", "content": 1}), 400, "INVALID_USER_ID"),
        (
            json!({"to": "ANZ-2", "content": 1, "from": "ANZ-"}),
            400,
            "INVALID_USER_ID",
        ),
        (json!({"to": "QQQ-2", "content": 1}), 404, "UNKNOWN_USER"),
        (
            json!({"to": "ANZ-2", "content": 1, "from": "QQQ-2"}),
            404,
            "UNKNOWN_USER",
        ),
        // Not even where they are the fields in their order.
        (json!(["ANZ-2", 1, null, null, null]), 400, "INVALID_FIELD"),
        (json!({"to": "NOM-2", "content": 1}), 400, "INVALID_FIELD"),
        (
            json!({"to": "ISO-2", "content": 1, "from": "ANZ-1"}),
            403,
            "FORBIDDEN",
        ),
        (json!([1]), 400, "INVALID_FIELD"),
    ];
    for (body, status, code) in cases {
        let problem = api.post(PATH, &body).await.problem(status);
        assert_eq!(problem["code"], code, "{body}: {problem}");
    }
    api.post(PATH, &json!({"to": "ANZ-2", "content": "x".repeat(5000)}))
        .await
        .problem(413);
    let head = format!("POST {PATH} HTTP/1.1");
    api.call(&head, "{}").await.problem(415);
    let compressed = format!("{head}\r\nContent-Type: application/json\r\nContent-Encoding: gzip");
    api.call(&compressed, "{}").await.problem(415);
    let json_head = format!("{head}\r\nContent-Type: application/json");
    assert_eq!(
        api.call(&json_head, "{]").await.problem(400)["code"],
        "INVALID_JSON"
    );
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(257));
    let body = json!({"to": "ANZ-2", "content": 1});
    api.post_with(PATH, &long, &body).await.problem(400);
    api.get(PATH).await.problem(405);
    let user = api.get("/api/v1/users/ANZ-2").await.json();
    assert_eq!(user["missing"], 0);
}

#[tokio::test]
async fn a_message_finds_its_recipient_on_another_node() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut reader = Client::login(&b, "ANZ-2").await;
    let sent = send(&Api::of(&a), &json!({"to": "ANZ-2", "content": "over there"})).await;
    assert_eq!(sent["state"], "delivered");
    assert_eq!(reader.expect("MESSAGE").await.id(), sent["id"]);
}

#[tokio::test]
async fn a_message_is_found_by_its_id_while_it_is_kept() {
    let node = NodeConfig::new().set("node.domain", "island").start().await;
    let api = Api::of(&node);
    let sent = send(&api, &json!({"to": "ANZ-2", "content": 1})).await;
    let id = sent["id"].as_str().unwrap();
    let found = api.get(&format!("/api/v1/messages/{id}")).await;
    assert_eq!(
        found.json(),
        json!({"id": id, "state": "stored", "path": ["island"], "reason": "absent"})
    );
    let mut reader = Client::login(&node, "ANZ-2").await;
    reader.fetch(1).await;
    eventually("it was delivered", WAIT, async || {
        (api.get(&format!("/api/v1/messages/{id}")).await.status == 404).then_some(())
    })
    .await;
    api.get("/api/v1/messages/nonsense").await.problem(400);
}

#[tokio::test]
async fn a_message_that_waits_for_a_way_says_where_it_goes() {
    let network = Network::line(2).await;
    let nodes = network.start_all().await;
    network.cut(0, 1);
    network.await_link(&nodes[0], 1, false).await;
    let api = Api::of(&nodes[0]);
    let sent = send(&api, &json!({"to": user_of(1, 5), "content": 1})).await;
    assert_eq!(sent["state"], "stored");
    let found = api
        .get(&format!("/api/v1/messages/{}", sent["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(found["reason"], "forward", "{found}");
    assert_eq!(found["to"], network.name(1));
    assert_eq!(found["path"], json!([network.name(0)]));
}

#[tokio::test]
async fn a_message_in_a_readers_hands_is_found_from_every_node() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut reader = Client::login_with(&b, "ANZ-2", json!({"ack": "client"})).await;
    let mut sender = Client::login(&b, "ANZ-1").await;
    sender.send(message("ANZ-2", "unproven"));
    let frame = reader.expect("MESSAGE").await;
    sender.fence().await;
    let path = format!("/api/v1/messages/{}", frame.id());
    for node in [&a, &b] {
        // A node that has just come is known by its beat.
        let found = eventually("it is found", WAIT, async || {
            let found = Api::of(node).get(&path).await;
            (found.status == 200).then(|| found.json())
        })
        .await;
        assert_ne!(found["state"], "delivered");
    }
}

#[tokio::test]
async fn a_message_tells_its_path_in_every_domain_that_has_or_had_it() {
    let network = Network::line(3).await;
    let nodes = network.start_all().await;
    let apis: Vec<Api> = nodes.iter().map(Api::of).collect();
    let names: Vec<&str> = (0..3).map(|domain| network.name(domain)).collect();
    let absent = user_of(2, 5);
    let sent = send(&apis[0], &json!({"to": absent, "content": 1})).await;
    assert_eq!(sent["state"], "forwarded");
    let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
    let stored = eventually("it is stored at home", WAIT, async || {
        let found = apis[2].get(&path).await;
        (found.status == 200)
            .then(|| found.json())
            .filter(|found| found["state"] == "stored")
    })
    .await;
    assert_eq!(
        (&stored["path"], &stored["reason"]),
        (&json!(names), &json!("absent"))
    );
    for (domain, api) in apis[..2].iter().enumerate() {
        let found = api.get(&path).await.json();
        assert_eq!(found["state"], "forwarded", "{found}");
        assert_eq!(
            (&found["path"], &found["to"]),
            (&json!(names[..=domain]), &json!(names[2]))
        );
    }
    let mut reader = Client::login_with(&nodes[2], &absent, json!({"ack": "client"})).await;
    let (page, _) = reader.fetch(1).await;
    assert_eq!(apis[2].get(&path).await.json()["path"], json!(names));
    reader.send(message_ack(&[page[0].id()]));
    let delivered = async || {
        let found = apis[2].get(&path).await;
        (found.status == 200)
            .then(|| found.json())
            .filter(|found| found["state"] == "delivered")
    };
    assert_eq!(
        eventually("it is proven", WAIT, delivered).await["path"],
        json!(names)
    );

    // To somebody who is there: proven a moment ago.
    let present = user_of(2, 6);
    let mut reader = Client::login(&nodes[2], &present).await;
    let sent = send(&apis[0], &json!({"to": present, "content": 2})).await;
    let path = format!("/api/v1/messages/{}", sent["id"].as_str().unwrap());
    reader.expect("MESSAGE").await;
    let found = eventually("it is proven", WAIT, async || {
        let found = apis[2].get(&path).await;
        (found.status == 200)
            .then(|| found.json())
            .filter(|found| found["state"] == "delivered")
    })
    .await;
    assert_eq!(found["path"], json!(names));
}
