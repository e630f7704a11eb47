//! WebSocket frames to messages: fragments joined under one bound, UTF-8 checked over the whole (RFC 6455, 5.4 to 5.6).

use actix_http::ws::OpCode;
use linker_core::code::CloseCode;

/// Something whole that the client sent.
pub(super) enum Incoming<'a> {
    Text(&'a str),
    Ping,
    Pong,
    /// With the code the client gave, if any.
    Close,
    /// More is to come.
    Nothing,
    /// The connection cannot go on.
    Fault(CloseCode),
}

/// The fragments of a message that is still coming.
#[derive(Default)]
pub(super) struct Assembler {
    fragments: Vec<u8>,
    fragmented: bool,
}

impl Assembler {
    /// Takes the next frame; text borrows from `payload`, or from the joined fragments.
    pub(super) fn accept<'a>(
        &'a mut self,
        finished: bool,
        opcode: OpCode,
        payload: &'a [u8],
        max_bytes: usize,
    ) -> Incoming<'a> {
        match opcode {
            OpCode::Ping if finished => Incoming::Ping,
            OpCode::Pong if finished => Incoming::Pong,
            OpCode::Close if finished => Incoming::Close,
            OpCode::Text if !self.fragmented && finished => as_text(payload),
            OpCode::Text if !self.fragmented => {
                self.fragmented = true;
                self.fragments = payload.to_vec();
                Incoming::Nothing
            }
            OpCode::Continue if self.fragmented => {
                if self.fragments.len() + payload.len() > max_bytes {
                    return Incoming::Fault(CloseCode::TooBig);
                }
                self.fragments.extend_from_slice(payload);
                if !finished {
                    return Incoming::Nothing;
                }
                self.fragmented = false;
                as_text(&self.fragments)
            }
            OpCode::Binary => Incoming::Fault(CloseCode::Unsupported),
            _ => Incoming::Fault(CloseCode::Protocol),
        }
    }

    /// Bytes that more fragments may have.
    pub(super) fn room(&self, max_bytes: usize) -> usize {
        if self.fragmented {
            max_bytes.saturating_sub(self.fragments.len())
        } else {
            max_bytes
        }
    }

    /// The last text was handled.
    pub(super) fn release(&mut self) {
        if !self.fragmented && self.fragments.capacity() > 0 {
            self.fragments = Vec::new();
        }
    }
}

fn as_text(bytes: &[u8]) -> Incoming<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Incoming::Text(text),
        Err(_) => Incoming::Fault(CloseCode::InvalidText),
    }
}
