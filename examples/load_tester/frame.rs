//! WebSocket frames (RFC 6455): just what a client that sends text needs.
//!
//! A client must mask what it sends, but may choose the key. A zero key makes masking the identity, so a frame
//! is a few header bytes and a copy of its text.

use crate::error::LoadError;

/// Largest frame accepted from a server, in bytes: a bound, not a limit anyone should meet.
const PAYLOAD_LEN_MAX: u64 = 16 * 1024 * 1024;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }
}

/// One decoded frame, borrowing from the bytes it was read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    /// Whether this is the last frame of its message.
    pub(crate) last: bool,
    /// Whether it came masked, as a client's frames do. Its payload is taken as it is: the key must be zero.
    pub(crate) masked: bool,
    pub(crate) payload: &'a [u8],
    /// Bytes the frame took, header included.
    pub(crate) len: usize,
}

/// Appends the header of a client's frame: final, masked with the zero key. The payload follows unchanged.
pub(crate) fn append_masked_header(out: &mut Vec<u8>, opcode: Opcode, payload_len: usize) {
    append_header(out, opcode, payload_len, MASKED);
    out.extend_from_slice(&[0; 4]);
}

/// Appends a whole masked frame.
pub(crate) fn append_masked(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    append_masked_header(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

/// Appends a whole frame as a server sends it.
pub(crate) fn append_unmasked(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    append_header(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

fn append_header(out: &mut Vec<u8>, opcode: Opcode, payload_len: usize, masked: u8) {
    out.push(FIN | opcode.bits());
    match u16::try_from(payload_len) {
        Ok(len) if len < 126 => out.push(masked | len.to_be_bytes()[1]),
        Ok(len) => {
            out.push(masked | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            out.push(masked | 127);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}

/// Reads the frame that `bytes` begin with; `None` while it is not complete.
///
/// # Errors
/// What no correct peer sends: reserved bits or opcodes, a mask other than zero, a length beyond all reason.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Frame<'_>>, LoadError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(LoadError::Protocol("a frame with reserved bits set"));
    }
    let opcode =
        Opcode::from_bits(first & 0x0F).ok_or(LoadError::Protocol("a frame with an unknown opcode"))?;
    let extended_len = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some((extended, rest)) = rest.split_at_checked(extended_len) else {
        return Ok(None);
    };
    let payload_len = if extended.is_empty() {
        u64::from(second & 0x7F)
    } else {
        extended
            .iter()
            .fold(0_u64, |len, byte| len << 8 | u64::from(*byte))
    };
    if payload_len > PAYLOAD_LEN_MAX {
        return Err(LoadError::Protocol("a frame of more than 16 MiB"));
    }
    let masked = second & MASKED != 0;
    let key_len = if masked { 4 } else { 0 };
    let Some((key, rest)) = rest.split_at_checked(key_len) else {
        return Ok(None);
    };
    if key.iter().any(|byte| *byte != 0) {
        return Err(LoadError::Protocol("a frame masked with a key other than zero"));
    }
    let payload_len = usize::try_from(payload_len).map_err(|_| LoadError::Protocol("a frame length"))?;
    let Some(payload) = rest.get(..payload_len) else {
        return Ok(None);
    };
    let len = 2 + extended_len + key_len + payload_len;
    Ok(Some(Frame {
        opcode,
        last: first & FIN != 0,
        masked,
        payload,
        len,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_class_survives_a_round_trip() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let payload = vec![b'x'; len];
            let mut bytes = Vec::new();
            append_masked(&mut bytes, Opcode::Text, &payload);
            let frame = decode(&bytes).unwrap().unwrap();
            assert_eq!(
                (frame.opcode, frame.last, frame.masked),
                (Opcode::Text, true, true)
            );
            assert_eq!(frame.payload, payload);
            assert_eq!(frame.len, bytes.len());

            bytes.clear();
            append_unmasked(&mut bytes, Opcode::Ping, &payload);
            let frame = decode(&bytes).unwrap().unwrap();
            assert_eq!(
                (frame.opcode, frame.masked, frame.len),
                (Opcode::Ping, false, bytes.len())
            );
            assert_eq!(frame.payload, payload);
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_incomplete_and_never_an_error() {
        let mut bytes = Vec::new();
        append_masked(&mut bytes, Opcode::Text, &[b'y'; 300]);
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]).unwrap(), None, "cut at {end}");
        }
    }

    #[test]
    fn the_bytes_after_a_frame_are_left_for_the_next() {
        let mut bytes = Vec::new();
        append_unmasked(&mut bytes, Opcode::Text, b"one");
        let first_len = bytes.len();
        append_unmasked(&mut bytes, Opcode::Pong, b"two");
        let first = decode(&bytes).unwrap().unwrap();
        assert_eq!((first.payload, first.len), (b"one".as_slice(), first_len));
        let second = decode(&bytes[first_len..]).unwrap().unwrap();
        assert_eq!((second.opcode, second.payload), (Opcode::Pong, b"two".as_slice()));
    }

    #[test]
    fn the_known_bytes_of_the_specification_decode() {
        // RFC 6455, 5.7: a single-frame unmasked text message, and the first half of a fragmented one.
        let frame = decode(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
            .unwrap()
            .unwrap();
        assert_eq!(
            (frame.opcode, frame.last, frame.payload),
            (Opcode::Text, true, b"Hello".as_slice())
        );
        let frame = decode(&[0x01, 0x03, 0x48, 0x65, 0x6c]).unwrap().unwrap();
        assert_eq!(
            (frame.opcode, frame.last, frame.payload),
            (Opcode::Text, false, b"Hel".as_slice())
        );
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        assert!(decode(&[0xC1, 0x00]).is_err(), "reserved bit");
        assert!(decode(&[0x83, 0x00]).is_err(), "reserved opcode");
        assert!(decode(&[0x81, 0x80, 1, 2, 3, 4]).is_err(), "mask other than zero");
        assert!(
            decode(&[0x81, 0x7F, 0x7F, 0, 0, 0, 0, 0, 0, 0]).is_err(),
            "absurd length"
        );
    }
}
