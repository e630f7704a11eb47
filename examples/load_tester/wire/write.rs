//! The frames that clients send.

use super::{RunTag, STAMP_LEN, Stamp, append_identity, append_time};
use crate::cli::Feature;
use crate::frame::{Opcode, append_masked, append_masked_header};

/// Writes `MESSAGE` and `GROUP_MESSAGE` frames.
pub(crate) struct MessageWriter {
    tag: RunTag,
    before_recipient: Vec<u8>,
    after_recipient: &'static [u8],
    after_stamp: Vec<u8>,
    with_reference: bool,
    tail: &'static [u8],
}

/// What the frames of a [`MessageWriter`] have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageShape {
    pub(crate) feature: Feature,
    /// Characters of content; at least [`STAMP_LEN`].
    pub(crate) size: usize,
    pub(crate) with_reference: bool,
    /// Whether a reference also asks for a confirmation.
    pub(crate) with_confirmation: bool,
    pub(crate) to_group: bool,
}

const REFERENCE_HEAD: &[u8] = b",\"reference\":\"";

impl MessageWriter {
    pub(crate) fn new(tag: RunTag, shape: MessageShape) -> Self {
        let (head, after_recipient): (&[u8], &[u8]) = if shape.to_group {
            (
                b"{\"type\":\"GROUP_MESSAGE\",\"data\":{\"to\":[",
                b"],\"content\":\"~",
            )
        } else {
            (
                b"{\"type\":\"MESSAGE\",\"data\":{\"to\":\"",
                b"\",\"content\":\"~",
            )
        };
        let mut after_stamp = vec![b'x'; shape.size.saturating_sub(STAMP_LEN)];
        after_stamp.extend_from_slice(b"\"},\"feature\":\"");
        after_stamp.extend_from_slice(shape.feature.name().as_bytes());
        after_stamp.push(b'"');
        let tail: &[u8] = match (shape.with_reference, shape.with_confirmation) {
            (false, _) => b"}",
            (true, true) => b"\"}",
            (true, false) => b"\",\"confirmationEnabled\":false}",
        };
        Self {
            tag,
            before_recipient: head.to_vec(),
            after_recipient,
            after_stamp,
            with_reference: shape.with_reference,
            tail,
        }
    }

    /// Appends a masked frame to `out`. `recipient` is a user id or, for a group, quoted ids with commas between.
    pub(crate) fn append(&self, out: &mut Vec<u8>, recipient: &[u8], stamp: Stamp) {
        let reference_len = if self.with_reference {
            REFERENCE_HEAD.len() + 1 + 24
        } else {
            0
        };
        let len = self.before_recipient.len()
            + recipient.len()
            + self.after_recipient.len()
            + (STAMP_LEN - 1)
            + self.after_stamp.len()
            + reference_len
            + self.tail.len();
        out.reserve(len + 14);
        append_masked_header(out, Opcode::Text, len);
        out.extend_from_slice(&self.before_recipient);
        out.extend_from_slice(recipient);
        out.extend_from_slice(self.after_recipient);
        append_identity(out, self.tag, stamp);
        append_time(out, stamp);
        out.extend_from_slice(&self.after_stamp);
        if self.with_reference {
            out.extend_from_slice(REFERENCE_HEAD);
            out.push(b'R');
            append_identity(out, self.tag, stamp);
        }
        out.extend_from_slice(self.tail);
    }
}

/// Appends an `AUTH_CLIENT` frame. `options` is a JSON object, or empty for none.
pub(crate) fn append_login(out: &mut Vec<u8>, app_id: &str, user_id: &str, options: &str) {
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(",\"options\":{options}")
    };
    let text = format!(
        "{{\"type\":\"AUTH_CLIENT\",\"data\":{{\"appId\":\"{app_id}\",\"userId\":\"{user_id}\"{options}}}}}"
    );
    append_masked(out, Opcode::Text, text.as_bytes());
}

/// Appends a `FETCH_MISSING_MESSAGES_REQUEST` frame.
pub(crate) fn append_fetch(out: &mut Vec<u8>, count: u32) {
    let text = format!("{{\"type\":\"FETCH_MISSING_MESSAGES_REQUEST\",\"data\":{{\"count\":{count}}}}}");
    append_masked(out, Opcode::Text, text.as_bytes());
}
