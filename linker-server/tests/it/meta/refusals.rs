//! Documents that a node cannot work with.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{
    anz, document, follower, follower_of, handshake_status, health, until_health, until_logged, until_login,
    xyz,
};
use crate::harness::{Client, MetaServer, run};

const SPLIT: u64 = 1_000_000;

/// A meta server without any judgement of its own.
struct Careless {
    url: String,
    body: Arc<Mutex<String>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Careless {
    async fn start(body: impl ToString) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let body = Arc::new(Mutex::new(body.to_string()));
        let current = Arc::clone(&body);
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_buf(&mut request).await {
                        Ok(1..) => {}
                        _ => break,
                    }
                }
                let body = current.lock().unwrap().clone();
                let length = body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                // A node may have given up.
                let _ = stream.write_all((head + &body).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, body, accepting }
    }

    fn serve(&self, body: impl ToString) {
        *self.body.lock().unwrap() = body.to_string();
    }
}

impl Drop for Careless {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn overlapping() -> Value {
    let mut bad = document(&[anz(), xyz()], SPLIT);
    bad["userDistributions"][1]["from"] = json!(5);
    bad["domainLinks"][0]["n2"] = json!("domain-09");
    bad
}

#[tokio::test]
async fn a_document_with_mistakes_is_refused_once_and_the_last_one_stays() {
    let server = Careless::start(document(&[anz()], SPLIT)).await;
    let node = follower_of(&server.url).start().await;
    let mut client = Client::login(&node, "ANZ-1").await;
    server.serve(overlapping());
    let said = until_health(&node, 200, &["refused", "the last one stays"]).await;
    assert!(said.contains("and 1 more"), "{said}");
    until_logged(&node, &["ERROR", "userDistributions[1].from"]).await;
    until_logged(&node, &["ERROR", "domainLinks[0].n2", "domain-09"]).await;
    until_login(&node, "XYZ-1", "UNKNOWN_APP").await;
    server.serve("this is not JSON");
    until_health(&node, 200, &["refused", "not a meta document"]).await;
    client.expect_quiet().await;
    server.serve(document(&[anz(), xyz()], SPLIT));
    until_login(&node, "XYZ-1", "ok").await;
    until_health(&node, 200, &["ok"]).await;
    let log = node.log();
    assert_eq!(
        log.matches("userDistributions[1].from").count(),
        1,
        "told once, however often it was seen"
    );
    client.expect_quiet().await;
}

#[tokio::test]
async fn a_node_whose_first_document_has_mistakes_waits_for_a_sound_one() {
    let server = Careless::start(overlapping()).await;
    let node = follower_of(&server.url).start().await;
    let said = until_health(&node, 503, &["refused"]).await;
    assert!(said.contains(&server.url), "{said}");
    assert_eq!(handshake_status(&node).await, Some(503));
    server.serve(document(&[anz()], SPLIT));
    until_health(&node, 200, &["ok"]).await;
    Client::login(&node, "ANZ-1").await;
}

#[tokio::test]
async fn a_node_of_a_domain_that_the_document_does_not_know_is_not_ready() {
    let server = MetaServer::start(document(&[anz()], SPLIT)).await;
    let node = follower(&server).set("node.domain", "domain-77").start().await;
    until_health(&node, 503, &["domain-77"]).await;
    assert_eq!(handshake_status(&node).await, Some(503));
    let mut more = document(&[anz()], SPLIT);
    more["domains"][1]["name"] = json!("domain-77");
    more["domainLinks"] = json!([]);
    more["userDistributions"][1]["domainName"] = json!("domain-77");
    server.serve(&more).await;
    until_health(&node, 200, &["ok"]).await;
    let mut client = Client::login(&node, "ANZ-1000000").await;
    // Taken out of the network, it goes on for those who are there, and says so.
    server.serve(document(&[anz()], SPLIT)).await;
    until_health(&node, 503, &["domain-77"]).await;
    client.expect_quiet().await;
    server.serve(more).await;
    until_health(&node, 200, &["ok"]).await;
}

#[tokio::test]
async fn client_apps_in_both_places_are_a_mistake_and_in_the_nodes_file_alone_are_not() {
    let server = MetaServer::start(document(&[anz()], SPLIT)).await;
    let own = json!([{"appName": "OWN", "appId": "app-id-OWN"}]);
    let node = follower(&server).set("clientApps", own).start().await;
    until_health(
        &node,
        503,
        &["client apps stand in the meta document and in this node's own"],
    )
    .await;
    server.serve(document(&[], SPLIT)).await;
    until_health(&node, 200, &["ok"]).await;
    Client::login(&node, "OWN-1").await;
    let other = follower(&server).start().await;
    let (status, said) = health(&other).await;
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("no client app"), "{said}");
}

#[tokio::test]
async fn a_key_file_that_is_not_on_this_node_keeps_the_last_document_until_it_is() {
    let server = MetaServer::start(document(&[anz()], SPLIT)).await;
    let node = follower(&server).start().await;
    let key = node.config.home().join("key.pem");
    let mut strict = xyz();
    strict["authEnabled"] = json!(true);
    strict["jwt"] = json!({"algorithm": "ES256", "keyFile": key});
    server.serve(document(&[anz(), strict], SPLIT)).await;
    until_health(&node, 200, &["refused", "XYZ"]).await;
    until_login(&node, "XYZ-1", "UNKNOWN_APP").await;
    std::fs::write(&key, crate::harness::EC_PUBLIC).unwrap();
    until_login(&node, "XYZ-1", "AUTH_FAILED").await;
    until_health(&node, 200, &["ok"]).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_itself_ends_with_2() {
    for (text, words) in [
        ("meta: {url: 'ftp://h'}\n", ["meta.url", "http"]),
        ("meta: {url: 'http://h', file: m.yml}\n", ["meta.url", "not both"]),
        (
            "meta: {url: 'http://h', refresh: 0s}\n",
            ["meta.refresh", "out of range"],
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("linker.yml");
        std::fs::write(&file, text).unwrap();
        for (command, code) in [("serve", 2), ("check", 1)] {
            let finished = run(&[command, "--config", file.to_str().unwrap()]).await;
            assert_eq!(finished.code, code, "{text}: {}", finished.said());
            finished.line_with(&words);
        }
    }
    // Whether the server is there is no matter of configuration.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("linker.yml");
    std::fs::write(&file, "meta: {url: 'http://127.0.0.1:9'}\n").unwrap();
    assert_eq!(run(&["check", "--config", file.to_str().unwrap()]).await.code, 0);
}
