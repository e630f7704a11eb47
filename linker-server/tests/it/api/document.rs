//! The OpenAPI document and its page.

use crate::harness::{Node, NodeConfig};

#[tokio::test]
async fn the_document_tells_every_call_and_needs_no_token() {
    let node = NodeConfig::new().set("server.adminToken", "t0ken").start().await;
    let answer = node.admin_get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    for (path, method) in [
        ("/api/v1/messages", "post"),
        ("/api/v1/messages/{id}", "get"),
        ("/api/v1/users/{id}", "get"),
        ("/api/v1/users/{id}/tokens", "delete"),
        ("/api/v1/users/{id}/sessions", "delete"),
        ("/api/v1/nodes", "get"),
        ("/api/v1/domains", "get"),
        ("/api/v1/slow-consumers", "get"),
    ] {
        let call = &document["paths"][path][method];
        assert!(call["responses"].is_object(), "{path}: {call}");
        assert_eq!(
            call["security"][0]["token"].as_array().map(Vec::len),
            Some(1),
            "{path}"
        );
    }
    // Of any scope.
    assert_eq!(
        document["paths"]["/api/v1/whoami"]["get"]["security"][0]["token"],
        serde_json::json!([])
    );
    assert!(document["paths"]["/api/v1/login"]["post"]["responses"].is_object());
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!(scheme["scheme"], "bearer");
}

#[tokio::test]
async fn the_document_tells_what_a_call_may_be_refused_with() {
    let node = Node::start().await;
    let document = node.admin_get("/api/v1/openapi.json").await.json();
    for (path, method, statuses) in [
        (
            "/api/v1/messages",
            "post",
            &["401", "403", "400", "409", "413", "415"][..],
        ),
        (
            "/api/v1/pushes",
            "post",
            &["401", "403", "400", "409", "413", "415"],
        ),
        ("/api/v1/pushes", "get", &["401", "403", "400"]),
        ("/api/v1/pushes/{id}", "get", &["401", "403", "404"]),
        ("/api/v1/pushes/{id}/retry", "post", &["401", "403", "404", "409"]),
        ("/api/v1/users/{id}", "get", &["401", "403", "400", "404", "421"]),
        ("/api/v1/users/{id}/sessions", "delete", &["401", "403", "421"]),
        ("/api/v1/nodes", "get", &["401", "403", "400"]),
        ("/api/v1/whoami", "get", &["401", "403"]),
        (
            "/api/v1/login",
            "post",
            &["400", "401", "413", "415", "421", "429"],
        ),
    ] {
        let responses = &document["paths"][path][method]["responses"];
        for status in statuses {
            let schema = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{path} {method} {status}");
        }
    }
    assert!(document["components"]["schemas"]["Problem"].is_object());
}

#[tokio::test]
async fn the_page_is_served_with_all_it_needs() {
    let node = Node::start().await;
    assert_eq!(node.admin_get("/docs").await.header("location"), "/docs/");
    let page = node.admin_get("/docs/").await;
    assert_eq!(page.status, 200);
    for part in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.body.contains(part), "{}", page.body);
        assert_eq!(
            node.admin_get(&format!("/docs/{part}")).await.status,
            200,
            "{part}"
        );
    }
}
