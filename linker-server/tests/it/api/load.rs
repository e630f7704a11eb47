//! How nodes do, and who does not keep up: `/api/v1/nodes`, `/api/v1/slow-consumers`, and what the token may by `/api/v1/whoami`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Api, Client, Domain, NodeConfig, PrivatePostgres, Raw, SECRET, WAIT, eventually, eventually_telling,
    fast, referenced,
};

/// The node of this name, once it is as wanted.
async fn node_when(api: &Api, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually_telling(what, WAIT, async || {
        let nodes = api.get("/api/v1/nodes").await.json();
        let found = nodes
            .as_array()
            .and_then(|nodes| nodes.iter().find(|node| node["name"] == name));
        match found {
            Some(node) if wanted(node) => Ok(node.clone()),
            found => Err(format!("(it is {found:?})")),
        }
    })
    .await
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

#[tokio::test]
async fn a_node_tells_its_rates_memory_and_cpu() {
    let node = NodeConfig::new().set("node.name", "lone").start().await;
    let api = Api::of(&node);
    let idle = node_when(&api, "lone", "it answers", |node| node["answers"] == true).await;
    assert!(number(&idle["memoryBytes"]) > 1_000_000.0, "{idle}");
    assert_eq!(idle["rates"]["received"], json!({"reliable": 0.0, "fast": 0.0}));
    assert_eq!((&idle["wrong"], &idle["notes"]), (&json!([]), &json!({})));
    let mut sender = Client::login(&node, "ANZ-1").await;
    let _receiver = Client::login(&node, "ANZ-2").await;
    for n in 0..50 {
        sender.send(referenced("ANZ-2", n, &format!("r{n}")));
        sender.send(fast("ANZ-2", n));
        sender.send(fast("ANZ-3", n));
        sender.send(referenced("ANZ-3", n, &format!("s{n}")));
    }
    sender.fence().await;
    let busy = node_when(&api, "lone", "rates of all that was sent", |node| {
        let rates = &node["rates"];
        // 50 within five seconds.
        [
            &rates["received"]["reliable"],
            &rates["received"]["fast"],
            &rates["delivered"]["reliable"],
            &rates["delivered"]["fast"],
            &rates["stored"],
            &rates["dropped"],
        ]
        .iter()
        .all(|rate| number(rate) >= 9.0)
            && number(&node["cpu"]) > 0.0
    })
    .await;
    assert!(number(&busy["rates"]["received"]["reliable"]) >= 18.0, "{busy}");
    assert!(number(&busy["rates"]["logins"]) > 0.0, "{busy}");
    assert_eq!(busy["rates"]["forwarded"], 0.0);
    let calm = node_when(&api, "lone", "rates go down again", |node| {
        node["rates"]["stored"] == 0.0
    })
    .await;
    assert_eq!(calm["rates"]["received"], json!({"reliable": 0.0, "fast": 0.0}));
}

#[tokio::test]
async fn each_node_tells_of_itself_and_one_that_stands_still_is_told_as_such() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let api = Api::of(&a);
    let there = node_when(&api, "b", "the other one answers", |node| node["answers"] == true).await;
    assert!(number(&there["memoryBytes"]) > 1_000_000.0, "{there}");
    let mut on_b = Client::login(&b, "ANZ-1").await;
    for n in 0..20 {
        on_b.send(fast("ANZ-1", n));
    }
    on_b.fence().await;
    let busy = node_when(&api, "b", "the other one's rate", |node| {
        number(&node["rates"]["received"]["fast"]) > 0.0
    });
    assert_eq!(busy.await["sessions"], 1);
    b.signal("STOP");
    let silent = node_when(&api, "b", "it does not answer", |node| node["answers"] == false).await;
    assert_eq!(silent["rates"], Value::Null, "what is not known is not told");
    b.signal("CONT");
    node_when(&api, "b", "it answers again", |node| node["answers"] == true).await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_since_when() {
    let mut postgres = PrivatePostgres::new();
    postgres.start();
    let domain = Domain::new().await.with_store(postgres.url(SECRET));
    let node = domain.start("a").await;
    let api = Api::of(&node);
    let well = node_when(&api, "a", "all is well", |node| node["wrong"] == json!([])).await;
    postgres.kill();
    let sender = Client::login(&node, "ANZ-1").await;
    sender.send(referenced("ANZ-2", "x", "r"));
    let wrong = node_when(&api, "a", "the store is away", |node| {
        node["wrong"][0]["part"] == "store"
    })
    .await;
    let wrong = &wrong["wrong"][0];
    assert!(
        wrong["what"].as_str().is_some_and(|what| !what.is_empty()),
        "{wrong}"
    );
    assert!(wrong["since"].as_u64() >= well["since"].as_u64(), "{wrong}");
    let still = node_when(&api, "a", "it is still away", |node| node["wrong"] != json!([])).await;
    assert_eq!(still["wrong"][0]["since"], wrong["since"], "since it began");
}

#[tokio::test]
async fn who_does_not_keep_up_is_told_wherever_it_is() {
    let domain = Domain::new().await;
    let start = async |name| {
        let config = domain.config(name).set("limits.maxUnprovenBytes", 16 * 1024);
        let node = config.start().await;
        node.await_health().await;
        node
    };
    let (a, b) = tokio::join!(start("a"), start("b"));
    let api = Api::of(&a);
    node_when(&api, "b", "they know each other", |node| node["answers"] == true).await;
    let none = api.get("/api/v1/slow-consumers").await.json();
    assert_eq!(none, json!({"total": 0, "sessions": [], "silent": []}));
    let mut slow = Raw::login(&b, "ANZ-2").await;
    let mut sender = Client::login_with(&b, "ANZ-1", json!({"accepted": true})).await;
    for n in 0..40 {
        sender.send(referenced("ANZ-2", "x".repeat(1000), &format!("r{n}")));
    }
    sender.expect_for("MESSAGE_ACCEPTED", "r39").await;
    let told = eventually("it is told", WAIT, async || {
        let told = api.get("/api/v1/slow-consumers").await.json();
        (told["total"] == 1).then_some(told)
    })
    .await;
    let session = &told["sessions"][0];
    assert_eq!(
        (&session["userId"], &session["node"]),
        (&json!("ANZ-2"), &json!("b"))
    );
    assert!(number(&session["unprovenBytes"]) > 8000.0, "{session}");
    assert!(number(&session["since"]) > 1.7e12, "{session}");
    node_when(&api, "b", "it is counted", |node| node["slowConsumers"] == 1).await;
    // It proves what it has been sent, and from then on whatever comes, until it is live again.
    while slow.receive_within(Duration::from_millis(300)).await.is_some() {}
    slow.pong_newest().await;
    slow.answers_pings = true;
    while slow.next_text().await["reference"] != "r39" {}
    eventually("it keeps up again", WAIT, async || {
        slow.fence().await;
        let told = api.get("/api/v1/slow-consumers").await.json();
        (told["total"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_is_told_what_it_may() {
    let node = NodeConfig::new()
        .set("server.adminToken", "adm1n")
        .set(
            "server.tokens",
            json!([{"token": "s3nd", "scopes": ["send"]}, {"token": "b0th", "scopes": ["send", "read"]}]),
        )
        .start()
        .await;
    for (token, scopes) in [
        ("adm1n", json!(["admin"])),
        ("s3nd", json!(["send"])),
        ("b0th", json!(["send", "read"])),
    ] {
        let me = Api::bearing(&node, token).get("/api/v1/whoami").await;
        assert_eq!(me.json()["scopes"], scopes, "{token}");
    }
    Api::bearing(&node, "none")
        .get("/api/v1/whoami")
        .await
        .problem(401);
    for path in ["/api/v1/nodes", "/api/v1/slow-consumers"] {
        Api::bearing(&node, "s3nd").get(path).await.problem(403);
        Api::of(&node).get(path).await.problem(401);
    }
}
