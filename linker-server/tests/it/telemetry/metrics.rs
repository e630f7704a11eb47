//! Every metric of CONTRACT.md, on nodes that have had traffic of every kind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{
    Client, Exposition, Frame, Network, Node, NodeConfig, Pair, WAIT, auth, eventually, fast, message,
    referenced, user_of,
};

/// Two nodes in one domain and one in another, after traffic of every kind.
async fn busy_network() -> (Network, Vec<Node>) {
    let network = Network::line(2).await;
    let (a, b, far) = tokio::join!(
        network.start(0, "a"),
        network.start(0, "b"),
        network.start(1, "a")
    );
    let nodes = vec![a, b, far];
    network.await_link(&nodes[0], 1, true).await;
    network.await_link(&nodes[1], 1, true).await;
    network.await_link(&nodes[2], 0, true).await;
    let (one, two, three) = (user_of(0, 1), user_of(0, 2), user_of(1, 3));
    let mut sender = Client::login_with(&nodes[0], &one, json!({"accepted": true})).await;
    let mut near = Client::login(&nodes[1], &two).await;
    let mut far_away = Client::login(&nodes[2], &three).await;
    for (n, to) in [&one, &two, &three, &two].into_iter().enumerate() {
        sender.delivery_fence(to, &format!("r{n}")).await;
    }
    sender.send(referenced(&two, "again", "r1"));
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    sender.store_for(&user_of(0, 9), &["s1".to_owned()]).await;
    sender.send(fast(&two, "quick"));
    sender.send(fast(&three, "quick and far"));
    for reader in [&mut near, &mut far_away] {
        let is_fast = |frame: &Frame| frame["feature"] == "FAST";
        reader.find("the FAST one", is_fast).await;
    }
    sender.send(fast(&user_of(0, 9), "to nobody"));
    sender.send(message("NOPE-1", "x"));
    sender.expect_error("UNKNOWN_USER").await;
    let mut wrong = auth(&one);
    wrong["data"]["appId"] = Value::from("nope");
    Client::refused(&nodes[0], wrong).await;
    (network, nodes)
}

/// What those expose, and a node with what they have not: TLS, and an application.
pub(crate) async fn whole_exposition() -> (Network, Exposition) {
    let (network, mut nodes) = busy_network().await;
    let more = NodeConfig::new()
        .with_tls(&Pair::new())
        .set("upstream.url", "http://127.0.0.1:9/")
        .set("upstream.secret", "a secret that both sides have");
    nodes.push(more.start().await);
    let exposition = Exposition::of(&nodes).await;
    (network, exposition)
}

/// A label, and the values that it has at least.
type Label = (&'static str, &'static [&'static str]);

/// Name, type, labels.
const DOCUMENTED: &[(&str, &str, &[Label])] = &[
    ("linker_sessions", "gauge", &[]),
    ("linker_presence_entries", "gauge", &[]),
    (
        "linker_messages_total",
        "counter",
        &[
            ("feature", &["FAST", "RELIABLE"]),
            (
                "outcome",
                &[
                    "delivered",
                    "stored",
                    "dropped",
                    "refused",
                    "forwarded",
                    "duplicate",
                    "expired",
                ],
            ),
        ],
    ),
    (
        "linker_delivery_seconds",
        "histogram",
        &[("feature", &["RELIABLE"])],
    ),
    ("linker_pending_messages", "gauge", &[]),
    ("linker_store_claims", "gauge", &[]),
    ("linker_store_batch_size", "histogram", &[]),
    ("linker_store_commit_seconds", "histogram", &[]),
    ("linker_bus_batch_size", "histogram", &[]),
    ("linker_link_up", "gauge", &[("domain", &[])]),
    ("linker_link_backlog", "gauge", &[("domain", &[])]),
    ("linker_slow_consumers_total", "counter", &[]),
    ("linker_stalled_sessions_total", "counter", &[]),
    (
        "linker_auth_total",
        "counter",
        &[("outcome", &["accepted", "refused", "unavailable"])],
    ),
    (
        "linker_mailbox_full_total",
        "counter",
        &[("actor", &["session", "router", "store", "presence"])],
    ),
    // Beyond the contract.
    (
        "linker_actor_panics_total",
        "counter",
        &[(
            "actor",
            &["session", "router", "store", "presence", "graph", "handler"],
        )],
    ),
    (
        "linker_check_ok",
        "gauge",
        &[("part", &["bus", "cluster", "drain", "meta", "presence", "store"])],
    ),
    ("linker_bus_overrun_total", "counter", &[]),
    ("linker_bus_undecodable_total", "counter", &[]),
    ("linker_bus_restarts_total", "counter", &[]),
    ("linker_ingress_overrun_total", "counter", &[]),
    (
        "linker_tls_certificate_expires_seconds",
        "gauge",
        &[("listener", &["clients"])],
    ),
    (
        "linker_tls_handshakes_total",
        "counter",
        &[("outcome", &["done", "failed", "late", "cut", "refused"])],
    ),
    (
        "linker_upstream_total",
        "counter",
        &[
            ("kind", &["message", "event"]),
            ("outcome", &["delivered", "refused", "dropped"]),
        ],
    ),
    ("linker_upstream_failures_total", "counter", &[]),
    ("linker_upstream_backlog", "gauge", &[]),
    ("linker_upstream_aside", "gauge", &[]),
    ("linker_upstream_up", "gauge", &[]),
    ("linker_trace_spans_total", "counter", &[]),
    ("linker_trace_spans_dropped_total", "counter", &[]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_virtual_memory_bytes", "gauge", &[]),
    ("process_virtual_memory_max_bytes", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_max_fds", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
    ("process_threads", "gauge", &[]),
];

#[tokio::test]
async fn nodes_expose_exactly_what_is_documented() {
    let (network, exposition) = whole_exposition().await;
    for (name, kind, labels) in DOCUMENTED {
        let exposed = exposition
            .metrics
            .get(*name)
            .unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(exposed.kind, *kind, "{name}");
        assert!(!exposed.help.is_empty(), "{name} has no HELP");
        let mut found: BTreeSet<&str> = exposed.labels.keys().map(String::as_str).collect();
        found.remove("le");
        let wanted: BTreeSet<&str> = labels.iter().map(|(label, _)| *label).collect();
        assert_eq!(found, wanted, "labels of {name}");
        for (label, values) in *labels {
            let missing = values
                .iter()
                .find(|value| !exposed.labels[*label].contains(**value));
            assert_eq!(missing, None, "{name}{{{label}}}: {:?}", exposed.labels[*label]);
        }
    }
    let documented: BTreeSet<&str> = DOCUMENTED.iter().map(|(name, ..)| *name).collect();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/TELEMETRY.md")).unwrap();
    for name in exposition.metrics.keys() {
        assert!(
            documented.contains(&**name),
            "{name} is exposed, and not in this list"
        );
        assert!(text.contains(name.as_str()), "{name} is not in docs/TELEMETRY.md");
    }
    let links = &exposition.metrics["linker_link_up"].labels["domain"];
    assert_eq!(links.iter().collect::<Vec<_>>().len(), 2, "{links:?}");
    assert!(links.contains(network.name(0)) && links.contains(network.name(1)));
}

#[tokio::test]
async fn a_node_alone_shows_all_but_those_of_links_before_anything_happens() {
    let node = Node::start().await;
    let text = node.admin_get("/metrics").await.body;
    for name in [
        "linker_sessions",
        "linker_presence_entries",
        "linker_messages_total",
        "linker_delivery_seconds",
        "linker_pending_messages",
        "linker_store_batch_size",
        "linker_store_commit_seconds",
        "linker_bus_batch_size",
        "linker_slow_consumers_total",
        "linker_stalled_sessions_total",
        "linker_auth_total",
        "linker_mailbox_full_total",
    ] {
        assert!(text.contains(&format!("\n# TYPE {name} ")), "{name}");
    }
}

#[tokio::test]
async fn they_mean_what_they_say() {
    let (network, nodes) = busy_network().await;
    let all = async |name: &str, labels: &[(&str, &str)]| {
        let mut sum = 0.0;
        for node in &nodes {
            sum += node.metrics().await.sum(name, labels).unwrap_or_default();
        }
        sum
    };
    for (feature, outcome, least) in [
        // Four fences, one of which is forwarded first.
        ("RELIABLE", "delivered", 4.0),
        ("RELIABLE", "forwarded", 1.0),
        ("RELIABLE", "stored", 1.0),
        ("RELIABLE", "duplicate", 1.0),
        ("RELIABLE", "refused", 1.0),
        ("FAST", "delivered", 2.0),
        ("FAST", "forwarded", 1.0),
        ("FAST", "dropped", 1.0),
    ] {
        eventually(&format!("{feature} {outcome}"), WAIT, async || {
            let labels = [("feature", feature), ("outcome", outcome)];
            (all("linker_messages_total", &labels).await >= least).then_some(())
        })
        .await;
    }
    let _two = (
        Client::login(&nodes[0], &user_of(0, 21)).await,
        Client::login(&nodes[0], &user_of(0, 22)).await,
    );
    let _one = Client::login(&nodes[1], &user_of(0, 23)).await;
    eventually("each node tells its own sessions", WAIT, async || {
        let mut told = Vec::new();
        for node in &nodes[..2] {
            let metrics = node.metrics().await;
            told.push(["linker_sessions", "linker_presence_entries"].map(|name| metrics.value(name, &[])));
        }
        (told == [[2.0, 2.0], [1.0, 1.0]]).then_some(())
    })
    .await;
    for (name, labels) in [
        ("linker_delivery_seconds_count", &[("feature", "RELIABLE")][..]),
        ("linker_store_batch_size_count", &[]),
        ("linker_store_commit_seconds_count", &[]),
        ("linker_bus_batch_size_count", &[]),
    ] {
        assert!(all(name, labels).await >= 1.0, "{name}");
    }
    // A batch has a row at least, and no commit of a test takes a minute.
    let rows = all("linker_store_batch_size_sum", &[]).await;
    assert!(rows >= 1.0, "{rows}");
    let commits = all("linker_store_commit_seconds_count", &[]).await;
    let seconds = all("linker_store_commit_seconds_sum", &[]).await;
    assert!(
        seconds > 0.0 && seconds < 60.0 * commits,
        "{seconds} of {commits}"
    );
    eventually("nothing is pending", WAIT, async || {
        (all("linker_pending_messages", &[]).await == 0.0).then_some(())
    })
    .await;
    for part in ["store", "presence", "bus", "meta"] {
        assert!(
            (all("linker_check_ok", &[("part", part)]).await - 3.0).abs() < 0.5,
            "{part}"
        );
    }
    network.cut(0, 1);
    eventually("the link is down, and other parts are well", WAIT, async || {
        let metrics = nodes[0].metrics().await;
        let up = metrics.value("linker_link_up", &[("domain", network.name(1))]);
        (up == 0.0).then_some(())
    })
    .await;
    let mut sender = Client::login_with(&nodes[0], &user_of(0, 1), json!({"accepted": true})).await;
    let references: Vec<String> = (0..7).map(|n| format!("cut{n}")).collect();
    sender.store_for(&user_of(1, 3), &references).await;
    eventually("seven wait for the other domain", WAIT, async || {
        let metrics = nodes[1].metrics().await;
        (metrics.value("linker_link_backlog", &[("domain", network.name(1))]) == 7.0).then_some(())
    })
    .await;
    network.heal(0, 1);
}
