//! What the author of something that came from another domain, and cannot be done, is told.

use linker_core::code::FrameError;
use linker_core::envelope::{Envelope, Feature, Kind};
use linker_core::frame::error_content;
use linker_core::id::{MessageId, UserId};

use crate::runtime::ids::random_u64;

/// An `ERROR` for `author` about what was meant for `recipient`.
pub(super) fn refusal(
    recipient: UserId,
    author: UserId,
    reference: Option<Box<str>>,
    error: &FrameError,
    unix_ms: u64,
) -> Envelope {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&random_u64().to_be_bytes());
    Envelope {
        id: MessageId::new(unix_ms, random),
        kind: Kind::Refusal,
        feature: Feature::Reliable,
        from: recipient,
        to: author,
        reference,
        confirm: false,
        timestamp_ms: unix_ms,
        content: error_content(error),
        trail: None,
    }
}
