//! asyncapi.json and docs/CLIENTS.md: what they say of the protocol is what is spoken, and all of it.

mod conversation;
mod document;
mod lists;
mod page;

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Value, json};

/// Who says a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Client,
    Server,
}

/// asyncapi.json as it stands in the repository.
struct Document {
    tree: Value,
    /// By side and `type`. They take no field that does not stand in the document, though clients have to.
    validators: BTreeMap<(Side, String), Validator>,
}

impl Document {
    fn read() -> Self {
        let tree: Value = serde_json::from_str(include_str!("../../../asyncapi/asyncapi.json")).unwrap();
        let mut strict = tree["components"].clone();
        for schema in strict["schemas"].as_object_mut().unwrap().values_mut() {
            forbid_others(schema);
        }
        let mut validators = BTreeMap::new();
        for (side, key) in sides(&tree) {
            let message = &tree["components"]["messages"][&key];
            let schema = json!({"allOf": [message["payload"]], "components": strict});
            let validator = jsonschema::draft7::new(&schema).unwrap_or_else(|error| panic!("{key}: {error}"));
            let kind = message["name"].as_str().unwrap().to_owned();
            let before = validators.insert((side, kind), validator);
            assert!(before.is_none(), "{key}: its type is described twice");
        }
        Self { tree, validators }
    }

    /// The types that this side speaks.
    fn types(&self, side: Side) -> BTreeSet<&str> {
        let known = self.validators.keys().filter(|(of, _)| *of == side);
        known.map(|(_, kind)| kind.as_str()).collect()
    }

    /// Name and payload of each example of this side, in the document's order.
    fn examples(&self, side: Side) -> Vec<(String, Value)> {
        let sides = sides(&self.tree);
        let mut examples = Vec::new();
        for (key, message) in self.tree["components"]["messages"].as_object().unwrap() {
            if !sides.contains(&(side, key.clone())) {
                continue;
            }
            for example in message["examples"].as_array().unwrap() {
                let name = format!("{key}/{}", example["name"].as_str().unwrap());
                examples.push((name, example["payload"].clone()));
            }
        }
        examples
    }

    /// What is wrong with a frame of this side; nothing where it is as described.
    fn faults(&self, side: Side, frame: &Value) -> Vec<String> {
        let kind = frame["type"].as_str().unwrap_or_default().to_owned();
        let Some(validator) = self.validators.get(&(side, kind)) else {
            return vec![format!("{side:?} says no such type: {frame}")];
        };
        let errors = validator.iter_errors(frame);
        errors.map(|error| format!("{error} in {frame}")).collect()
    }

    fn check(&self, side: Side, frame: &Value) {
        let faults = self.faults(side, frame);
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

/// Who says which message, by the operations: what the server receives is a client's.
fn sides(tree: &Value) -> BTreeSet<(Side, String)> {
    let mut sides = BTreeSet::new();
    let mut note = |side, messages: &Value| {
        for message in messages.as_array().into_iter().flatten() {
            let reference = message["$ref"].as_str().unwrap();
            let key = reference.strip_prefix("#/channels/session/messages/").unwrap();
            sides.insert((side, key.to_owned()));
        }
    };
    for operation in tree["operations"].as_object().unwrap().values() {
        let side = match operation["action"].as_str() {
            Some("receive") => Side::Client,
            Some("send") => Side::Server,
            other => panic!("no action: {other:?}"),
        };
        note(side, &operation["messages"]);
        note(Side::Server, &operation["reply"]["messages"]);
    }
    sides
}

/// Adds to every object that no other fields may be there.
fn forbid_others(schema: &mut Value) {
    if schema["type"] == "object" {
        schema["additionalProperties"] = json!(false);
    }
    match schema {
        Value::Object(parts) => parts.values_mut().for_each(forbid_others),
        Value::Array(parts) => parts.iter_mut().for_each(forbid_others),
        _ => {}
    }
}
