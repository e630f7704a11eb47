//! A look at the next frame's header, before its payload is waited for: a client may announce any size.

use linker_core::code::CloseCode;

/// Payload of a control frame (RFC 6455, 5.5).
pub(super) const CONTROL_PAYLOAD_MAX: u64 = 125;

/// Whether the frame that begins here may be waited for. Its header may still be incomplete: then it may.
pub(super) fn check(buffer: &[u8], payload_max: usize) -> Result<(), CloseCode> {
    let [first, second, rest @ ..] = buffer else {
        return Ok(());
    };
    let len = match second & 0x7f {
        126 => match rest {
            [a, b, ..] => u64::from(u16::from_be_bytes([*a, *b])),
            _ => return Ok(()),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => return Ok(()),
        },
        short => u64::from(short),
    };
    let is_control = first & 0x08 != 0;
    if is_control && len > CONTROL_PAYLOAD_MAX {
        return Err(CloseCode::Protocol);
    }
    // What is not text is refused for that, whatever its size.
    let is_binary = first & 0x0f == 2;
    if !is_control && !is_binary && len > payload_max as u64 {
        return Err(CloseCode::TooBig);
    }
    if is_binary {
        return Err(CloseCode::Unsupported);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_sizes_are_judged_before_the_payload_comes() {
        assert_eq!(check(&[0x81], 10), Ok(()));
        assert_eq!(check(&[0x81, 0x80 | 10], 10), Ok(()));
        assert_eq!(check(&[0x81, 0x80 | 11], 10), Err(CloseCode::TooBig));
        assert_eq!(check(&[0x81, 0xfe, 1], 10), Ok(()));
        assert_eq!(check(&[0x81, 0xfe, 1, 0], 300), Ok(()));
        assert_eq!(
            check(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0], 300),
            Err(CloseCode::TooBig)
        );
        assert_eq!(check(&[0x82, 0x81], 10), Err(CloseCode::Unsupported));
        assert_eq!(check(&[0x89, 0xfe, 1, 0], 1000), Err(CloseCode::Protocol));
    }
}
