//! Bytes of an envelope, for the store and the bus.
//!
//! `version, flags, kind, id[16], timestamp[8], from, to, reference?, content, trail?`, where texts carry their length first (u16, content u32; all
//! integers big-endian). The trail stands there from version 2 on, which is written only for an envelope that has one:
//! `hops u8, (length u8, domain name)*, has-after u8, after[16]?`. A reader takes any version from 1 on and ignores what follows the parts it knows, so that a newer writer may append; what
//! cannot be read by an older node needs a new kind or flag, which that node refuses by name. Recorded in `tests/golden/`.

use std::fmt::Write;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Envelope, Feature, Kind, Trail};
use crate::id::{DomainName, MessageId, UserId};
use crate::limit::{APP_NAME_LEN_MAX, HOPS_MAX, REFERENCE_LEN_MAX};

const VERSION: u8 = 1;
/// With a trail.
const VERSION_TRAIL: u8 = 2;
const FLAG_FAST: u8 = 1;
const FLAG_CONFIRM: u8 = 1 << 1;
const FLAG_REFERENCE: u8 = 1 << 2;
const FLAGS_KNOWN: u8 = FLAG_FAST | FLAG_CONFIRM | FLAG_REFERENCE;

/// Why bytes are not an envelope this node understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeDecodeError {
    /// It ends before its parts do.
    #[error("the envelope is cut off")]
    Truncated,
    /// Version 0 was never written.
    #[error("the envelope names version {0}")]
    Version(u8),
    /// A flag that changes the meaning and is not known here.
    #[error("the envelope has unknown flags {0:#04x}")]
    Flags(u8),
    /// A kind that is not known here.
    #[error("the envelope is of unknown kind {0}")]
    Kind(u8),
    /// A user id or reference that is not one.
    #[error("the envelope's {0} is malformed")]
    Malformed(&'static str),
}

impl Kind {
    /// Its number in bytes.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Message => 1,
            Self::GroupMessage => 2,
            Self::Confirmation => 3,
            Self::Read => 4,
            Self::UserConnected => 5,
            Self::UserDisconnected => 6,
            Self::Refusal => 7,
            Self::Upstream => 8,
            Self::UpstreamEvent => 9,
        }
    }

    /// Back from [`Kind::code`].
    pub(crate) fn of_code(code: u8) -> Result<Self, EnvelopeDecodeError> {
        Ok(match code {
            1 => Self::Message,
            2 => Self::GroupMessage,
            3 => Self::Confirmation,
            4 => Self::Read,
            5 => Self::UserConnected,
            6 => Self::UserDisconnected,
            7 => Self::Refusal,
            8 => Self::Upstream,
            9 => Self::UpstreamEvent,
            other => return Err(EnvelopeDecodeError::Kind(other)),
        })
    }
}

/// Appends the bytes of `envelope`.
pub fn encode(envelope: &Envelope, out: &mut BytesMut) {
    out.reserve(128 + envelope.content.len());
    let mut flags = 0;
    if envelope.feature == Feature::Fast {
        flags |= FLAG_FAST;
    }
    if envelope.confirm {
        flags |= FLAG_CONFIRM;
    }
    if envelope.reference.is_some() {
        flags |= FLAG_REFERENCE;
    }
    out.put_u8(match &envelope.trail {
        None => VERSION,
        Some(_) => VERSION_TRAIL,
    });
    out.put_u8(flags);
    out.put_u8(envelope.kind.code());
    out.put_slice(envelope.id.as_bytes());
    out.put_u64(envelope.timestamp_ms);
    put_user(out, &envelope.from);
    put_user(out, &envelope.to);
    if let Some(reference) = &envelope.reference {
        put_text(out, reference);
    }
    // Frames are bounded far below 4 GiB.
    out.put_u32(envelope.content.len() as u32);
    out.put_slice(&envelope.content);
    if let Some(trail) = &envelope.trail {
        put_trail(out, trail);
    }
}

fn put_trail(out: &mut BytesMut, trail: &Trail) {
    // What has passed more domains is not forwarded ([`HOPS_MAX`]).
    let hops = trail.path.len().min(HOPS_MAX);
    out.put_u8(hops as u8);
    for domain in &trail.path[trail.path.len() - hops..] {
        // A name has at most 128 bytes.
        out.put_u8(domain.as_str().len() as u8);
        out.put_slice(domain.as_str().as_bytes());
    }
    out.put_u8(u8::from(trail.after.is_some()));
    if let Some(after) = &trail.after {
        out.put_slice(after.as_bytes());
    }
}

fn take_trail(bytes: &mut Bytes) -> Result<Trail, EnvelopeDecodeError> {
    use EnvelopeDecodeError::{Malformed, Truncated};
    let mut trail = Trail::default();
    for _ in 0..take_u8(bytes)? {
        let length = usize::from(take_u8(bytes)?);
        if bytes.remaining() < length {
            return Err(Truncated);
        }
        let name = bytes.split_to(length);
        let name = std::str::from_utf8(&name)
            .ok()
            .and_then(|name| name.parse::<DomainName>().ok());
        trail.path.push(name.ok_or(Malformed("path"))?);
    }
    if take_u8(bytes)? != 0 {
        let mut id = [0; 16];
        if bytes.remaining() < id.len() {
            return Err(Truncated);
        }
        bytes.copy_to_slice(&mut id);
        trail.after = Some(MessageId::from_bytes(id));
    }
    Ok(trail)
}

fn take_u8(bytes: &mut Bytes) -> Result<u8, EnvelopeDecodeError> {
    match bytes.has_remaining() {
        true => Ok(bytes.get_u8()),
        false => Err(EnvelopeDecodeError::Truncated),
    }
}

/// Without a `String` in between: this runs for every message that leaves the node.
fn put_user(out: &mut BytesMut, user: &UserId) {
    let length_at = out.len();
    out.put_u16(0);
    // Writing to memory does not fail.
    let _ = write!(out, "{user}");
    let length = (out.len() - length_at - size_of::<u16>()) as u16;
    out[length_at..length_at + size_of::<u16>()].copy_from_slice(&length.to_be_bytes());
}

fn put_text(out: &mut BytesMut, text: &str) {
    // Ids and references are bounded far below 64 KiB.
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

/// Reads one envelope; its content shares the memory of `bytes`.
///
/// # Errors
/// [`EnvelopeDecodeError`] names the part at fault.
pub fn decode(mut bytes: Bytes) -> Result<Envelope, EnvelopeDecodeError> {
    use EnvelopeDecodeError::{Malformed, Truncated};
    let version = bytes.first().copied().unwrap_or_default();
    let head = take_head(&mut bytes)?;
    if bytes.remaining() < 4 {
        return Err(Truncated);
    }
    let content_len = bytes.get_u32() as usize;
    if bytes.remaining() < content_len {
        return Err(Truncated);
    }
    let content = bytes.split_to(content_len);
    if std::str::from_utf8(&content).is_err() {
        return Err(Malformed("content"));
    }
    let trail = match version {
        VERSION_TRAIL.. => Some(Box::new(take_trail(&mut bytes)?)),
        _ => None,
    };
    Ok(Envelope {
        content,
        trail,
        ..head
    })
}

/// The first so many bytes of an envelope hold all of it but its content.
pub const HEAD_LEN_MAX: usize = 3 + 16 + 8 + 2 * (2 + APP_NAME_LEN_MAX + 1 + 19) + 2 + REFERENCE_LEN_MAX;

/// Reads an envelope without its content and trail, which may be cut off ([`HEAD_LEN_MAX`]) and are left empty.
///
/// # Errors
/// [`EnvelopeDecodeError`] names the part at fault.
pub fn decode_head(mut bytes: Bytes) -> Result<Envelope, EnvelopeDecodeError> {
    take_head(&mut bytes)
}

fn take_head(bytes: &mut Bytes) -> Result<Envelope, EnvelopeDecodeError> {
    use EnvelopeDecodeError::{Flags, Malformed, Truncated, Version};
    if bytes.remaining() < 3 + 16 + 8 {
        return Err(Truncated);
    }
    let version = bytes.get_u8();
    if version == 0 {
        return Err(Version(version));
    }
    let flags = bytes.get_u8();
    if flags & !FLAGS_KNOWN != 0 {
        return Err(Flags(flags));
    }
    let kind = Kind::of_code(bytes.get_u8())?;
    let mut id = [0; 16];
    bytes.copy_to_slice(&mut id);
    let timestamp_ms = bytes.get_u64();
    let from = parse(&take_text(bytes)?, "sender")?;
    let to = parse(&take_text(bytes)?, "recipient")?;
    let reference = match flags & FLAG_REFERENCE {
        0 => None,
        _ => {
            let text = take_text(bytes)?;
            let text = std::str::from_utf8(&text).map_err(|_| Malformed("reference"))?;
            if text.is_empty() || text.len() > REFERENCE_LEN_MAX {
                return Err(Malformed("reference"));
            }
            Some(text.into())
        }
    };
    Ok(Envelope {
        id: MessageId::from_bytes(id),
        kind,
        feature: if flags & FLAG_FAST == 0 {
            Feature::Reliable
        } else {
            Feature::Fast
        },
        from,
        to,
        reference,
        confirm: flags & FLAG_CONFIRM != 0,
        timestamp_ms,
        content: Bytes::new(),
        trail: None,
    })
}

fn take_text(bytes: &mut Bytes) -> Result<Bytes, EnvelopeDecodeError> {
    if bytes.remaining() < 2 {
        return Err(EnvelopeDecodeError::Truncated);
    }
    let len = usize::from(bytes.get_u16());
    if bytes.remaining() < len {
        return Err(EnvelopeDecodeError::Truncated);
    }
    Ok(bytes.split_to(len))
}

fn parse(text: &[u8], part: &'static str) -> Result<UserId, EnvelopeDecodeError> {
    let text = std::str::from_utf8(text).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(EnvelopeDecodeError::Malformed(part))
}
