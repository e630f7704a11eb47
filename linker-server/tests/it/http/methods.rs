//! Which methods paths have, and how a node says that there is none, or no such path.

use crate::harness::{Node, get, request};

#[tokio::test]
async fn what_can_be_read_can_be_asked_for_without_its_body() {
    let node = Node::start().await;
    for path in [
        "/health/live",
        "/health/ready",
        "/metrics",
        "/api/v1/whoami",
        "/api/v1/nodes",
        "/api/v1/users/ANZ-1",
        "/console",
        "/asyncapi.json",
        "/api/v1/openapi.json",
    ] {
        let head = format!("HEAD {path} HTTP/1.1");
        let answer = request(node.admin, &head).await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_by_naming_those_it_has() {
    let node = Node::start().await;
    for (method, path, methods) in [
        ("POST", "/health/live", "GET, HEAD"),
        ("DELETE", "/health/ready", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("POST", "/api/v1/whoami", "GET, HEAD"),
        ("GET", "/api/v1/messages", "POST"),
        ("DELETE", "/api/v1/pushes", "GET, HEAD, POST"),
        ("GET", "/api/v1/pushes/x/retry", "POST"),
        ("GET", "/api/v1/users/ANZ-1/sessions", "DELETE"),
        ("GET", "/api/v1/login", "POST"),
        ("POST", "/api/v1/openapi.json", "GET, HEAD"),
    ] {
        let head = format!("{method} {path} HTTP/1.1");
        let answer = request(node.admin, &head).await.expect("an answer");
        answer.problem(405);
        assert_eq!(answer.header("allow"), methods, "{method} {path}");
    }
    for (method, path, methods) in [
        ("POST", "/", "GET, HEAD"),
        ("POST", "/ws", "GET"),
        ("GET", "/api/v1/login", "POST, OPTIONS"),
    ] {
        let head = format!("{method} {path} HTTP/1.1");
        let answer = request(node.ws, &head).await.expect("an answer");
        answer.problem(405);
        assert_eq!(answer.header("allow"), methods, "{method} {path}");
    }
}

/// Whoever takes the clients' port for the admin port is told so in the form that the API has.
#[tokio::test]
async fn what_is_nowhere_is_a_problem_on_both_ports() {
    let node = Node::start().await;
    for (address, path) in [
        (node.admin, "/api/v1/nothing"),
        (node.admin, "/nothing"),
        (node.ws, "/api/v1/whoami"),
        (node.ws, "/api/v1/messages"),
        (node.ws, "/nothing"),
    ] {
        let problem = get(address, path).await.expect("an answer").problem(404);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(path), "{problem}");
    }
}
