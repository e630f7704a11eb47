//! `/api/v1/pushes`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Api, Client, Domain, MASTER, Node, WAIT, eventually, eventually_telling};

const PATH: &str = "/api/v1/pushes";

async fn push(api: &Api, body: &Value) -> String {
    let answer = api.post(PATH, body).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.json()["pushId"].as_str().expect("an id").to_owned()
}

/// How it ended.
async fn done(api: &Api, id: &str) -> Value {
    eventually_telling("the push is done", WAIT, async || {
        let report = api.get(&format!("{PATH}/{id}")).await.json();
        match report["done"] == true {
            true => Ok(report),
            false => Err(report.to_string()),
        }
    })
    .await
}

fn counts(report: &Value) -> [u64; 5] {
    ["total", "delivered", "stored", "dropped", "pending"]
        .map(|name| report[name].as_u64().expect("a number"))
}

fn users(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| format!("ANZ-{n}")).collect()
}

/// Who has not got it.
async fn undelivered(api: &Api, id: &str) -> Vec<Value> {
    let answer = api.get(&format!("{PATH}/{id}/undelivered")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[tokio::test]
async fn a_list_gets_it_now_or_later() {
    let node = Node::start().await;
    let api = Api::of(&node);
    let mut present = Client::login(&node, "ANZ-5").await;
    let id = push(&api, &json!({"to": users(1..2501), "content": {"n": 1.50}})).await;
    let report = done(&api, &id).await;
    assert_eq!(counts(&report), [2500, 1, 2499, 0, 0]);
    let frame = present.expect("MESSAGE").await;
    assert_eq!(frame["data"]["from"], MASTER);
    let mut late = Client::login(&node, "ANZ-2500").await;
    assert_eq!(late.missing(), 1);
    late.fetch(1).await;
    let left = undelivered(&api, &id).await;
    assert_eq!(left.len(), 2499);
    assert_eq!(left[0], json!({"userId": "ANZ-1", "state": "stored"}));
    let distinct: BTreeSet<_> = left.iter().map(|line| line["userId"].as_str().unwrap()).collect();
    assert_eq!(distinct.len(), 2499);
    let listed = api.get(PATH).await.json();
    assert_eq!(listed, json!([report]));
}

#[tokio::test]
async fn who_was_not_there_gets_a_fast_push_when_it_is_sent_again() {
    let node = Node::start().await;
    let api = Api::of(&node);
    let mut first = Client::login(&node, "ANZ-1").await;
    let id = push(
        &api,
        &json!({"to": ["ANZ-1", "ANZ-2", "ANZ-2"], "content": 1, "feature": "FAST"}),
    )
    .await;
    assert_eq!(counts(&done(&api, &id).await), [2, 1, 0, 1, 0]);
    assert_eq!(
        undelivered(&api, &id).await,
        [json!({"userId": "ANZ-2", "state": "dropped"})]
    );
    first.expect("MESSAGE").await;
    let mut second = Client::login(&node, "ANZ-2").await;
    let retried = api.post(&format!("{PATH}/{id}/retry"), &json!({})).await;
    assert_eq!((retried.status, retried.json()), (202, json!({"retried": 1})));
    assert_eq!(counts(&done(&api, &id).await), [2, 2, 0, 0, 0]);
    second.expect("MESSAGE").await;
    first.expect_quiet().await;
    // A call without a body need not say of what kind that is.
    let again = format!("POST {PATH}/{id}/retry HTTP/1.1");
    let of_a_form = format!("{again}\r\nContent-Type: application/x-www-form-urlencoded");
    api.call(&of_a_form, "").await.problem(415);
    let nothing = api.call(&again, "").await;
    assert_eq!(nothing.json(), json!({"retried": 0}));
}

#[tokio::test]
async fn all_who_are_online_on_any_node_get_it_once() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let mut clients = Vec::new();
    for n in 1..=3 {
        clients.push(Client::login(&a, &format!("ANZ-{n}")).await);
        clients.push(Client::login(&b, &format!("ANZ-{}", 10 + n)).await);
    }
    let mut other_app = Client::login(&b, "XYZ-7").await;
    // At two nodes at once.
    let mut twice = [
        Client::login(&a, "ANZ-20").await,
        Client::login(&b, "ANZ-20").await,
    ];
    let api = Api::of(&a);
    eventually(
        "a node that has just come is known by its beat",
        WAIT,
        async || {
            let nodes = api.get("/api/v1/nodes").await.json();
            (nodes.as_array().map(Vec::len) == Some(2)).then_some(())
        },
    )
    .await;
    let id = push(&api, &json!({"to": {"app": "ANZ"}, "content": "app"})).await;
    assert_eq!(counts(&done(&api, &id).await), [7, 7, 0, 0, 0]);
    for client in clients.iter_mut().chain(&mut twice) {
        assert_eq!(client.expect("MESSAGE").await["data"]["content"], "app");
    }
    let id = push(&api, &json!({"to": {"all": true}, "content": "all"})).await;
    assert_eq!(counts(&done(&Api::of(&b), &id).await), [8, 8, 0, 0, 0]);
    assert_eq!(other_app.expect("MESSAGE").await["data"]["content"], "all");
    for client in clients.iter_mut().chain(&mut twice) {
        assert_eq!(client.expect("MESSAGE").await["data"]["content"], "all");
        client.fence().await;
    }
}

#[tokio::test]
async fn a_push_goes_on_when_the_node_that_took_it_dies() {
    let domain = Domain::new().await;
    let [mut a, b] = domain.pair().await;
    let body = json!({"to": users(1..40_001), "content": "x".repeat(500)});
    let id = push(&Api::of(&a), &body).await;
    let api = Api::of(&b);
    eventually("some of it is done", WAIT, async || {
        let report = api.get(&format!("{PATH}/{id}")).await.json();
        (report["pending"] != report["total"]).then_some(())
    })
    .await;
    a.kill9();
    let report = done(&api, &id).await;
    assert_eq!(counts(&report), [40_000, 0, 40_000, 0, 0]);
    for user in ["ANZ-1", "ANZ-20000", "ANZ-40000"] {
        assert_eq!(Client::login(&b, user).await.missing(), 1, "{user} has it once");
    }
}

#[tokio::test]
async fn a_push_goes_on_after_a_restart() {
    let mut node = Node::start().await;
    let id = push(&Api::of(&node), &json!({"to": users(1..20_001), "content": 1})).await;
    node.kill9();
    node.start_again().await;
    let api = Api::of(&node);
    assert_eq!(counts(&done(&api, &id).await), [20_000, 0, 20_000, 0, 0]);
    for user in ["ANZ-1", "ANZ-10000", "ANZ-20000"] {
        assert_eq!(
            Client::login(&node, user).await.missing(),
            1,
            "{user} has it once"
        );
    }
}

#[tokio::test]
async fn a_push_that_is_made_again_under_its_key_is_one() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let body = json!({"to": ["ANZ-1"], "content": 1});
    let key = "Idempotency-Key: news-1\r\n";
    let first = Api::of(&a).post_with(PATH, key, &body).await;
    let other = json!({"to": ["ANZ-2"], "content": 1});
    Api::of(&b).post_with(PATH, key, &other).await.problem(422);
    let again = Api::of(&b).post_with(PATH, key, &body).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json(), again.json());
    done(&Api::of(&b), first.json()["pushId"].as_str().unwrap()).await;
    assert_eq!(Client::login(&b, "ANZ-1").await.missing(), 1);
    assert_eq!(Client::login(&b, "ANZ-2").await.missing(), 0);
}

#[tokio::test]
async fn mistakes_send_nothing_to_anybody() {
    let node = Node::start().await;
    let api = Api::of(&node);
    for (to, status, code) in [
        (json!([]), 400, "INVALID_FIELD"),
        (json!(["ANZ-1", "ANZ"]), 400, "INVALID_USER_ID"),
        (json!(["ANZ-1", "QQQ-1"]), 404, "UNKNOWN_USER"),
        (json!({}), 400, "INVALID_FIELD"),
        (json!({"all": false}), 400, "INVALID_FIELD"),
        (json!({"app": "ANZ", "all": true}), 400, "INVALID_FIELD"),
        (json!({"app": "QQQ"}), 404, "UNKNOWN_USER"),
        (json!("ANZ-1"), 400, "INVALID_FIELD"),
    ] {
        let problem = api
            .post(PATH, &json!({"to": to, "content": 1}))
            .await
            .problem(status);
        assert_eq!(problem["code"], code, "{to}: {problem}");
    }
    api.get(&format!("{PATH}/nothing")).await.problem(404);
    api.get(&format!("{PATH}/nothing/undelivered")).await.problem(404);
    api.post(&format!("{PATH}/nothing/retry"), &json!({}))
        .await
        .problem(404);
    assert_eq!(Client::login(&node, "ANZ-1").await.missing(), 0);
    assert_eq!(api.get(PATH).await.json(), json!([]));
}

/// Whoever waits for that has not to know of anything else.
#[tokio::test]
async fn nothing_is_pending_only_once_a_push_is_done() {
    let node = Node::start().await;
    let api = Api::of(&node);
    let _present = Client::login(&node, "ANZ-5").await;
    for to in [json!({"app": "ANZ"}), json!(["ANZ-5", "ANZ-6"])] {
        for _ in 0..10 {
            let id = push(&api, &json!({"to": to, "content": 1, "feature": "FAST"})).await;
            let path = format!("{PATH}/{id}");
            eventually("the push is done", WAIT, async || {
                let report = api.get(&path).await.json();
                let [total, delivered, stored, dropped, pending] = counts(&report);
                assert_eq!(total, delivered + stored + dropped + pending, "{report}");
                assert_eq!(pending == 0, report["done"] == true, "{report}");
                (pending == 0).then_some(())
            })
            .await;
        }
    }
}

/// Nodes hear of each other by beats, a second apart: what is not heard of yet is not gone.
#[tokio::test]
async fn a_node_that_others_have_not_heard_of_yet_carries_out_its_own_part() {
    for _ in 0..3 {
        let domain = Domain::new().await;
        let b = domain.start("b").await;
        b.await_health().await;
        let a = domain.start("a").await;
        let mut client = Client::login(&a, "ANZ-1").await;
        let api = Api::of(&a);
        for n in 0..20 {
            let id = push(
                &api,
                &json!({"to": {"app": "ANZ"}, "content": n, "feature": "FAST"}),
            )
            .await;
            assert_eq!(counts(&done(&api, &id).await), [1, 1, 0, 0, 0]);
            assert_eq!(client.expect("MESSAGE").await["data"]["content"], n);
        }
    }
}
