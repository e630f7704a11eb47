//! Services that are away or refuse, names that are taken, configurations that contradict, garbage on the bus.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{
    Client, Domain, Finished, PrivatePostgres, PrivateRedis, Proxy, SECRET, WAIT, by_way_of, eventually,
    host_of, run, whole,
};

/// A port where nobody listens, for as long as nobody else takes it.
fn closed_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_are_away_at_the_start_are_named_and_awaited() {
    let plain = Domain::new().await;
    let urls = plain.urls.clone();
    let [presence, bus, store] = [
        Proxy::to(&host_of(&urls.presence)).await,
        Proxy::to(&host_of(&urls.bus)).await,
        Proxy::to(&host_of(&urls.store)).await,
    ];
    for proxy in [&presence, &bus, &store] {
        proxy.cut();
    }
    let node = plain
        .config("a")
        .set("presence.url", by_way_of(&urls.presence, presence.address()))
        .set("bus.url", by_way_of(&urls.bus, bus.address()))
        .set("store.url", by_way_of(&urls.store, store.address()))
        .start()
        .await;
    let away = |part: &'static str| {
        move |ready: bool, checks: &Value| !ready && checks[part].as_str().is_some_and(|why| why != "ok")
    };
    for part in ["presence", "bus", "store"] {
        node.await_check(away(part)).await;
        let log = node.log().to_lowercase();
        assert!(log.contains("away"), "{log}");
    }
    // One after the other comes, and the node says what is still missing.
    presence.heal();
    node.await_check(|ready, checks| !ready && checks["presence"] == "ok" && checks["bus"] != "ok")
        .await;
    bus.heal();
    node.await_check(|ready, checks| !ready && checks["bus"] == "ok" && checks["store"] != "ok")
        .await;
    store.heal();
    node.await_health().await;
    whole(&[node]).await;
}

#[tokio::test]
async fn ports_where_nobody_listens_are_said_with_their_place() {
    let domain = Domain::new().await;
    let [presence, bus] = [closed_port(), closed_port()];
    let node = domain
        .config("a")
        .set("presence.url", format!("redis://{presence}"))
        .set("bus.url", format!("amqp://guest:s3cret@{bus}"))
        .start()
        .await;
    let checks = node
        .await_check(|ready, checks| !ready && checks["presence"] != "ok" && checks["bus"] != "ok")
        .await;
    for (part, place) in [("presence", &presence), ("bus", &bus)] {
        eventually(&format!("{place} is in the log"), WAIT, async || {
            node.log().contains(place.as_str()).then_some(())
        })
        .await;
        assert!(
            checks[part].as_str().is_some_and(|why| !why.is_empty()),
            "{checks}"
        );
    }
    assert!(!node.log().contains("s3cret"), "a password is in the log");
}

/// Exit code 1, and one sentence, which has these words and no password.
fn assert_refused(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, 1, "{}", finished.said());
    let line = finished.line_with(&["linker-server:"]);
    for word in words {
        assert!(line.contains(word), "no {word} in: {line}");
    }
    assert!(!finished.said().contains("hunter2"), "{}", finished.said());
}

#[tokio::test]
async fn a_wrong_password_ends_the_start_at_once() {
    let mut postgres = PrivatePostgres::new();
    postgres.start();
    let redis = PrivateRedis::start(&["--requirepass", SECRET]).await;
    let domain = Domain::new().await;
    let host = host_of(&redis.url());
    let wrong = [
        ("presence.url", format!("redis://:hunter2@{host}"), "Redis"),
        (
            "bus.url",
            format!("amqp://guest:hunter2@{}/%2F", host_of(&domain.urls.bus)),
            "guest",
        ),
        ("store.url", postgres.url("hunter2"), "PostgreSQL"),
    ];
    // Until it listens it is away, which is something else.
    let place = host_of(&postgres.url(SECRET));
    let listens = async || {
        if postgres.has_ended() {
            postgres.start();
        }
        tokio::net::TcpStream::connect(&place).await.ok()
    };
    eventually("PostgreSQL listens", WAIT, listens).await;
    for (key, url, word) in wrong {
        let config = domain.config("a").set(key, url);
        let file = config.save();
        let finished = run(&["serve", "--config", file.to_str().unwrap()]).await;
        assert_refused(&finished, &[word]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_is_refused_while_the_other_lives() {
    let domain = Domain::new().await;
    let mut node = domain.start("a").await;
    let config = domain.config("a");
    let file = config.save();
    let finished = run(&["serve", "--config", file.to_str().unwrap()]).await;
    assert_eq!(finished.code, 1, "{}", finished.said());
    let line = finished.line_with(&["linker-server:"]);
    assert!(line.contains('a') && line.contains("name"), "{line}");
    assert!(node.exit_code().is_none());
    whole(std::slice::from_ref(&node)).await;
    assert_eq!(node.terminate().await, 0);
    // It is free now.
    let other = config.start().await;
    other.await_health().await;
}

#[tokio::test]
async fn contradicting_configurations_are_named() {
    let domain = Domain::new().await;
    let a = domain.start("a").await;
    let mut b = domain.config("b").set("limits.sessionsPerUser", 3).start().await;
    for (node, other) in [(&a, "b"), (&b, "a")] {
        let checks = node
            .await_check(|ready, checks| !ready && checks["cluster"] != "ok")
            .await;
        let why = checks["cluster"].as_str().unwrap();
        assert!(
            why.contains("limits.sessionsPerUser") && why.contains(&format!("{other}'s")),
            "{why}"
        );
        assert!(node.log().contains("limits.sessionsPerUser"), "{}", node.log());
    }
    // It serves all the same.
    let mut user = Client::login(&b, "ANZ-1").await;
    Client::login(&a, "ANZ-2")
        .await
        .delivery_fence("ANZ-1", "r1")
        .await;
    user.expect("MESSAGE").await;
    assert_eq!(b.terminate().await, 0);
    a.await_health().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_bus_is_counted_and_stops_nothing() {
    let domain = Domain::new().await;
    let nodes = domain.pair().await;
    // Its queue has its whole name, which the other one says.
    let log = nodes[0].log();
    let named = log
        .split("\"peer\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let queue = format!("linker.{}.node.{}", domain.name, named.unwrap());
    let connection = lapin::Connection::connect(&domain.urls.bus, lapin::ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let garbage: [&[u8]; 4] = [b"", b"\xff\xff\xff\xff", b"{\"type\": \"MESSAGE\"}", &[1; 4096]];
    for payload in garbage {
        let published = channel.basic_publish(
            "".into(),
            queue.as_str().into(),
            lapin::options::BasicPublishOptions::default(),
            payload,
            lapin::BasicProperties::default(),
        );
        published.await.unwrap();
    }
    eventually("all garbage is counted", WAIT, async || {
        let metrics = nodes[1].metrics().await;
        (metrics.sum("linker_bus_undecodable_total", &[]) >= Some(4.0)).then_some(())
    })
    .await;
    whole(&nodes).await;
    connection.close(200, "bye".into()).await.unwrap();
}
