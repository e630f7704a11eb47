//! The traced messages that one session has for its client.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use linker_core::custody::{Delivery, Ticket};
use linker_core::envelope::Envelope;
use linker_core::id::MessageId;

use super::Tracer;

/// A session remembers so many; what comes beyond that is delivered without a span.
const REMEMBERED_MAX: usize = 4096;

struct Delivering {
    envelope: Arc<Envelope>,
    ticket: Option<Ticket>,
    since: Duration,
    written: Option<Duration>,
}

/// From when a session was handed a message until its client has proven it.
#[derive(Default)]
pub(crate) struct TracedDeliveries {
    by_id: HashMap<MessageId, Delivering>,
    by_ticket: HashMap<Ticket, MessageId>,
}

impl TracedDeliveries {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The session has got it.
    pub(crate) fn note(&mut self, delivery: &Delivery, now: Duration) {
        if self.by_id.len() >= REMEMBERED_MAX {
            return;
        }
        let id = delivery.envelope.id;
        let delivering = Delivering {
            envelope: Arc::clone(&delivery.envelope),
            ticket: delivery.ticket,
            since: now,
            written: None,
        };
        // Moved by two nodes at once it comes twice.
        if let Some(before) = self.by_id.insert(id, delivering)
            && let Some(ticket) = before.ticket
        {
            self.by_ticket.remove(&ticket);
        }
        if let Some(ticket) = delivery.ticket {
            self.by_ticket.insert(ticket, id);
        }
    }

    /// Its frame was written. Nobody wants to know more of it where it has no ticket.
    pub(crate) fn written(&mut self, id: &MessageId, now: Duration, tracer: &Tracer) {
        let Some(delivering) = self.by_id.get_mut(id) else {
            return;
        };
        delivering.written = Some(now);
        if delivering.ticket.is_none()
            && let Some(delivering) = self.by_id.remove(id)
        {
            tell(&delivering, "written", tracer);
        }
    }

    /// It is proven, or was given back.
    pub(crate) fn ended(&mut self, ticket: &Ticket, outcome: &'static str, tracer: &Tracer) {
        let delivering = self
            .by_ticket
            .remove(ticket)
            .and_then(|id| self.by_id.remove(&id));
        if let Some(delivering) = delivering {
            tell(&delivering, outcome, tracer);
        }
    }
}

fn tell(delivering: &Delivering, outcome: &'static str, tracer: &Tracer) {
    let Delivering {
        envelope,
        since,
        written,
        ..
    } = delivering;
    tracer.delivered(envelope, *since, *written, outcome);
}
