//! `/api/v1/whoami`, `/nodes`, `/domains`.

use serde_json::Value;

use crate::harness::{Api, Client, Domain, NodeConfig, WAIT, eventually};

fn names(page: &Value) -> Vec<&str> {
    let items = page.as_array().expect("a list");
    items.iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_node_alone_tells_itself() {
    let node = NodeConfig::new()
        .set("node.name", "lone")
        .set("node.domain", "island")
        .start()
        .await;
    let api = Api::of(&node);
    let me = api.get("/api/v1/whoami").await.json();
    assert_eq!((&me["node"], &me["domain"]), (&"lone".into(), &"island".into()));
    assert!(me["version"].as_str().is_some_and(|version| !version.is_empty()));
    let _session = Client::login(&node, "ANZ-2").await;
    let nodes = api.get("/api/v1/nodes").await.json();
    assert_eq!(names(&nodes), ["lone"]);
    assert_eq!(nodes[0]["sessions"], 1);
    assert_eq!(nodes[0]["state"], "up");
    assert_eq!(nodes[0]["version"], me["version"]);
    assert_eq!(nodes[0]["url"], format!("ws://{}/ws", node.ws));
    assert!(nodes[0]["since"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(names(&api.get("/api/v1/domains").await.json()), ["island"]);
}

#[tokio::test]
async fn nodes_of_a_domain_are_told_in_pages() {
    let domain = Domain::new().await;
    let [a, b] = domain.pair().await;
    let _session = Client::login(&b, "ANZ-2").await;
    let api = Api::of(&a);
    let nodes = eventually("the beat of the other one tells its session", WAIT, async || {
        let nodes = api.get("/api/v1/nodes").await.json();
        (names(&nodes) == ["a", "b"] && nodes[1]["sessions"] == 1).then_some(nodes)
    })
    .await;
    assert_eq!(nodes[1]["url"], format!("ws://{}/ws", b.ws));
    let first = api.get("/api/v1/nodes?limit=1").await;
    assert_eq!(names(&first.json()), ["a"]);
    assert_eq!(
        first.header("link"),
        "</api/v1/nodes?limit=1&after=a>; rel=\"next\""
    );
    let last = api.get("/api/v1/nodes?limit=1&after=a").await;
    assert_eq!(names(&last.json()), ["b"]);
    assert_eq!(last.header("link"), "");
    api.get("/api/v1/nodes?limit=many").await.problem(400);
}
