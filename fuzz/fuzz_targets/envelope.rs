//! An envelope, as it comes from the store, from another node and from another domain.
#![no_main]

use std::collections::BTreeSet;
use std::fmt;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use linker_core::envelope::{HEAD_LEN_MAX, decode, decode_head, encode};
use linker_core::frame::ServerFrame;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(keys)
    }
}

/// The top-level keys of a frame, repetitions included.
fn keys(text: &str) -> Vec<String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let keys = json.deserialize_map(Keys).expect("an object");
    json.end().expect("nothing behind it");
    keys
}

fuzz_target!(|data: &[u8]| {
    let head = decode_head(Bytes::copy_from_slice(&data[..data.len().min(HEAD_LEN_MAX)]));
    let Ok(envelope) = decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    let head = head.expect("the head of what can be read whole");
    assert_eq!(
        (head.id, head.from, head.to, &head.reference, head.confirm),
        (
            envelope.id,
            envelope.from,
            envelope.to,
            &envelope.reference,
            envelope.confirm
        )
    );
    let mut again = BytesMut::new();
    encode(&envelope, &mut again);
    assert_eq!(decode(again.freeze()).as_ref(), Ok(&envelope));
    let is_sound = envelope.has_sound_content();
    let mut json = BytesMut::new();
    ServerFrame::Envelope(envelope.into()).encode(&mut json);
    let text = std::str::from_utf8(&json).expect("a text frame");
    if is_sound {
        // No key twice: whoever reads it reads what the server has said.
        let parts: Vec<String> = keys(text);
        let distinct: BTreeSet<&String> = parts.iter().collect();
        assert_eq!(distinct.len(), parts.len(), "{text}");
    }
});
