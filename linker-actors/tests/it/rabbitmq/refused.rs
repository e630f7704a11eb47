//! What a broker will never take is said at once, in one sentence without the password.

use std::time::{Duration, Instant};

use linker_core::port::{Bus, BusError};
use linker_core::testkit::conformance::bus::Received;
use linker_core::testkit::sample::node;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::fixture::{bus_at, host_of, shared_broker, unique_domain};

async fn refusal(url: &str) -> String {
    let began = Instant::now();
    let bus = bus_at(url, &unique_domain());
    let answer = bus.open(node(1), Received::new()).await;
    assert!(began.elapsed() < Duration::from_secs(20), "at once");
    match answer {
        Err(BusError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused() {
    let host = host_of(&shared_broker());
    let why = refusal(&format!("amqp://guest:hunter2@{host}/%2F")).await;
    assert!(why.contains("guest") && why.contains(&host), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_virtual_host_is_refused() {
    let host = host_of(&shared_broker());
    let why = refusal(&format!("amqp://guest:guest@{host}/no-such-vhost")).await;
    assert!(
        why.contains("no-such-vhost") && why.contains("virtual host"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_speaks_something_else_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let why = refusal(&format!("amqp://guest:guest@{address}")).await;
    assert!(why.contains("AMQP"), "{why}");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_a_broker_that_speaks_none_is_refused() {
    let host = host_of(&shared_broker());
    let why = refusal(&format!("amqps://guest:guest@{host}/%2F")).await;
    assert!(why.contains("TLS"), "{why}");
}

#[tokio::test]
async fn names_too_long_for_a_queue_are_refused() {
    let domain = "d".repeat(128).parse().expect("a domain");
    let bus = bus_at(&shared_broker(), &domain);
    let mut name = node(1);
    name.name = "n".repeat(128).parse().expect("a name");
    let answer = bus.open(name, Received::new()).await;
    let Err(BusError::Refused(why)) = answer else {
        panic!("{answer:?}")
    };
    assert!(why.contains("225"), "{why}");
}
