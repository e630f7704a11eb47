//! What the document lists is what the code has. A new type, error or close code is to be described in asyncapi.json, and nowhere else here.

use std::collections::BTreeSet;

use linker_core::code::{CloseCode, ErrorCode};
use linker_core::frame::SERVER_TYPES;
use linker_core::message_type::{LOGIN_TYPE, MessageTypes};

use super::{Document, Side, sides};

#[test]
fn every_type_of_a_client_is_described() {
    let known = MessageTypes::protocol();
    let known: BTreeSet<&str> = known.names().chain([LOGIN_TYPE]).collect();
    assert_eq!(Document::read().types(Side::Client), known);
}

#[test]
fn every_type_of_the_server_is_described() {
    assert_eq!(Document::read().types(Side::Server), BTreeSet::from(SERVER_TYPES));
}

#[test]
fn every_message_described_is_somebodys_and_has_an_example() {
    let tree = Document::read().tree;
    let said: BTreeSet<String> = sides(&tree).into_iter().map(|(_, key)| key).collect();
    let messages = tree["components"]["messages"].as_object().unwrap();
    assert_eq!(said, messages.keys().cloned().collect());
    let in_channel = tree["channels"]["session"]["messages"].as_object().unwrap();
    assert_eq!(said, in_channel.keys().cloned().collect());
    for (key, message) in messages {
        let examples = message["examples"].as_array();
        assert!(examples.is_some_and(|examples| !examples.is_empty()), "{key}");
    }
}

#[test]
fn every_error_code_is_described() {
    let tree = Document::read().tree;
    let described = tree["components"]["schemas"]["ErrorCode"]["oneOf"]
        .as_array()
        .unwrap();
    let described: Vec<&str> = described
        .iter()
        .map(|code| {
            assert!(!code["description"].as_str().unwrap().is_empty());
            code["const"].as_str().unwrap()
        })
        .collect();
    let known: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(described, known);
}

#[test]
fn every_close_code_is_described() {
    let tree = Document::read().tree;
    let described = tree["channels"]["session"]["x-close-codes"].as_array().unwrap();
    let described: Vec<(u64, &str)> = described
        .iter()
        .map(|code| {
            for part in ["meaning", "client"] {
                assert!(!code[part].as_str().unwrap().is_empty(), "{code}");
            }
            (code["code"].as_u64().unwrap(), code["reason"].as_str().unwrap())
        })
        .collect();
    let known: Vec<(u64, &str)> = CloseCode::ALL
        .iter()
        .map(|code| (code.number().into(), code.reason()))
        .collect();
    assert_eq!(described, known);
}
