//! The content of a message, which is the same characters whatever carries it: a stamp, then filling.

use memchr::memmem::Finder;

use crate::wire::{RunTag, STAMP_LEN, Stamp, append_identity, append_time, read_reference, read_stamp};

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

    /// Length of [`ContentWriter::append_reference`]'s.
    pub(super) const REFERENCE_LEN: usize = 1 + 8 + 8 + 8;

    /// Names the message of this stamp, as Linker's references do.
    pub(super) fn append_reference(&self, out: &mut Vec<u8>, stamp: Stamp) {
        out.push(b'R');
        append_identity(out, self.tag, stamp);
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
    reference: Finder<'static>,
}

impl ContentReader {
    pub(super) fn new(tag: RunTag) -> Self {
        Self {
            stamp: Finder::new(&format!("~{}", tag.digits())).into_owned(),
            reference: Finder::new(&format!("R{}", tag.digits())).into_owned(),
        }
    }

    /// The stamp at the head of a content; of another run it is none.
    pub(super) fn stamp_of(&self, content: &[u8]) -> Option<Stamp> {
        read_stamp(content.strip_prefix(self.stamp.needle())?)
    }

    /// The stamp wherever it is in a text.
    pub(super) fn stamp_in(&self, text: &[u8]) -> Option<Stamp> {
        read_stamp(behind(text, &self.stamp)?)
    }

    /// What a reference in a text names.
    pub(super) fn reference_in(&self, text: &[u8]) -> Option<Stamp> {
        read_reference(behind(text, &self.reference)?)
    }
}

fn behind<'a>(text: &'a [u8], head: &Finder<'_>) -> Option<&'a [u8]> {
    text.get(head.find(text)? + head.needle().len()..)
}
