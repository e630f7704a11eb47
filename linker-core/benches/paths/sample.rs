//! Users, ids and messages to measure with: the same number gives the same one.

use bytes::Bytes;
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::id::{MessageId, UserId};

const EPOCH_MS: u64 = 1_700_000_000_000;

pub(super) fn user(number: u64) -> UserId {
    UserId::new("ANZ".parse().unwrap(), number).unwrap()
}

/// As long a number as users of a large app have.
pub(super) fn sender() -> UserId {
    user(123_223)
}

pub(super) fn recipient() -> UserId {
    user(223_334)
}

pub(super) fn id(number: u64) -> MessageId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    MessageId::new(EPOCH_MS + number, random)
}

/// A JSON string of so many characters.
pub(super) fn content(characters: usize) -> String {
    let words = "What is sent in a chat is text, mostly. ".chars().cycle();
    format!("\"{}\"", words.take(characters).collect::<String>())
}

/// RELIABLE, of [`sender`] to [`recipient`], with a reference of its own and a confirmation wanted.
pub(super) fn message(number: u64, content: &Bytes) -> Envelope {
    Envelope {
        id: id(number),
        kind: Kind::Message,
        feature: Feature::Reliable,
        from: sender(),
        to: recipient(),
        reference: Some(format!("reference-{number}").into()),
        confirm: true,
        timestamp_ms: EPOCH_MS + number,
        content: content.clone(),
        trail: None,
    }
}

/// The text frame by which a client sends [`message`].
pub(super) fn message_frame(characters: usize) -> String {
    format!(
        r#"{{"type":"MESSAGE","data":{{"to":"{}","content":{}}},"feature":"RELIABLE","reference":"reference-1","confirmationEnabled":true}}"#,
        recipient(),
        content(characters)
    )
}

/// The text frame by which a client sends the same to so many.
pub(super) fn group_frame(recipients: u64, characters: usize) -> String {
    let to: Vec<String> = (0..recipients)
        .map(|number| format!("\"{}\"", user(100_000 + number)))
        .collect();
    format!(
        r#"{{"type":"GROUP_MESSAGE","data":{{"to":[{}],"content":{}}},"feature":"FAST","reference":"reference-1"}}"#,
        to.join(","),
        content(characters)
    )
}
