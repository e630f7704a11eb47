//! What a client's bytes say, without a socket: for fuzzing.

use bytes::BytesMut;
use linker_core::code::CloseCode;

use super::assembler::{Assembler, Incoming};
use super::framing;

/// Something whole that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A text frame, its fragments joined.
    Text(String),
    /// With its payload.
    Ping(Vec<u8>),
    /// With its payload.
    Pong(Vec<u8>),
    /// With its payload; nothing after it is looked at.
    Close(Vec<u8>),
    /// The connection ends with this code; nothing after it is looked at.
    Fault(CloseCode),
}

/// Reads what has come in these pieces as a session does, text frames being bounded by `max_bytes`.
pub fn read_websocket<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max_bytes: usize) -> Vec<Said> {
    let mut assembler = Assembler::default();
    let mut input = BytesMut::new();
    let mut said = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while !input.is_empty() {
            let frame = match framing::next(&mut input, &assembler, max_bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => frame,
                Err(code) => {
                    said.push(Said::Fault(code));
                    return said;
                }
            };
            let payload = frame.payload.to_vec();
            match assembler.accept(frame.finished, frame.opcode, &frame.payload, max_bytes) {
                Incoming::Text(text) => said.push(Said::Text(text.to_owned())),
                Incoming::Ping => said.push(Said::Ping(payload)),
                Incoming::Pong => said.push(Said::Pong(payload)),
                Incoming::Nothing => {}
                Incoming::Close => {
                    said.push(Said::Close(payload));
                    return said;
                }
                Incoming::Fault(code) => {
                    said.push(Said::Fault(code));
                    return said;
                }
            }
            assembler.release();
        }
    }
    said
}
