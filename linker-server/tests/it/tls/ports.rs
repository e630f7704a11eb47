//! What else is on the ports.

use serde_json::json;

use super::node;
use crate::harness::{NodeConfig, Pair, request, request_over, run};

#[tokio::test]
async fn pages_and_logins_are_served_by_https() {
    let (node, pair) = node().await;
    assert!(
        node.stdout()
            .contains(&format!("ws=wss://{}/ws admin=http://", node.ws))
    );
    let page = request_over(&pair, node.ws, "GET / HTTP/1.1", "").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let module = request_over(&pair, node.ws, "GET /linker-client.js HTTP/1.1", "")
        .await
        .unwrap();
    assert_eq!(module.status, 200);
    // The page asks for what it was loaded by.
    let script = request_over(&pair, node.ws, "GET /demo.js HTTP/1.1", "")
        .await
        .unwrap();
    assert!(script.body.contains("'https:' ? 'wss' : 'ws'"));
    let body = json!({"appId": "app-id-343", "userId": "ANZ-1"}).to_string();
    let head = "POST /api/v1/login HTTP/1.1\r\nContent-Type: application/json";
    let login = request_over(&pair, node.ws, head, &body).await.unwrap();
    assert_eq!(login.status, 200, "{}", login.body);
    assert_eq!(login.json()["urls"], json!([format!("wss://{}/ws", node.ws)]));
    let nothing = request_over(&pair, node.ws, "GET /nothing HTTP/1.1", "")
        .await
        .unwrap();
    assert_eq!(nothing.status, 404);
}

#[tokio::test]
async fn the_admin_port_speaks_tls_where_it_is_told_to() {
    let pair = Pair::new();
    let config = NodeConfig::new()
        .set("server.adminTls.cert", "admin.pem")
        .set("server.adminTls.key", "admin-key.pem")
        .set("server.adminToken", "t0ken");
    config.write("admin.pem", &pair.cert);
    config.write("admin-key.pem", &pair.key);
    let node = config.start().await;
    let ready = request_over(&pair, node.admin, "GET /health/ready HTTP/1.1", "")
        .await
        .unwrap();
    assert_eq!(ready.status, 200, "{}", ready.body);
    let head = "GET /api/v1/whoami HTTP/1.1\r\nAuthorization: Bearer t0ken";
    let whoami = request_over(&pair, node.admin, head, "").await.unwrap();
    assert_eq!(whoami.status, 200, "{}", whoami.body);
    assert_eq!(
        request(node.admin, "GET /health/live HTTP/1.1")
            .await
            .unwrap()
            .status,
        400
    );
    // The clients' port is as it was.
    assert_eq!(request(node.ws, "GET / HTTP/1.1").await.unwrap().status, 200);
}

#[tokio::test]
async fn files_that_are_missing_or_do_not_fit_end_check_with_1_and_a_start_with_2() {
    let (pair, other) = (Pair::new(), Pair::new());
    let config = NodeConfig::new().with_tls(&pair);
    let file = config.save();
    let file = file.to_str().unwrap();
    let both = async |words: &[&str]| {
        let checked = run(&["check", "--config", file]).await;
        assert_eq!(checked.code, 1, "{}", checked.said());
        checked.line_with(words);
        let started = run(&["serve", "--config", file]).await;
        assert_eq!(started.code, 2, "{}", started.said());
        started.line_with(words);
        assert!(!started.said().contains("PRIVATE KEY-----"), "{}", started.said());
    };
    config.write("key.pem", &other.key);
    both(&[
        "server.tls.key",
        "key.pem",
        "cert.pem",
        "the key is not the certificate's",
    ])
    .await;
    config.write("cert.pem", "no certificate");
    both(&["server.tls.cert", "cert.pem", "no certificate in it"]).await;
    std::fs::remove_file(config.home().join("key.pem")).unwrap();
    both(&["server.tls.key", "cannot read", "key.pem"]).await;
}
