//! One message is one trace, through every node and domain.

use std::collections::HashMap;

use serde_json::json;

use crate::harness::{
    Client, Collector, Domain, Network, Span, await_missing, fast, referenced, user_of, whole, with,
};

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn has(spans: &[Span], wanted: &[(&str, usize)]) -> bool {
    let names = names(spans);
    wanted
        .iter()
        .all(|(name, count)| names.iter().filter(|of| *of == name).count() >= *count)
}

fn only<'s>(spans: &'s [Span], domain: &str, name: &str) -> &'s Span {
    let of = |span: &&Span| span.name == name && span.get("linker.domain") == domain;
    let found: Vec<&Span> = spans.iter().filter(of).collect();
    assert_eq!(found.len(), 1, "{name} in {domain}: {:#?}", names(spans));
    found[0]
}

/// Every span has another id, every parent is there, began no later, and there is one beginning; nodes of one machine have one clock.
fn is_sound(spans: &[Span]) {
    let by_id: HashMap<&str, &Span> = spans.iter().map(|span| (&*span.id, span)).collect();
    assert_eq!(by_id.len(), spans.len(), "{spans:#?}");
    let roots: Vec<&Span> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(roots.len(), 1, "{roots:#?}");
    assert_eq!(roots[0].name, "message");
    for span in spans {
        assert!(span.end_ns >= span.start_ns, "{span:?}");
        if !span.parent.is_empty() {
            let parent = by_id
                .get(&*span.parent)
                .unwrap_or_else(|| panic!("no parent of {span:?}"));
            // Clocks of two processes are read apart.
            assert!(
                parent.start_ns <= span.start_ns + 1_000_000,
                "{parent:?} {span:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_message_between_two_nodes_is_one_trace() {
    let collector = Collector::start().await;
    let domain = Domain::new().await;
    let start = async |name: &str| {
        let config = domain.config(name);
        let config = config.set("telemetry.otlpUrl", collector.url());
        let node = config.set("telemetry.traceRatio", 1).start().await;
        node.await_health().await;
        node
    };
    let (a, b) = tokio::join!(start("a"), start("b"));
    let nodes = [a, b];
    whole(&nodes).await;
    let mut sender = Client::login(&nodes[0], "ANZ-1").await;
    let mut receiver = Client::login(&nodes[1], "ANZ-2").await;
    sender.send(referenced("ANZ-2", "hush, nobody may know", "r1"));
    let got = receiver.expect("MESSAGE").await;
    sender.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    let parts = [
        ("message", 1),
        ("session.receive", 1),
        ("bus.send", 1),
        ("guest", 1),
        ("session.deliver", 1),
    ];
    let spans = collector.await_trace(got.id(), |spans| has(spans, &parts)).await;
    is_sound(&spans);
    let root = only(&spans, &domain.name, "message");
    assert_eq!(root.get("linker.outcome"), "delivered");
    for span in &spans {
        assert!(span.id == root.id || span.parent == root.id, "{span:?}");
        assert_eq!(span.get("messaging.message.id"), got.id());
        assert_eq!(span.resource["service.name"], "linker");
        assert_eq!(span.resource["service.instance.id"], span.get("linker.node"));
        assert_eq!(span.resource["service.namespace"], domain.name);
    }
    for (name, node) in [
        ("message", "a"),
        ("session.receive", "a"),
        ("bus.send", "a"),
        ("guest", "b"),
        ("session.deliver", "b"),
    ] {
        assert_eq!(
            only(&spans, &domain.name, name).get("linker.node"),
            node,
            "{name}"
        );
    }
    assert_eq!(
        only(&spans, &domain.name, "bus.send").get("messaging.destination.name"),
        "b"
    );
    let delivered = only(&spans, &domain.name, "session.deliver");
    assert_eq!(delivered.get("linker.outcome"), "proven");
    assert_eq!(delivered.events, ["written"]);
    for (key, value) in [
        ("linker.feature", "RELIABLE"),
        ("linker.from", "ANZ-1"),
        ("linker.to", "ANZ-2"),
    ] {
        assert_eq!(delivered.get(key), value);
    }
    // The confirmation is a message of its own, traced because its message is.
    let of_confirmation = |span: &Span| span.get("linker.kind") == "confirmation";
    assert!(collector.spans().iter().any(of_confirmation));
    assert!(!collector.was_sent("hush") && !collector.was_sent("r1\""));

    sender.send(fast("ANZ-2", "quick"));
    receiver.expect("MESSAGE").await;
    let fast_parts = |spans: &[Span]| {
        let quick = |span: &&Span| span.get("linker.feature") == "FAST" && span.get("linker.to") == "ANZ-2";
        let places: Vec<String> = spans.iter().filter(quick).map(Span::place).collect();
        ["a message", "a bus.send", "b guest", "b session.deliver"].map(|place| {
            let place = format!("{}/{place}", domain.name);
            places.contains(&place)
        })
    };
    crate::harness::eventually("FAST is traced on both nodes", crate::harness::WAIT, async || {
        (fast_parts(&collector.spans()) == [true; 4]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_over_two_domains_is_one_trace() {
    let collector = Collector::start().await;
    let network = Network::line(2).await;
    let start = async |domain: usize| {
        let config = network.config(domain, "a");
        let config = config.set("telemetry.otlpUrl", collector.url());
        let node = config.set("telemetry.traceRatio", 1).start().await;
        node.await_health().await;
        node
    };
    let (a, b) = tokio::join!(start(0), start(1));
    let nodes = [a, b];
    network.await_links(&nodes, |_, _| true).await;
    let (one, two) = (user_of(0, 1), user_of(1, 2));
    let mut here = Client::login_with(&nodes[0], &one, json!({"accepted": true})).await;
    let mut there = Client::login(&nodes[1], &two).await;
    here.send(referenced(&two, "x", "r1"));
    let got = there.expect("MESSAGE").await;
    here.expect_for("MESSAGE_CONFIRMATION", "r1").await;
    let parts = [
        ("message", 2),
        ("session.receive", 1),
        ("link.send", 1),
        ("link.receive", 1),
        ("session.deliver", 1),
    ];
    let spans = collector.await_trace(got.id(), |spans| has(spans, &parts)).await;
    is_sound(&spans);
    let (first, second) = (network.name(0), network.name(1));
    let (left, came) = (only(&spans, first, "message"), only(&spans, second, "message"));
    assert_eq!(
        (left.get("linker.outcome"), came.get("linker.outcome")),
        ("forwarded", "delivered")
    );
    assert_eq!((left.get("linker.hops"), came.get("linker.hops")), ("0", "1"));
    assert_eq!(came.parent, left.id);
    for (domain, name, parent) in [
        (first, "session.receive", left),
        (first, "link.send", left),
        (second, "link.receive", left),
        (second, "session.deliver", came),
    ] {
        assert_eq!(only(&spans, domain, name).parent, parent.id, "{name}");
    }
    assert_eq!(
        only(&spans, first, "link.send").get("messaging.destination.name"),
        second
    );

    // To somebody who comes later: in the store of the other domain, then fetched.
    let absent = user_of(1, 3);
    here.store_for(&absent, &["r2".to_owned()]).await;
    await_missing(&nodes[1], &absent, 1).await;
    let mut late = Client::login(&nodes[1], &absent).await;
    let (page, _) = late.fetch(10).await;
    here.expect_for("MESSAGE_CONFIRMATION", "r2").await;
    let parts = [
        ("message", 2),
        ("link.receive", 1),
        ("store.insert", 1),
        ("store.read", 1),
        ("custody", 1),
        ("session.deliver", 1),
        ("store.delete", 1),
    ];
    let spans = collector
        .await_trace(page[0].id(), |spans| has(spans, &parts))
        .await;
    is_sound(&spans);
    let came = only(&spans, second, "message");
    assert_eq!(came.get("linker.outcome"), "stored");
    for name in [
        "store.insert",
        "store.read",
        "custody",
        "session.deliver",
        "store.delete",
    ] {
        assert_eq!(only(&spans, second, name).parent, came.id, "{name}");
    }
    assert_eq!(only(&spans, second, "custody").get("linker.outcome"), "delivered");

    here.send(with(fast(&two, "quick"), "reference", "f1"));
    let got = there.expect("MESSAGE").await;
    here.expect_for("MESSAGE_CONFIRMATION", "f1").await;
    if let Some(id) = got["id"].as_str() {
        let parts = [
            ("message", 2),
            ("link.send", 1),
            ("link.receive", 1),
            ("session.deliver", 1),
        ];
        is_sound(&collector.await_trace(id, |spans| has(spans, &parts)).await);
    }
}
