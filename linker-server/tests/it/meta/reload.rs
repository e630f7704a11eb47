//! The file changes while it is served.

use std::io::Write;

use crate::harness::{MetaServer, WAIT, eventually};

fn domains(names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|name| format!("  - name: {name}\n")).collect();
    format!("domains:\n{}", list.concat())
}

async fn served_domains(server: &MetaServer) -> Vec<String> {
    let document = server.get("/meta").await.json();
    let domains = document["domains"].as_array().unwrap().iter();
    domains
        .map(|domain| domain["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_changed_file_is_served_without_a_restart() {
    let server = MetaServer::start(domains(&["a"])).await;
    let first = server.etag().await;
    server.serve(domains(&["a", "b"])).await;
    assert_eq!(served_domains(&server).await, ["a", "b"]);
    assert_eq!(server.get("/domains/graph").await.body, r#"{"a":[],"b":[]}"#);
    assert_eq!(server.get_unless(&first).await.status, 200);
    // Written in place, with the size it had.
    std::fs::write(server.file(), domains(&["a", "c"])).unwrap();
    eventually("the second change is served", WAIT, async || {
        (served_domains(&server).await == ["a", "c"]).then_some(())
    })
    .await;
    server.serve(domains(&["a"])).await;
    assert_eq!(server.etag().await, first, "the same content has the same etag");
}

#[tokio::test]
async fn a_bad_version_is_refused_with_its_mistakes_and_the_old_one_stays() {
    let server = MetaServer::start(domains(&["a", "b"])).await;
    let etag = server.etag().await;
    server.replace("domains: [{name: a}, {name: a}]\ndomainLinks: [{n1: a, n2: x}]\n");
    server.logged(&["ERROR", "domains[1].name", "listed twice"]).await;
    server
        .logged(&["ERROR", "domainLinks[0].n2", "no domain is called x"])
        .await;
    server
        .logged(&["ERROR", "is refused", "the last one stays"])
        .await;
    assert_eq!(server.etag().await, etag);
    for bad in ["not: [yaml", "", "domains: 5\n"] {
        let before = server.log().matches("is refused").count();
        server.replace(bad);
        eventually("it is refused", WAIT, async || {
            (server.log().matches("is refused").count() > before).then_some(())
        })
        .await;
        assert_eq!(server.etag().await, etag, "{bad:?}");
    }
    server.serve(domains(&["c"])).await;
    assert_eq!(served_domains(&server).await, ["c"]);
    assert_eq!(server.log().matches("is refused").count(), 4, "each is told once");
}

#[tokio::test]
async fn a_file_that_is_gone_for_a_while_costs_nothing() {
    let server = MetaServer::start(domains(&["a"])).await;
    let etag = server.etag().await;
    std::fs::remove_file(server.file()).unwrap();
    server
        .logged(&["ERROR", "cannot be read", "the last version stays"])
        .await;
    assert_eq!(server.etag().await, etag);
    server.serve(domains(&["a", "b"])).await;
    assert_eq!(served_domains(&server).await, ["a", "b"]);
}

#[tokio::test]
async fn a_file_that_is_being_written_is_not_served_by_halves() {
    let server = MetaServer::start(domains(&["a"])).await;
    let mut file = std::fs::File::create(server.file()).unwrap();
    file.write_all(b"domains: [{name: b1}, {name: b2}").unwrap();
    // However long that takes.
    server
        .logged(&["ERROR", "is refused", "the last one stays"])
        .await;
    assert_eq!(served_domains(&server).await, ["a"]);
    file.write_all(b", {name: b3}]\n").unwrap();
    eventually("the whole is served", WAIT, async || {
        (served_domains(&server).await == ["b1", "b2", "b3"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_meta_server_that_was_killed_serves_the_same_version_again() {
    let mut server = MetaServer::start(domains(&["a"])).await;
    let (etag, address) = (server.etag().await, server.address);
    server.kill9();
    server.start_again().await;
    assert_eq!(server.address, address);
    assert_eq!(server.get_unless(&etag).await.status, 304);
}
