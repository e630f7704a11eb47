//! A backend that calls a node's API.

use std::net::SocketAddr;

use serde_json::Value;

use super::{Node, Response, request_with};

/// Calls of one bearer.
pub(crate) struct Api {
    address: SocketAddr,
    token: Option<String>,
}

impl Api {
    /// Without a token.
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            address: node.admin,
            token: None,
        }
    }

    pub(crate) fn bearing(node: &Node, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::of(node)
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call(&format!("GET {path} HTTP/1.1"), "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.call(&format!("DELETE {path} HTTP/1.1"), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_with(path, "", body).await
    }

    /// `headers`: each ends with `\r\n`.
    pub(crate) async fn post_with(&self, path: &str, headers: &str, body: &Value) -> Response {
        let head = format!("POST {path} HTTP/1.1\r\n{headers}Content-Type: application/json");
        self.call(&head, &body.to_string()).await
    }

    /// As it is given: a request line and headers.
    pub(crate) async fn call(&self, head: &str, body: &str) -> Response {
        let head = match &self.token {
            Some(token) => format!("{head}\r\nAuthorization: Bearer {token}"),
            None => head.to_owned(),
        };
        request_with(self.address, &head, body)
            .await
            .expect("the admin port answers")
    }
}

impl Response {
    /// The problem that an error is told as, which has to be one of this status.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "{problem}");
        problem
    }
}
