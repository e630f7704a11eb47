//! Messages for clients that are logged in and do not read.

use crate::clients::{Clients, End};
use crate::error::LoadError;
use crate::scenario::exchange::Exchange;
use crate::scenario::{Scenario, note_end};
use crate::sockets::ClientId;
use crate::tally::Tally;
use crate::wire::Incoming;

/// A running exchange whose recipients have stopped reading. The clients after the senders are those.
pub(crate) struct SlowReader {
    sending: Exchange,
    senders: u32,
}

impl SlowReader {
    /// Has everybody log in.
    pub(crate) fn new(sending: Exchange, senders: u32, reader_ids: &[String], clients: &mut Clients) -> Self {
        sending.open_all(clients);
        for (id, user_id) in (senders..).zip(reader_ids) {
            clients.open(id, user_id, Default::default());
        }
        Self { sending, senders }
    }
}

impl Scenario for SlowReader {
    fn on_ready(&mut self, clients: &mut Clients, id: ClientId, _: u64, _: u64) {
        if id >= self.senders {
            clients.stop_reading(id);
        }
    }

    fn on_frame(&mut self, clients: &mut Clients, id: ClientId, frame: Incoming<'_>, now: u64) {
        // What a reader had read already when it stopped is nobody's.
        if id < self.senders {
            self.sending.on_frame(clients, id, frame, now);
        }
    }

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, _: u64) {
        note_end(self.sending.tally_mut(), clients, id, end);
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        self.sending.on_tick(clients, now)
    }

    fn finished(&self) -> bool {
        self.sending.finished()
    }

    fn into_tally(self) -> Tally {
        self.sending.into_tally()
    }
}
