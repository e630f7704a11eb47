//! Stamps: what a message says about itself, as characters at the head of its content.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Length of a stamp in the content, in characters: the smallest content that can be asked for.
pub(crate) const STAMP_LEN: usize = 1 + 8 + 8 + 8 + 16;

/// Tells this run's messages from those an earlier run left waiting in the server's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunTag(pub(super) u32);

impl RunTag {
    /// The tag of a run that several processes share.
    pub(crate) fn of(number: u32) -> Self {
        Self(number)
    }

    /// A tag no other run of the last weeks has used. It is part of every reference too, because a server takes
    /// the same reference within its dedupe window for the same message.
    pub(crate) fn fresh() -> Self {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Runs within one process are seconds apart, so counting them on top keeps the tags distinct.
        let time = since_epoch.as_millis() as u32;
        Self(time.wrapping_add(RUNS.fetch_add(1, Ordering::Relaxed)))
    }

    #[cfg(test)]
    pub(crate) fn of_test(tag: u32) -> Self {
        Self(tag)
    }

    /// The tag's eight digits.
    pub(crate) fn digits(self) -> String {
        format!("{:08x}", self.0)
    }
}

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The sender's number within its thread.
    pub(crate) sender: u32,
    /// The sender's count of messages.
    pub(crate) sequence: u32,
    /// When it was sent or, at a fixed rate, when it should have been ([`crate::clock::now_ns`]).
    pub(crate) time_ns: u64,
}

/// Appends what follows the `~` of a content, or the `R` of a reference, up to the time: run, sender and sequence.
pub(crate) fn append_identity(out: &mut Vec<u8>, tag: RunTag, stamp: Stamp) {
    append_hex(out, u64::from(tag.0), 8);
    append_hex(out, u64::from(stamp.sender), 8);
    append_hex(out, u64::from(stamp.sequence), 8);
}

/// Appends the rest of a stamp: the time.
pub(crate) fn append_time(out: &mut Vec<u8>, stamp: Stamp) {
    append_hex(out, stamp.time_ns, 16);
}

/// Reads what [`append_identity`] wrote after the tag, and the time behind it.
pub(crate) fn read_stamp(after_tag: &[u8]) -> Option<Stamp> {
    let stamp = read_reference(after_tag)?;
    Some(Stamp {
        time_ns: parse_hex(after_tag.get(16..32)?)?,
        ..stamp
    })
}

/// Reads what [`append_identity`] wrote after the tag; the time is 0.
pub(crate) fn read_reference(after_tag: &[u8]) -> Option<Stamp> {
    let both = parse_hex(after_tag.get(..16)?)?;
    Some(Stamp {
        sender: (both >> 32) as u32,
        sequence: both as u32,
        time_ns: 0,
    })
}

/// Appends the low `digits` hexadecimal digits of `value`.
fn append_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for position in (0..digits).rev() {
        let nibble = (value >> (position * 4)) & 0xF;
        out.push(DIGITS[nibble as usize]);
    }
}

fn parse_hex(text: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for byte in text {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u64::from(digit);
    }
    Some(value)
}
