//! The content of a message, which is the same characters whatever carries it: a stamp, then filling.

use memchr::memmem::Finder;

use crate::wire::{RunTag, STAMP_LEN, Stamp, append_identity, append_time, read_stamp};

/// Writes contents of one size.
pub(super) struct ContentWriter {
    tag: RunTag,
    filling: Vec<u8>,
}

impl ContentWriter {
    pub(super) fn new(tag: RunTag, size: usize) -> Self {
        Self {
            tag,
            filling: vec![b'x'; size.saturating_sub(STAMP_LEN)],
        }
    }

    pub(super) fn len(&self) -> usize {
        STAMP_LEN + self.filling.len()
    }

    pub(super) fn append(&self, out: &mut Vec<u8>, stamp: Stamp) {
        out.push(b'~');
        append_identity(out, self.tag, stamp);
        append_time(out, stamp);
        out.extend_from_slice(&self.filling);
    }
}

/// Reads the stamps of one run.
pub(crate) struct ContentReader {
    stamp: Finder<'static>,
}

impl ContentReader {
    pub(super) fn new(tag: RunTag) -> Self {
        Self {
            stamp: Finder::new(&format!("~{}", tag.digits())).into_owned(),
        }
    }

    /// The stamp at the head of a content; of another run it is none.
    pub(super) fn stamp_of(&self, content: &[u8]) -> Option<Stamp> {
        read_stamp(content.strip_prefix(self.stamp.needle())?)
    }
}
