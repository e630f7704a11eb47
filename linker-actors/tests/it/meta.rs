//! A host follows a meta server.

use std::sync::Arc;
use std::time::Duration;

use linker_actors::core::app::ClientApps;
use linker_actors::core::directory::Directory;
use linker_actors::core::network::Domain;
use linker_actors::{Linker, MetaServer, StartError};

use crate::harness::{WAIT, apps, eventually, user};

fn meta(url: &str) -> MetaServer {
    MetaServer::new(url, "domain-01".parse().expect("a domain name"))
}

async fn fails(builder: linker_actors::LinkerBuilder, words: &str) {
    match builder.start().await {
        Err(StartError::Config(text)) => assert!(text.contains(words), "{text}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn apps_come_from_the_meta_server_or_the_host_not_from_both() {
    let [anz, xyz, _] = apps();
    let apps = Arc::new(ClientApps::new(vec![xyz]).expect("one app"));
    let directory = Directory::single(Domain::named("domain-01".parse().expect("a name")), apps);
    let builder = || Linker::builder().meta_server(meta("http://127.0.0.1:9"));
    fails(builder().client_app(anz), "not both").await;
    fails(builder().directory(directory), "not both").await;
}

#[tokio::test]
async fn a_url_that_cannot_be_asked_fails_the_start() {
    for url in ["ftp://h", "http://joe:hunter2@h"] {
        fails(
            Linker::builder().meta_server(meta(url)),
            "the url of the meta server",
        )
        .await;
    }
}

#[tokio::test]
async fn a_node_without_a_document_runs_and_stops() {
    let patient = meta("http://127.0.0.1:9").refresh(Duration::from_millis(50));
    let linker = Linker::builder()
        .meta_server(patient)
        .start()
        .await
        .expect("it starts");
    let handle = linker.handle();
    eventually("it says why it is not ready", WAIT, async || {
        let health = handle.health();
        let said = health.checks["meta"].clone().unwrap_or_default();
        (!health.is_ready() && said.contains("http://127.0.0.1:9 is away")).then_some(())
    })
    .await;
    assert!(!handle.is_online(user("ANZ-1")).await);
    assert!(linker.stop().await);
}
