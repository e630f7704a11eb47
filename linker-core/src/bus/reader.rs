//! Bytes into frames. Everything in them may be wrong.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::frame::{BusFrame, GroupDelivery, GroupRecipient};
use super::{
    ASK, BEHIND, CALL, CLOSE, CLOSE_AWAY, DELIVER, DELIVER_GROUP, DISMISS, FINISH, FLAG_FAST, FLAG_REFERENCE,
    FLAG_REPLAYING, FLAG_SESSION, FLAG_TICKET, LINK_STATES, MAGIC, NOT_HERE, PROVEN, REPLY, RESCAN, RESTART,
    STORED, VERSION,
};
use crate::custody::Ticket;
use crate::envelope::{self, EnvelopeDecodeError, Feature, Kind};
use crate::id::{DomainName, MessageId, NodeInstance, SessionId, UserId};
use crate::limit::REFERENCE_LEN_MAX;
use crate::network::LinkState;

/// Bytes of a ticket.
const TICKET: usize = 10;
/// Bytes of a message id.
const ID: usize = 16;
/// The least that a user takes: an app name of one letter, and the number.
const USER_MIN: usize = 1 + 1 + 8;
/// The least that the name of a domain takes.
const DOMAIN_MIN: usize = 1 + 1;
/// The least that the links of a domain take.
const STATE_MIN: usize = DOMAIN_MIN + 8 + 8 + 4;

/// What a node has sent at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Who says so.
    pub sender: NodeInstance,
    /// Its place among the sender's batches, where those are numbered.
    pub number: Option<BatchNumber>,
    /// What this version understands, in order.
    pub frames: Vec<BusFrame>,
    /// Frames of types that are not known here.
    pub unknown: usize,
    /// Frames that should have been understood and could not be read.
    pub broken: usize,
    /// The first of these.
    pub first_broken: Option<BrokenFrame>,
}

/// The place of a batch among those of its sender to one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchNumber {
    /// Grows when something may have been lost.
    pub epoch: u64,
    /// From 0 in each epoch.
    pub number: u64,
}

/// A frame that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of type {frame} cannot be read: {reason}")]
pub struct BrokenFrame {
    /// Its type.
    pub frame: u8,
    /// What is wrong with it.
    pub reason: FrameDecodeError,
}

/// Why a frame could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameDecodeError {
    /// It ends before its parts do.
    #[error("it is cut off")]
    Truncated,
    /// A flag that changes the meaning and is not known here.
    #[error("it has unknown flags {0:#04x}")]
    Flags(u8),
    /// A part that is not what it should be.
    #[error("its {0} is malformed")]
    Malformed(&'static str),
    /// The message in it.
    #[error(transparent)]
    Envelope(#[from] EnvelopeDecodeError),
}

/// Why bytes are no batch that this node understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchDecodeError {
    /// Something else.
    #[error("it is no batch of frames")]
    Foreign,
    /// It ends within its header.
    #[error("the batch is cut off")]
    Truncated,
    /// The name in its header is none.
    #[error("the batch names no sender")]
    Sender,
    /// Its sender knows that this version would misunderstand it.
    #[error(
        "{sender} writes version {version}, for which at least version {floor} is needed; this node has {VERSION}"
    )]
    Incompatible {
        /// Who.
        sender: NodeInstance,
        /// What it writes.
        version: u8,
        /// Who may read it.
        floor: u8,
    },
}

/// Reads a batch. Contents of messages share the memory of `bytes`.
///
/// # Errors
/// [`BatchDecodeError`] when no frame can be had from it. A frame that cannot be read is none: it is counted in the [`Batch`].
pub fn decode_batch(mut bytes: Bytes) -> Result<Batch, BatchDecodeError> {
    let (sender, number) = read_header(&mut bytes)?;
    let mut batch = Batch {
        sender,
        number,
        frames: Vec::new(),
        unknown: 0,
        broken: 0,
        first_broken: None,
    };
    while bytes.has_remaining() {
        let frame = bytes.get_u8();
        let read = take_part(&mut bytes).and_then(|body| read_body(frame, body));
        match read {
            Ok(Some(read)) => batch.frames.push(read),
            Ok(None) => batch.unknown += 1,
            Err(reason) => {
                batch.broken += 1;
                batch.first_broken.get_or_insert(BrokenFrame { frame, reason });
            }
        }
    }
    Ok(batch)
}

fn read_header(bytes: &mut Bytes) -> Result<(NodeInstance, Option<BatchNumber>), BatchDecodeError> {
    use BatchDecodeError::{Foreign, Incompatible, Sender, Truncated};
    let Some(rest) = bytes.strip_prefix(&MAGIC) else {
        return Err(if MAGIC.starts_with(bytes) {
            Truncated
        } else {
            Foreign
        });
    };
    if rest.len() < 4 {
        return Err(Truncated);
    }
    bytes.advance(MAGIC.len());
    let version = bytes.get_u8();
    let floor = bytes.get_u8();
    let length = usize::from(bytes.get_u16());
    if bytes.remaining() < length {
        return Err(Truncated);
    }
    let mut header = bytes.split_to(length);
    let name_len = usize::from(header.try_get_u8().map_err(|_| Sender)?);
    if header.remaining() < name_len {
        return Err(Sender);
    }
    let name = header.split_to(name_len);
    let sender = NodeInstance {
        name: text(&name).and_then(|name| name.parse().ok()).ok_or(Sender)?,
        incarnation: header.try_get_u64().map_err(|_| Sender)?,
    };
    if floor > VERSION {
        return Err(Incompatible {
            sender,
            version,
            floor,
        });
    }
    let number = match (header.try_get_u64(), header.try_get_u64()) {
        (Ok(epoch), Ok(number)) => Some(BatchNumber { epoch, number }),
        _ => None,
    };
    Ok((sender, number))
}

/// `None` for a type that is not known here.
fn read_body(frame: u8, mut body: Bytes) -> Result<Option<BusFrame>, FrameDecodeError> {
    let body = &mut body;
    Ok(Some(match frame {
        DELIVER => {
            let flags = take_flags(body, FLAG_TICKET)?;
            BusFrame::Deliver {
                ticket: take_ticket_if(body, flags)?,
                envelope: Arc::new(envelope::decode(take_part(body)?)?),
            }
        }
        DELIVER_GROUP => BusFrame::DeliverGroup(read_group(body)?),
        PROVEN => BusFrame::Proven {
            tickets: take_list(body, TICKET + ID, |body| Ok((take_ticket(body)?, take_id(body)?)))?,
        },
        NOT_HERE => BusFrame::NotHere {
            tickets: take_list(body, TICKET, take_ticket)?,
        },
        BEHIND => {
            let flags = take_flags(body, FLAG_REPLAYING)?;
            BusFrame::Behind {
                ticket: take_ticket(body)?,
                guest: take_ticket(body)?,
                replaying: flags & FLAG_REPLAYING != 0,
            }
        }
        RESTART => BusFrame::Restart {
            epoch: body.try_get_u64().map_err(truncated)?,
        },
        FINISH => BusFrame::Finish {
            ids: take_list(body, ID, take_id)?,
        },
        STORED => BusFrame::Stored {
            guests: take_list(body, TICKET, take_ticket)?,
        },
        DISMISS => BusFrame::Dismiss {
            guests: take_list(body, TICKET, take_ticket)?,
        },
        ASK => BusFrame::Ask {
            tickets: take_list(body, TICKET + ID, |body| Ok((take_ticket(body)?, take_id(body)?)))?,
        },
        CLOSE => {
            let flags = take_flags(body, FLAG_SESSION)?;
            let code = body.try_get_u16().map_err(truncated)?;
            BusFrame::Close {
                user: take_user(body, "user")?,
                session: match flags & FLAG_SESSION {
                    0 => None,
                    _ => Some(SessionId(body.try_get_u64().map_err(truncated)?)),
                },
                code,
            }
        }
        CLOSE_AWAY => {
            let flags = take_flags(body, FLAG_REFERENCE)?;
            BusFrame::CloseAway {
                user: take_user(body, "user")?,
                master: take_user(body, "master")?,
                reference: match flags & FLAG_REFERENCE {
                    0 => None,
                    _ => Some(take_reference(body)?),
                },
                path: take_list(body, DOMAIN_MIN, take_domain)?,
            }
        }
        LINK_STATES => BusFrame::LinkStates {
            from: take_domain(body)?,
            states: take_list(body, STATE_MIN, |body| {
                Ok(LinkState {
                    domain: take_domain(body)?,
                    number: body.try_get_u64().map_err(truncated)?,
                    age_ms: body.try_get_u64().map_err(truncated)?,
                    down: take_list(body, DOMAIN_MIN, take_domain)?,
                })
            })?,
        },
        CALL => BusFrame::Call {
            number: body.try_get_u64().map_err(truncated)?,
            body: take_part(body)?,
        },
        REPLY => BusFrame::Reply {
            number: body.try_get_u64().map_err(truncated)?,
            body: take_part(body)?,
        },
        RESCAN => BusFrame::Rescan {
            users: take_list(body, USER_MIN, |body| take_user(body, "user"))?,
        },
        _ => return Ok(None),
    }))
}

fn read_group(body: &mut Bytes) -> Result<GroupDelivery, FrameDecodeError> {
    let flags = take_flags(body, FLAG_FAST | FLAG_REFERENCE)?;
    let kind = Kind::of_code(body.try_get_u8().map_err(truncated)?)?;
    let from = take_user(body, "sender")?;
    let timestamp_ms = body.try_get_u64().map_err(truncated)?;
    let reference = match flags & FLAG_REFERENCE {
        0 => None,
        _ => Some(take_reference(body)?),
    };
    let content = take_part(body)?;
    if text(&content).is_none() {
        return Err(FrameDecodeError::Malformed("content"));
    }
    let recipients = take_list(body, 1 + USER_MIN + ID, |body| {
        let flags = take_flags(body, FLAG_TICKET)?;
        Ok(GroupRecipient {
            to: take_user(body, "recipient")?,
            id: take_id(body)?,
            ticket: take_ticket_if(body, flags)?,
        })
    })?;
    Ok(GroupDelivery {
        kind,
        feature: match flags & FLAG_FAST {
            0 => Feature::Reliable,
            _ => Feature::Fast,
        },
        from,
        reference,
        timestamp_ms,
        content,
        recipients,
    })
}

fn truncated(_: bytes::TryGetError) -> FrameDecodeError {
    FrameDecodeError::Truncated
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A length and as many bytes. When they are not there, nothing is left of what they were to be taken from.
fn take_part(bytes: &mut Bytes) -> Result<Bytes, FrameDecodeError> {
    let length = bytes.try_get_u32().ok().map(|length| length as usize);
    match length {
        Some(length) if length <= bytes.remaining() => Ok(bytes.split_to(length)),
        _ => {
            bytes.clear();
            Err(FrameDecodeError::Truncated)
        }
    }
}

/// A count and as many items, each of at least `item_min` bytes: so that a wrong count reserves no more than came in.
fn take_list<T>(
    body: &mut Bytes,
    item_min: usize,
    take: impl Fn(&mut Bytes) -> Result<T, FrameDecodeError>,
) -> Result<Vec<T>, FrameDecodeError> {
    let count = body.try_get_u32().map_err(truncated)? as usize;
    if count > body.remaining() / item_min {
        return Err(FrameDecodeError::Truncated);
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(take(body)?);
    }
    Ok(items)
}

fn take_flags(body: &mut Bytes, known: u8) -> Result<u8, FrameDecodeError> {
    let flags = body.try_get_u8().map_err(truncated)?;
    match flags & !known {
        0 => Ok(flags),
        _ => Err(FrameDecodeError::Flags(flags)),
    }
}

fn take_ticket_if(body: &mut Bytes, flags: u8) -> Result<Option<Ticket>, FrameDecodeError> {
    match flags & FLAG_TICKET {
        0 => Ok(None),
        _ => take_ticket(body).map(Some),
    }
}

fn take_ticket(body: &mut Bytes) -> Result<Ticket, FrameDecodeError> {
    Ok(Ticket {
        shard: body.try_get_u16().map_err(truncated)?,
        slot: body.try_get_u32().map_err(truncated)?,
        generation: body.try_get_u32().map_err(truncated)?,
    })
}

fn take_id(body: &mut Bytes) -> Result<MessageId, FrameDecodeError> {
    let mut id = [0; ID];
    body.try_copy_to_slice(&mut id).map_err(truncated)?;
    Ok(MessageId::from_bytes(id))
}

fn take_reference(body: &mut Bytes) -> Result<Box<str>, FrameDecodeError> {
    let reference = take_part(body)?;
    text(&reference)
        .filter(|reference| (1..=REFERENCE_LEN_MAX).contains(&reference.len()))
        .map(Into::into)
        .ok_or(FrameDecodeError::Malformed("reference"))
}

fn take_domain(body: &mut Bytes) -> Result<DomainName, FrameDecodeError> {
    let length = usize::from(body.try_get_u8().map_err(truncated)?);
    if body.remaining() < length {
        return Err(FrameDecodeError::Truncated);
    }
    let name = body.split_to(length);
    text(&name)
        .and_then(|name| name.parse().ok())
        .ok_or(FrameDecodeError::Malformed("domain"))
}

fn take_user(body: &mut Bytes, part: &'static str) -> Result<UserId, FrameDecodeError> {
    let malformed = FrameDecodeError::Malformed(part);
    let length = usize::from(body.try_get_u8().map_err(truncated)?);
    if body.remaining() < length {
        return Err(FrameDecodeError::Truncated);
    }
    let app = body.split_to(length);
    let app = text(&app).and_then(|app| app.parse().ok()).ok_or(malformed)?;
    let number = body.try_get_u64().map_err(truncated)?;
    UserId::new(app, number).map_err(|_| malformed)
}
