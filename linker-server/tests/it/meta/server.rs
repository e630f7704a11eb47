//! What `linker-server meta` answers, and how it starts and ends.

use std::net::{SocketAddr, TcpListener};

use serde_json::json;

use crate::cli::check_meta::SEED;
use crate::harness::{MetaServer, get, request, run};

#[tokio::test]
async fn the_seeds_document_is_served_as_json_with_a_strong_etag() {
    let server = MetaServer::start(SEED).await;
    let answer = server.get("/meta").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let etag = answer.header("etag");
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2,
        "{etag}"
    );
    let document = answer.json();
    assert_eq!(document["domains"][3]["name"], "domain-04");
    assert_eq!(
        document["domains"][0]["urls"],
        json!(["tcp://192.168.56.1:9089", "ws://192.168.56.1:8088"])
    );
    assert_eq!(
        document["domainLinks"][1],
        json!({"n1": "domain-02", "n2": "domain-03"})
    );
    assert_eq!(document["clientApps"][1]["appId"], "app-id-343");
    assert_eq!(
        document["userDistributions"][3],
        json!({"domainName": "domain-04", "from": 6_000_000})
    );
    assert_eq!(document.get("spring"), None);
}

#[tokio::test]
async fn a_conditional_request_is_answered_with_304_while_nothing_changed() {
    let server = MetaServer::start(SEED).await;
    let etag = server.etag().await;
    for known in [
        etag.clone(),
        format!("\"other\", {etag}"),
        format!("W/{etag}"),
        "*".to_owned(),
    ] {
        let answer = server.get_unless(&known).await;
        assert_eq!(answer.status, 304, "{known}");
        assert_eq!(answer.body, "");
        assert_eq!(answer.header("etag"), etag, "{known}");
    }
    for unknown in ["\"other\"", "nonsense"] {
        let answer = server.get_unless(unknown).await;
        assert_eq!(
            (answer.status, answer.header("etag")),
            (200, etag.as_str()),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn the_originals_paths_answer_with_the_parts_of_the_document() {
    let server = MetaServer::start(SEED).await;
    let document = server.get("/meta").await.json();
    for (path, key) in [
        ("/clientApps", "clientApps"),
        ("/domains", "domains"),
        ("/domains/links", "domainLinks"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(
            (answer.status, answer.json()),
            (200, document[key].clone()),
            "{path}"
        );
    }
    let ring = json!({
        "domain-01": ["domain-02", "domain-04"],
        "domain-02": ["domain-01", "domain-03"],
        "domain-03": ["domain-02", "domain-04"],
        "domain-04": ["domain-01", "domain-03"],
    });
    assert_eq!(server.get("/domains/graph").await.json(), ring);
    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/nothing").await.status, 404);
}

#[tokio::test]
async fn nothing_can_be_written() {
    let server = MetaServer::start(SEED).await;
    let etag = server.etag().await;
    for method in ["POST", "PUT", "DELETE"] {
        let head = format!("{method} /meta HTTP/1.1\r\nContent-Length: 0");
        let status = request(server.address, &head).await.unwrap().status;
        assert!([404, 405].contains(&status), "{method}: {status}");
    }
    assert_eq!(server.etag().await, etag);
}

#[tokio::test]
async fn one_line_on_standard_output_says_where_it_is_and_signals_end_it_with_0() {
    for signal in ["TERM", "INT"] {
        let mut server = MetaServer::start(SEED).await;
        let expected = format!("linker meta ready http://{}\n", server.address);
        assert_ne!(server.address.port(), 0);
        assert_eq!(server.end_by(signal).await, 0, "SIG{signal}");
        assert_eq!(server.stdout(), expected);
        assert!(get(server.address, "/meta").await.is_err());
    }
}

#[tokio::test]
async fn warnings_go_to_the_log() {
    let server = MetaServer::start(SEED).await;
    server
        .logged(&["WARN", "meta.yml", "domains[0].urls[0]", "tcp"])
        .await;
}

/// Not one of those that the system gives to whoever asks for any: it is still free when the test gets to it.
fn free_address() -> SocketAddr {
    let first = 20_000 + (std::process::id() % 8_000) as u16;
    let mut candidates = (first..30_000).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    candidates
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("one of thousands is free")
}

#[tokio::test]
async fn the_documents_port_is_the_one_to_serve_on_unless_a_flag_says_otherwise() {
    let free = free_address();
    let document = format!(
        "server: {{port: {}}}\ndomains: [{{name: domain-01}}]\n",
        free.port()
    );
    let server = MetaServer::start_with(&document, &[]).await;
    assert_eq!(server.address, free);
    let flagged = MetaServer::start(&document).await;
    assert_ne!(flagged.address, free);
}

#[tokio::test]
async fn a_bad_document_ends_with_2_and_a_line_for_each_mistake() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("meta.yml");
    let document = "
domains: [{name: domain-01, urls: ['amqp://joe:hunter2@broker']}, {name: domain-01}]
domainLinks: [{n1: domain-01, n2: domain-09}]
clientApps: [{appName: A, appId: one}, {appName: A, appId: two}]
userDistributions: [{domainName: domain-01, from: 10, to: 5}]
";
    std::fs::write(&file, document).unwrap();
    let finished = run(&[
        "meta",
        "--config",
        file.to_str().unwrap(),
        "--bind",
        "127.0.0.1:0",
    ])
    .await;
    assert_eq!(finished.code, 2, "{}", finished.said());
    assert!(finished.stdout.is_empty(), "{}", finished.stdout);
    for key in [
        "domains[0].urls[0]",
        "domains[1].name",
        "domainLinks[0].n2",
        "clientApps[1].appName",
        "userDistributions[0].to",
    ] {
        finished.line_with(&["meta.yml", key, "allowed"]);
    }
    assert!(!finished.said().contains("hunter2"), "{}", finished.said());
}

#[tokio::test]
async fn wrong_usage_and_a_missing_file_end_with_2_and_a_used_port_with_1() {
    assert_eq!(run(&["meta"]).await.code, 2);
    let missing = run(&["meta", "--config", "/no/such/meta.yml"]).await;
    assert_eq!(missing.code, 2);
    missing.line_with(&["/no/such/meta.yml"]);
    let server = MetaServer::start(SEED).await;
    let (file, address) = (server.file(), server.address.to_string());
    let args = ["meta", "--config", file.to_str().unwrap(), "--bind", &address];
    let taken = run(&args).await;
    assert_eq!(taken.code, 1, "{}", taken.said());
    taken.line_with(&[&address]);
}
