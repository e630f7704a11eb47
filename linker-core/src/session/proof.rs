//! What has been sent and not yet been proven.

use std::collections::{HashMap, VecDeque};

use crate::custody::Ticket;
use crate::id::MessageId;

#[derive(Debug, Clone, Copy)]
struct Sent {
    ticket: Ticket,
    cost: usize,
}

/// The proof window of one connection. Pings of heartbeat and proof share one numbering; a pong proves all that was sent before its ping.
#[derive(Debug, Default)]
pub struct ProofWindow {
    /// Proven by pong, oldest first.
    sent: VecDeque<Sent>,
    /// How many were ever pushed to `sent`.
    pushed: u64,
    /// Pings not yet answered: number, and how many had been pushed when it was sent.
    pings: VecDeque<(u64, u64)>,
    pinged: u64,
    /// Proven by `MESSAGE_ACK`; only there when a client asked for it. A million sessions have none: 8 bytes.
    acked: Option<Box<Acked>>,
}

#[derive(Debug, Default)]
struct Acked {
    sent: HashMap<MessageId, Sent>,
    /// Sent under an id that waits already: another node moves the same message.
    again: Vec<(MessageId, Sent)>,
}

impl ProofWindow {
    /// RELIABLE frames are proven by `MESSAGE_ACK` from now on.
    pub fn use_client_acks(&mut self) {
        self.acked.get_or_insert_default();
    }

    /// Whether frames are proven by `MESSAGE_ACK`.
    pub fn client_acks(&self) -> bool {
        self.acked.is_some()
    }

    /// Something was sent that the next pong will prove.
    pub fn push(&mut self, ticket: Ticket, cost: usize) {
        self.sent.push_back(Sent { ticket, cost });
        self.pushed += 1;
    }

    /// Something was sent that the client is to acknowledge by its id. What waits under the same id already goes on waiting: given back, it would be
    /// sent once more, and push out this one.
    pub fn push_by_id(&mut self, id: MessageId, ticket: Ticket, cost: usize) {
        let acked = self.acked.get_or_insert_default();
        if let Some(before) = acked.sent.insert(id, Sent { ticket, cost }) {
            acked.again.push((id, before));
        }
    }

    /// Whether a proof ping is due: something was sent since the last ping, and none is in flight.
    pub fn wants_ping(&self) -> bool {
        self.pings.is_empty() && !self.sent.is_empty()
    }

    /// Numbers a ping that is being sent now.
    pub fn ping(&mut self) -> u64 {
        self.pinged += 1;
        self.pings.push_back((self.pinged, self.pushed));
        self.pinged
    }

    /// Whether anything is awaited of the client: a proof or a pong.
    pub fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
            || !self.pings.is_empty()
            || self.acked.as_ref().is_some_and(|acked| !acked.sent.is_empty())
    }

    /// A pong of this number came: hands out what it proves. A number that was never sent, or was proven already, proves nothing.
    pub fn pong(&mut self, number: u64, mut proven: impl FnMut(Ticket, usize)) {
        if number > self.pinged {
            return;
        }
        let mut covered = None;
        while let Some(&(ping, pushed)) = self.pings.front() {
            if ping > number {
                break;
            }
            covered = Some(pushed);
            self.pings.pop_front();
        }
        let Some(covered) = covered else {
            return;
        };
        let first = self.pushed - self.sent.len() as u64;
        for _ in first..covered {
            if let Some(sent) = self.sent.pop_front() {
                proven(sent.ticket, sent.cost);
            }
        }
        self.release_memory();
    }

    /// The client acknowledged this id: hands out what that proves.
    pub fn ack(&mut self, id: &MessageId, mut proven: impl FnMut(Ticket, usize)) {
        let Some(acked) = self.acked.as_mut() else { return };
        let Some(sent) = acked.sent.remove(id) else { return };
        let again = acked.again.extract_if(.., |(of, _)| of == id);
        for sent in std::iter::once(sent).chain(again.map(|(_, sent)| sent)) {
            proven(sent.ticket, sent.cost);
        }
        if acked.sent.is_empty() {
            **acked = Acked::default();
        }
    }

    /// Takes out all that is unproven: in the order sent, where order is known.
    pub fn drain(&mut self) -> Vec<(Ticket, usize)> {
        let mut all: Vec<_> = self.sent.drain(..).map(|sent| (sent.ticket, sent.cost)).collect();
        if let Some(acked) = &mut self.acked {
            let mut by_id: Vec<_> = acked.sent.drain().chain(acked.again.drain(..)).collect();
            by_id.sort_by_key(|(id, _)| *id);
            all.extend(by_id.into_iter().map(|(_, sent)| (sent.ticket, sent.cost)));
        }
        self.pings.clear();
        all
    }

    /// An idle session keeps no buffers: there may be a million of them.
    fn release_memory(&mut self) {
        if self.sent.is_empty() {
            self.sent = VecDeque::new();
        }
        if self.pings.is_empty() {
            self.pings = VecDeque::new();
        }
    }
}
