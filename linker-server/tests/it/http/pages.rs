//! What a browser gets on `server.bind`, and what it does not.

use crate::harness::{Dial, Node, get, request, upgrade_status};

#[tokio::test]
async fn the_demo_page_and_its_module_are_served() {
    let node = Node::start().await;
    let page = get(node.ws, "/").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{}",
        page.header("content-type")
    );
    assert!(
        page.body.contains("linker-client.js") || page.body.contains("<script"),
        "{}",
        page.body
    );
    assert!(
        page.header("content-security-policy")
            .contains("connect-src ws: wss:;"),
        "WebSockets to any domain, and nothing else"
    );
    let module = get(node.ws, "/linker-client.js").await.unwrap();
    assert_eq!(module.status, 200);
    assert!(
        module.header("content-type").contains("javascript"),
        "{}",
        module.header("content-type")
    );
    assert!(module.body.contains("export"), "it is an ES module");
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let node = Node::start().await;
    for path in ["/nothing", "/linker.yml", "/ws/x"] {
        assert_eq!(get(node.ws, path).await.unwrap().status, 404, "{path}");
    }
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/linker-client.js/../../etc/passwd",
    ] {
        let answer = get(node.ws, path).await.unwrap();
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    assert_eq!(node.admin_get("/nothing").await.status, 404);
}

#[tokio::test]
async fn the_port_for_clients_has_no_metrics_and_the_admin_port_no_websocket() {
    let node = Node::start().await;
    assert_eq!(get(node.ws, "/metrics").await.unwrap().status, 404);
    assert_eq!(get(node.ws, "/health/ready").await.unwrap().status, 404);
    assert_eq!(upgrade_status(node.admin, &Dial::default()).await, 404);
}

#[tokio::test]
async fn a_plain_request_for_the_websocket_is_told_to_upgrade() {
    let node = Node::start().await;
    let plain = get(node.ws, "/ws").await.unwrap();
    assert!(
        (400..500).contains(&plain.status) && plain.status != 404,
        "{}",
        plain.status
    );
    let posted = request(node.ws, "POST /ws HTTP/1.1\r\nContent-Length: 0")
        .await
        .unwrap();
    assert!((400..500).contains(&posted.status), "{}", posted.status);
}

#[tokio::test]
async fn a_handshake_of_another_version_or_without_a_key_is_refused() {
    let node = Node::start().await;
    let upgrade = "GET /ws HTTP/1.1\r\nUpgrade: websocket";
    for headers in [
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        // `request` closes its connection, so `Connection: Upgrade` is missing as well.
        let answer = request(node.ws, &format!("{upgrade}\r\n{headers}"))
            .await
            .unwrap();
        assert!(
            (400..500).contains(&answer.status),
            "{headers}: {}",
            answer.status
        );
    }
}

#[tokio::test]
async fn the_console_is_on_the_admin_port_only() {
    let node = Node::start().await;
    let page = node.admin_get("/console").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(node.admin_get("/console/").await.header("location"), "../console");
    let module = node.admin_get("/console/console.js").await;
    assert!(module.header("content-type").contains("javascript"));
    assert_eq!(get(node.ws, "/console").await.unwrap().status, 404);
}

#[tokio::test]
async fn no_page_may_show_what_the_admin_port_serves_within_itself() {
    let node = Node::start().await;
    for path in ["/console", "/docs/", "/api/v1/whoami", "/health/live", "/nothing"] {
        let answer = node.admin_get(path).await;
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
    }
}
