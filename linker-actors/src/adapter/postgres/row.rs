//! An envelope as a row, and the hashes that rows are found and kept apart by.

use std::hash::Hasher;

use bytes::{Bytes, BytesMut};
use linker_core::envelope::{Envelope, EnvelopeDecodeError, decode, decode_head, encode};
use linker_core::id::{MessageId, UserId};
use sqlx::postgres::PgConnection;
use uuid::Uuid;

/// How many stripes recipients are spread over. All nodes of a domain must agree on it, and on [`stripe_of`], as long as they run side by side.
/// A batch locks at most so many, whatever its size: the server's table of locks is small.
pub(super) const STRIPES: u32 = 256;

/// FNV-1a of the recipient.
pub(super) fn stripe_of(recipient: &UserId) -> i32 {
    let app = recipient.app().as_str().as_bytes();
    let number = recipient.number().to_be_bytes();
    let hash = app.iter().chain(&number).fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    // The lowest bits are the worst.
    ((hash >> 16 ^ hash) % STRIPES).cast_signed()
}

pub(super) fn uuid_of(id: &MessageId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(super) fn id_of(uuid: Uuid) -> MessageId {
    MessageId::from_bytes(*uuid.as_bytes())
}

/// Messages come to the store after they were made, by clocks that differ by less than this.
pub(super) const CLOCKS_APART_MS: u64 = 3_600_000;

/// The least id of a message that was made at this time.
pub(super) fn made_at(unix_ms: u64) -> Uuid {
    let [_, _, ms @ ..] = unix_ms.min((1 << 48) - 1).to_be_bytes();
    let mut id = [0; 16];
    id[..ms.len()].copy_from_slice(&ms);
    Uuid::from_bytes(id)
}

pub(super) fn append_body(envelope: &Envelope, out: &mut BytesMut) {
    encode(envelope, out);
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

/// The secret with which references are hashed in one database.
#[derive(Clone, Copy)]
pub(super) struct DedupeKey {
    one: (u64, u64),
    two: (u64, u64),
}

impl DedupeKey {
    pub(super) async fn load(connection: &mut PgConnection) -> sqlx::Result<Self> {
        let (one, two): (Uuid, Uuid) = sqlx::query_as("SELECT key_one, key_two FROM linker_dedupe_key")
            .fetch_one(connection)
            .await?;
        Ok(Self {
            one: one.as_u64_pair(),
            two: two.as_u64_pair(),
        })
    }

    /// The hash under which a repetition is looked for: 128 bits, so that two never meet by chance. `None` for what is none.
    pub(super) fn hash(&self, envelope: &Envelope) -> Option<Uuid> {
        let reference = envelope.dedupe_reference()?;
        let half = |(k0, k1)| {
            // Deprecated in favour of hashers whose algorithm may change; rows need one that never does (SipHash 2-4).
            #[expect(deprecated, reason = "the only hasher of std whose result may be stored")]
            let mut hasher = std::hash::SipHasher::new_with_keys(k0, k1);
            for user in [&envelope.from, &envelope.to] {
                hasher.write(user.app().as_str().as_bytes());
                // No app name contains it: parts cannot run into each other.
                hasher.write(b"-");
                hasher.write(&user.number().to_be_bytes());
            }
            hasher.write(reference.as_bytes());
            hasher.finish()
        };
        Some(Uuid::from_u64_pair(half(self.one), half(self.two)))
    }
}

#[cfg(test)]
mod tests {
    use linker_core::testkit::sample::{message_with_reference, user};

    use super::*;

    /// Rows keep their hash, and nodes of different versions lock the same stripes: these must never change.
    #[test]
    fn what_nodes_must_agree_on_never_changes() {
        let key = DedupeKey {
            one: (1, 2),
            two: (3, 4),
        };
        let envelope = message_with_reference(1, user(1), user(2), "r");
        let hash = key.hash(&envelope).map(|hash| hash.to_string());
        assert_eq!(hash.as_deref(), Some("28ba304e-f83d-4cb5-b1b4-f441107b646e"));
        let swapped = message_with_reference(1, user(2), user(1), "r");
        assert_ne!(key.hash(&envelope), key.hash(&swapped));
        assert_eq!([1, 2, 3].map(|n| stripe_of(&user(n))), [157, 0, 183]);
    }

    #[test]
    fn recipients_are_spread_over_all_stripes() {
        let mut recipients = [0; STRIPES as usize];
        for n in 0..25_600 {
            recipients[stripe_of(&user(n)) as usize] += 1;
        }
        let (fewest, most) = (recipients.iter().min(), recipients.iter().max());
        assert!(fewest > Some(&50) && most < Some(&200), "{fewest:?} to {most:?}");
    }
}
