//! Frames into bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{BusFrame, GroupDelivery};
use super::reader::BatchNumber;
use super::{
    ASK, BEHIND, CALL, CLOSE, CLOSE_AWAY, DELIVER, DELIVER_GROUP, DISMISS, FINISH, FLAG_FAST, FLAG_REFERENCE,
    FLAG_REPLAYING, FLAG_SESSION, FLAG_TICKET, FLOOR, LINK_STATES, MAGIC, NOT_HERE, PROVEN, REPLY, RESCAN,
    RESTART, STORED, VERSION,
};
use crate::custody::Ticket;
use crate::envelope::{self, Feature};
use crate::id::{DomainName, NodeInstance, UserId};

const LENGTH: usize = size_of::<u32>();

/// Collects frames for one node until they are sent together.
#[derive(Debug)]
pub struct BatchWriter {
    sender: NodeInstance,
    header: Bytes,
    /// Of the batch that is collected, where batches are numbered.
    number: Option<BatchNumber>,
    bytes: BytesMut,
    frames: usize,
}

impl BatchWriter {
    /// An empty one, whose batches have no numbers.
    pub fn new(sender: &NodeInstance) -> Self {
        Self {
            sender: sender.clone(),
            header: header(sender, None),
            number: None,
            bytes: BytesMut::new(),
            frames: 0,
        }
    }

    /// From the next batch on, which is to be begun yet, they are numbered from 0 in this epoch.
    pub fn begin_epoch(&mut self, epoch: u64) {
        let number = BatchNumber { epoch, number: 0 };
        self.header = header(&self.sender, Some(number));
        self.number = Some(number);
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: &BusFrame) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&self.header);
        }
        let out = &mut self.bytes;
        out.put_u8(type_of(frame));
        let length_at = out.len();
        out.put_u32(0);
        put_body(out, frame);
        // What goes into one frame is bounded far below 4 GiB.
        let length = (out.len() - length_at - LENGTH) as u32;
        out[length_at..length_at + LENGTH].copy_from_slice(&length.to_be_bytes());
        self.frames += 1;
    }

    /// Bytes so far; 0 when there is no frame.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Frames so far.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// No frame so far.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Takes the batch out; the next frame begins another one. Empty when there is no frame.
    pub fn take(&mut self) -> Bytes {
        let any = std::mem::take(&mut self.frames) > 0;
        if let Some(number) = self.number.as_mut().filter(|_| any) {
            let end = self.header.len();
            self.bytes[end - size_of::<u64>()..end].copy_from_slice(&number.number.to_be_bytes());
            number.number += 1;
        }
        self.bytes.split().freeze()
    }
}

fn header(sender: &NodeInstance, number: Option<BatchNumber>) -> Bytes {
    let name = sender.name.as_str();
    let length = 1 + name.len() + 8 + if number.is_some() { 16 } else { 0 };
    let mut header = BytesMut::with_capacity(MAGIC.len() + 4 + length);
    header.put_slice(&MAGIC);
    header.put_u8(VERSION);
    header.put_u8(FLOOR);
    // A name has at most 128 bytes.
    header.put_u16(length as u16);
    header.put_u8(name.len() as u8);
    header.put_slice(name.as_bytes());
    header.put_u64(sender.incarnation);
    if let Some(number) = number {
        header.put_u64(number.epoch);
        header.put_u64(number.number);
    }
    header.freeze()
}

fn type_of(frame: &BusFrame) -> u8 {
    match frame {
        BusFrame::Deliver { .. } => DELIVER,
        BusFrame::DeliverGroup(_) => DELIVER_GROUP,
        BusFrame::Proven { .. } => PROVEN,
        BusFrame::NotHere { .. } => NOT_HERE,
        BusFrame::Behind { .. } => BEHIND,
        BusFrame::Stored { .. } => STORED,
        BusFrame::Dismiss { .. } => DISMISS,
        BusFrame::Ask { .. } => ASK,
        BusFrame::Close { .. } => CLOSE,
        BusFrame::Rescan { .. } => RESCAN,
        BusFrame::Restart { .. } => RESTART,
        BusFrame::Finish { .. } => FINISH,
        BusFrame::CloseAway { .. } => CLOSE_AWAY,
        BusFrame::LinkStates { .. } => LINK_STATES,
        BusFrame::Call { .. } => CALL,
        BusFrame::Reply { .. } => REPLY,
    }
}

fn put_body(out: &mut BytesMut, frame: &BusFrame) {
    match frame {
        BusFrame::Deliver { ticket, envelope } => {
            out.put_u8(ticket_flag(*ticket));
            if let Some(ticket) = ticket {
                put_ticket(out, *ticket);
            }
            let length_at = out.len();
            out.put_u32(0);
            envelope::encode(envelope, out);
            let length = (out.len() - length_at - LENGTH) as u32;
            out[length_at..length_at + LENGTH].copy_from_slice(&length.to_be_bytes());
        }
        BusFrame::DeliverGroup(group) => put_group(out, group),
        BusFrame::NotHere { tickets } => put_tickets(out, tickets),
        BusFrame::Stored { guests } | BusFrame::Dismiss { guests } => put_tickets(out, guests),
        BusFrame::Behind {
            ticket,
            guest,
            replaying,
        } => {
            out.put_u8(if *replaying { FLAG_REPLAYING } else { 0 });
            put_ticket(out, *ticket);
            put_ticket(out, *guest);
        }
        BusFrame::Ask { tickets } | BusFrame::Proven { tickets } => {
            put_count(out, tickets.len());
            for (ticket, id) in tickets {
                put_ticket(out, *ticket);
                out.put_slice(id.as_bytes());
            }
        }
        BusFrame::Close { user, session, code } => {
            out.put_u8(if session.is_some() { FLAG_SESSION } else { 0 });
            out.put_u16(*code);
            put_user(out, user);
            if let Some(session) = session {
                out.put_u64(session.0);
            }
        }
        BusFrame::Rescan { users } => {
            put_count(out, users.len());
            for user in users {
                put_user(out, user);
            }
        }
        BusFrame::Restart { epoch } => out.put_u64(*epoch),
        BusFrame::Finish { ids } => {
            put_count(out, ids.len());
            for id in ids {
                out.put_slice(id.as_bytes());
            }
        }
        BusFrame::CloseAway {
            user,
            master,
            reference,
            path,
        } => {
            out.put_u8(if reference.is_some() { FLAG_REFERENCE } else { 0 });
            put_user(out, user);
            put_user(out, master);
            if let Some(reference) = reference {
                put_count(out, reference.len());
                out.put_slice(reference.as_bytes());
            }
            put_count(out, path.len());
            for domain in path {
                put_domain(out, domain);
            }
        }
        BusFrame::Call { number, body } | BusFrame::Reply { number, body } => {
            out.put_u64(*number);
            put_count(out, body.len());
            out.put_slice(body);
        }
        BusFrame::LinkStates { from, states } => {
            put_domain(out, from);
            put_count(out, states.len());
            for state in states {
                put_domain(out, &state.domain);
                out.put_u64(state.number);
                out.put_u64(state.age_ms);
                put_count(out, state.down.len());
                for domain in &state.down {
                    put_domain(out, domain);
                }
            }
        }
    }
}

/// A name has at most 128 bytes.
fn put_domain(out: &mut BytesMut, domain: &DomainName) {
    out.put_u8(domain.as_str().len() as u8);
    out.put_slice(domain.as_str().as_bytes());
}

fn put_group(out: &mut BytesMut, group: &GroupDelivery) {
    let fast = if group.feature == Feature::Fast {
        FLAG_FAST
    } else {
        0
    };
    let referenced = if group.reference.is_some() {
        FLAG_REFERENCE
    } else {
        0
    };
    out.put_u8(fast | referenced);
    out.put_u8(group.kind.code());
    put_user(out, &group.from);
    out.put_u64(group.timestamp_ms);
    if let Some(reference) = &group.reference {
        put_count(out, reference.len());
        out.put_slice(reference.as_bytes());
    }
    put_count(out, group.content.len());
    out.put_slice(&group.content);
    put_count(out, group.recipients.len());
    for recipient in &group.recipients {
        out.put_u8(ticket_flag(recipient.ticket));
        put_user(out, &recipient.to);
        out.put_slice(recipient.id.as_bytes());
        if let Some(ticket) = recipient.ticket {
            put_ticket(out, ticket);
        }
    }
}

fn ticket_flag(ticket: Option<Ticket>) -> u8 {
    if ticket.is_some() { FLAG_TICKET } else { 0 }
}

fn put_tickets(out: &mut BytesMut, tickets: &[Ticket]) {
    put_count(out, tickets.len());
    for ticket in tickets {
        put_ticket(out, *ticket);
    }
}

fn put_count(out: &mut BytesMut, count: usize) {
    // A node has far fewer of anything.
    out.put_u32(count as u32);
}

fn put_ticket(out: &mut BytesMut, ticket: Ticket) {
    out.put_u16(ticket.shard);
    out.put_u32(ticket.slot);
    out.put_u32(ticket.generation);
}

fn put_user(out: &mut BytesMut, user: &UserId) {
    let app = user.app().as_str();
    // At most 32 bytes.
    out.put_u8(app.len() as u8);
    out.put_slice(app.as_bytes());
    out.put_u64(user.number());
}
