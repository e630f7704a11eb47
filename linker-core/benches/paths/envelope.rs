//! Bytes of one message, as the store keeps them.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use linker_core::envelope::{decode, encode};

use super::{Path, Step, sample};

/// An envelope of 1000 characters becomes bytes.
pub(crate) const WRITTEN: Path = Path {
    name: "envelope-written",
    ready: written,
};

/// And is read back.
pub(crate) const READ: Path = Path {
    name: "envelope-read",
    ready: read,
};

fn written() -> Step {
    let envelope = sample::message(1, &Bytes::from(sample::content(1000)));
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        encode(black_box(&envelope), &mut out);
        assert!(black_box(&out).len() > 1000);
    })
}

fn read() -> Step {
    let envelope = sample::message(1, &Bytes::from(sample::content(1000)));
    let mut out = BytesMut::new();
    encode(&envelope, &mut out);
    let bytes = out.freeze();
    Box::new(move || {
        let read = decode(black_box(bytes.clone())).unwrap();
        assert!(black_box(read).content.len() > 1000);
    })
}
