//! The next WebSocket frame of what a client has sent.

use actix_http::ws::{OpCode, Parser};
use bytes::BytesMut;
use linker_core::code::CloseCode;

use super::assembler::Assembler;
use super::header;

/// A frame as it came: one of several where it is not `finished`.
pub(super) struct RawFrame {
    pub(super) finished: bool,
    pub(super) opcode: OpCode,
    pub(super) payload: BytesMut,
}

/// Takes the first frame out of `input`. `None`: it has not come whole.
///
/// # Errors
/// With which code the connection ends.
pub(super) fn next(
    input: &mut BytesMut,
    assembler: &Assembler,
    max_bytes: usize,
) -> Result<Option<RawFrame>, CloseCode> {
    let room = assembler.room(max_bytes);
    header::check(input, room)?;
    // Control frames may come between the fragments of a message, however little room those have left.
    match Parser::parse(input, true, room.max(header::CONTROL_PAYLOAD_MAX as usize)) {
        Ok(None) => Ok(None),
        Ok(Some((finished, opcode, payload))) => Ok(Some(RawFrame {
            finished,
            opcode,
            payload: payload.unwrap_or_default(),
        })),
        Err(_) => Err(CloseCode::Protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::super::assembler::Incoming;
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend(payload);
        frame
    }

    #[test]
    fn a_pong_between_fragments_needs_no_room_of_theirs() {
        let mut assembler = Assembler::default();
        let mut input = BytesMut::new();
        input.extend(masked(0x01, b"123456789"));
        input.extend(masked(0x8a, b"4711"));
        input.extend(masked(0x80, b"0"));
        let mut said = Vec::new();
        while !input.is_empty() {
            let frame = next(&mut input, &assembler, 10).unwrap().unwrap();
            match assembler.accept(frame.finished, frame.opcode, &frame.payload, 10) {
                Incoming::Nothing => {}
                Incoming::Pong => said.push(String::from_utf8(frame.payload.to_vec()).unwrap()),
                Incoming::Text(text) => said.push(text.to_owned()),
                _ => panic!("neither text nor pong"),
            }
        }
        assert_eq!(said, ["4711", "1234567890"]);
    }
}
