//! docs/CLIENTS.md: its frames are those of the document, and it leaves none out.

use std::collections::BTreeSet;

use linker_core::code::{CloseCode, ErrorCode};
use serde_json::{Deserializer, Value};

use super::{Document, Side};
use crate::harness::{Node, request_with};

const PAGE: &str = include_str!("../../../../docs/CLIENTS.md");

/// The JSON values of all blocks marked so.
fn values(mark: &str) -> Vec<Value> {
    let opening = format!("```json {mark}\n");
    let mut values = Vec::new();
    for block in PAGE.split(&opening).skip(1) {
        let (block, _) = block.split_once("\n```").expect("a block ends");
        for value in Deserializer::from_str(block).into_iter() {
            values.push(value.unwrap_or_else(|error| panic!("{error} in {block}")));
        }
    }
    assert!(!values.is_empty(), "no block of {mark}");
    values
}

#[test]
fn the_frames_of_the_page_are_those_of_the_document_and_none_is_missing() {
    let document = Document::read();
    for (side, mark) in [(Side::Client, "client"), (Side::Server, "server")] {
        let frames = values(mark);
        let mut shown = BTreeSet::new();
        for frame in &frames {
            document.check(side, frame);
            shown.extend(frame["type"].as_str());
        }
        assert_eq!(shown, document.types(side), "{mark}");
    }
}

#[test]
fn every_block_of_json_says_whose_it_is() {
    let known = ["client", "server", "login", "logged-in"].map(|mark| format!("json {mark}"));
    for line in PAGE.lines().filter_map(|line| line.strip_prefix("```json")) {
        assert!(known.contains(&format!("json{line}")), "```json{line}");
    }
}

#[test]
fn every_error_and_close_code_is_on_the_page() {
    for code in ErrorCode::ALL {
        let cell = format!("`{}`", code.as_str());
        assert!(PAGE.contains(&cell), "{cell}");
    }
    for code in CloseCode::ALL {
        let row = format!("\n| {} |", code.number());
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[tokio::test]
async fn the_login_by_http_is_as_shown() {
    let node = Node::start().await;
    let [request, answer] = [values("login").remove(0), values("logged-in").remove(0)];
    let head = "POST /api/v1/login HTTP/1.1\r\nContent-Type: application/json";
    let said = request_with(node.ws, head, &request.to_string()).await.unwrap();
    assert_eq!(said.status, 200, "{}", said.body);
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&said.json()), keys(&answer));
}
