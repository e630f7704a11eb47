//! Frames of the wire protocol, without a session around them.

use std::hint::black_box;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use linker_core::frame::{ClientFrame, ServerFrame, read_string};

use super::{Path, Step, sample};

/// A `MESSAGE` of 1000 characters is read from its text.
pub(crate) const MESSAGE_READ: Path = Path {
    name: "message-read-1000",
    ready: || message_read(1000),
};

/// The same of 100 characters.
pub(crate) const SHORT_MESSAGE_READ: Path = Path {
    name: "message-read-100",
    ready: || message_read(100),
};

/// A `MESSAGE` of 1000 characters for its recipient is written.
pub(crate) const MESSAGE_WRITTEN: Path = Path {
    name: "message-written",
    ready: message_written,
};

fn message_read(characters: usize) -> Step {
    let text = sample::message_frame(characters);
    Box::new(move || {
        let frame = ClientFrame::parse(black_box(&text)).unwrap();
        let data = frame.data(&["to", "content"]).unwrap();
        let to = read_string(data.raw(0).unwrap(), "to").unwrap();
        let read = (
            frame.kind(),
            to,
            data.raw(1).unwrap(),
            frame.feature().unwrap(),
            frame.reference().unwrap(),
            frame.confirmation_enabled().unwrap(),
        );
        black_box(&read);
    })
}

fn message_written() -> Step {
    let content = Bytes::from(sample::content(1000));
    let frame = ServerFrame::Envelope(Arc::new(sample::message(1, &content)));
    let mut out = BytesMut::new();
    Box::new(move || {
        out.clear();
        black_box(&frame).encode(&mut out);
        assert!(black_box(&out).len() > 1000);
    })
}
