//! Every user logs in once and leaves, so that the server knows whom to keep messages for.

use crate::clients::{Clients, End};
use crate::error::LoadError;
use crate::gauges::Reporter;
use crate::protocol::LoginOptions;
use crate::scenario::{Scenario, note_end};
use crate::sockets::ClientId;
use crate::tally::Tally;
use crate::wire::Incoming;

/// The phases, in order.
pub(crate) const PHASES: &[&str] = &["visit", "end"];
const END: u32 = 1;

/// Users who visit. Client `id` is each of them in turn whose number divided by the clients leaves `id`.
pub(crate) struct Visits {
    user_ids: Vec<String>,
    clients: u32,
    /// Visits begun by each client.
    begun: Vec<u32>,
    ended: usize,
    started: bool,
    reporter: Reporter,
    tally: Tally,
}

impl Visits {
    /// # Errors
    /// As [`Tally::new`].
    pub(crate) fn new(user_ids: Vec<String>, clients: u32, reporter: Reporter) -> Result<Self, LoadError> {
        Ok(Self {
            user_ids,
            clients,
            begun: vec![0; clients as usize],
            ended: 0,
            started: false,
            reporter,
            tally: Tally::new()?,
        })
    }

    fn visit_next(&mut self, clients: &mut Clients, id: ClientId) {
        let Some(begun) = self.begun.get_mut(id as usize) else {
            return;
        };
        let user = id + *begun * self.clients;
        *begun += 1;
        if let Some(user_id) = self.user_ids.get(user as usize) {
            let options = LoginOptions {
                replay: true,
                ..LoginOptions::default()
            };
            clients.open(id, user_id, options);
        }
    }
}

impl Scenario for Visits {
    fn on_ready(&mut self, clients: &mut Clients, id: ClientId, _: u64, now: u64) {
        clients.close(id, now);
    }

    fn on_frame(&mut self, _: &mut Clients, _: ClientId, _: Incoming<'_>, _: u64) {}

    fn on_closed(&mut self, clients: &mut Clients, id: ClientId, end: &End, _: u64) {
        note_end(&mut self.tally, clients, id, end);
        self.ended += 1;
        self.visit_next(clients, id);
    }

    fn on_tick(&mut self, clients: &mut Clients, now: u64) -> Result<u64, LoadError> {
        self.tally.refuse_failed_login()?;
        if !self.started {
            self.started = true;
            for id in 0..self.clients {
                self.visit_next(clients, id);
            }
        }
        let phase = if self.finished() { END } else { 0 };
        self.reporter.publish(phase, clients, &self.tally.counts, 0, now);
        Ok(u64::MAX)
    }

    fn finished(&self) -> bool {
        self.ended >= self.user_ids.len()
    }

    fn into_tally(self) -> Tally {
        self.tally
    }
}
