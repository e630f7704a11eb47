//! An envelope as a row, and lists as the JSON parameters that statements take apart with `json_each`.

use std::fmt::Write;
use std::hash::Hasher;

use bytes::{Bytes, BytesMut};
use linker_core::envelope::{Envelope, EnvelopeDecodeError, decode, decode_head, encode};
use linker_core::id::{DomainName, MessageId, NodeInstance, UserId};

pub(super) fn body_of(envelope: &Envelope) -> Vec<u8> {
    let mut body = BytesMut::new();
    encode(envelope, &mut body);
    body.into()
}

/// # Errors
/// Only for a row that a newer version wrote, or that was tampered with.
pub(super) fn envelope_of(body: Vec<u8>) -> Result<Envelope, EnvelopeDecodeError> {
    decode(Bytes::from(body))
}

/// # Errors
/// As [`envelope_of`].
pub(super) fn head_of(head: Vec<u8>) -> Result<Envelope, EnvelopeDecodeError> {
    decode_head(Bytes::from(head))
}

/// The secret with which references are hashed in one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct DedupeKey {
    pub(super) k0: u64,
    pub(super) k1: u64,
}

impl DedupeKey {
    /// The hash under which a repetition is looked for; `None` for what is none.
    pub(super) fn hash(&self, envelope: &Envelope) -> Option<i64> {
        let reference = envelope.dedupe_reference()?;
        // Deprecated in favour of hashers whose algorithm may change; rows need one that never does (SipHash 2-4).
        #[expect(deprecated, reason = "the only hasher of std whose result may be stored")]
        let mut hasher = std::hash::SipHasher::new_with_keys(self.k0, self.k1);
        for user in [&envelope.from, &envelope.to] {
            let app = user.app().as_str().as_bytes();
            hasher.write(app);
            // No app name contains it: parts cannot run into each other.
            hasher.write(b"-");
            hasher.write(&user.number().to_be_bytes());
        }
        hasher.write(reference.as_bytes());
        Some(hasher.finish().cast_signed())
    }
}

/// `["0190…", …]`: ids as hexadecimal digits, for `unhex(value)`.
pub(super) fn json_ids<'a>(ids: impl IntoIterator<Item = &'a MessageId>) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json_list(ids, |out, id| {
        out.push('"');
        for byte in id.as_bytes() {
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        out.push('"');
    })
}

/// `["connector-01~00000000000000ff", …]`: no character of a node needs escaping.
pub(super) fn json_nodes<'a>(nodes: impl IntoIterator<Item = &'a NodeInstance>) -> String {
    json_list(nodes, |out, node| quote(out, node))
}

/// `["domain-01", null, …]`: no character of a domain needs escaping.
pub(super) fn json_homes<'a>(homes: impl IntoIterator<Item = Option<&'a DomainName>>) -> String {
    json_list(homes, |out, home| match home {
        Some(home) => quote(out, home),
        None => out.push_str("null"),
    })
}

/// `["ANZ-1", …]`: no character of a user id needs escaping.
pub(super) fn json_users<'a>(users: impl IntoIterator<Item = &'a UserId>) -> String {
    json_list(users, |out, user| quote(out, user))
}

/// `[["ANZ-1","ANZ-2"], …]`.
pub(super) fn json_pairs<'a>(pairs: impl IntoIterator<Item = &'a (UserId, UserId)>) -> String {
    json_list(pairs, |out, (one, other)| {
        out.push('[');
        quote(out, one);
        out.push(',');
        quote(out, other);
        out.push(']');
    })
}

/// `[["ANZ-1",17], …]`.
pub(super) fn json_places<'a>(places: impl IntoIterator<Item = (&'a UserId, &'a i64)>) -> String {
    json_list(places, |out, (user, seq)| {
        out.push('[');
        quote(out, user);
        out.push(',');
        put(out, seq);
        out.push(']');
    })
}

/// `[1, 2, …]`.
pub(super) fn json_ints<'a>(ints: impl IntoIterator<Item = &'a i64>) -> String {
    json_list(ints, |out, int| put(out, int))
}

/// `[[…], …]`, of lists that are JSON already.
pub(super) fn json_lists(lists: impl IntoIterator<Item = String>) -> String {
    json_list(lists, |out, list| out.push_str(&list))
}

fn json_list<T>(items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) -> String {
    let mut out = String::from("[");
    for (n, item) in items.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        write(&mut out, item);
    }
    out.push(']');
    out
}

fn quote(out: &mut String, name: &dyn std::fmt::Display) {
    out.push('"');
    put(out, name);
    out.push('"');
}

fn put(out: &mut String, value: &dyn std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use linker_core::testkit::sample::{message_id, message_with_reference, user};

    use super::*;

    /// Rows keep their hash over builds and versions: this must never change.
    #[test]
    fn the_stored_hash_never_changes() {
        let key = DedupeKey { k0: 1, k1: 2 };
        let envelope = message_with_reference(1, user(1), user(2), "r");
        assert_eq!(key.hash(&envelope), Some(2_934_711_222_915_648_693));
        let swapped = message_with_reference(1, user(2), user(1), "r");
        assert_ne!(key.hash(&envelope), key.hash(&swapped));
    }

    #[test]
    fn lists_are_json() {
        let id = format!("[\"{}\"]", message_id(1).to_string().replace('-', ""));
        assert_eq!(json_ids(&[message_id(1)]), id);
        assert_eq!(json_users(&[user(1), user(2)]), r#"["ANZ-1","ANZ-2"]"#);
        assert_eq!(json_pairs(&[(user(1), user(2))]), r#"[["ANZ-1","ANZ-2"]]"#);
        assert_eq!(json_places([(&user(1), &17)]), r#"[["ANZ-1",17]]"#);
        let home = "domain-01".parse().expect("a domain name");
        assert_eq!(json_homes([Some(&home), None]), r#"["domain-01",null]"#);
        assert_eq!(json_ints(&[-1, 2]), "[-1,2]");
        assert_eq!(json_lists([json_ints(&[1]), json_ints(&[])]), "[[1],[]]");
    }
}
