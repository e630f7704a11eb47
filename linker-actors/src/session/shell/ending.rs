//! The end of a session: what it had goes back, and whatever still comes goes another way.

use std::sync::Arc;

use linker_core::session::{Session, SessionEffect};

use super::SessionShell;
use crate::runtime::guard;
use crate::session::ToSession;

impl SessionShell {
    /// What still comes after the end goes another way.
    pub(super) fn refuse_after_end(&self, message: ToSession) {
        let deliveries = match message {
            ToSession::Deliver(delivery) => vec![delivery],
            ToSession::Page(Some(page)) => page.deliveries,
            _ => return,
        };
        for ticket in deliveries.into_iter().filter_map(|delivery| delivery.ticket) {
            self.worker.given_back(ticket, self.id);
        }
    }

    /// No more messages for this session: it is out of the table, and presence knows.
    pub(super) fn leave(&mut self) {
        if let Some(entry) = &self.entry
            && !std::mem::replace(&mut self.left, true)
        {
            self.worker.node.sessions.remove(entry);
            self.worker.farewell(Arc::clone(entry));
        }
    }

    /// The connection is gone.
    pub(in crate::session) fn end(&mut self) {
        self.end_session();
        if let Some(place) = self.place.take() {
            self.worker.session_closed(place);
        }
    }

    pub(super) fn end_session(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        if let Some(entry) = &self.entry {
            // No more messages for it, from here on. It stays in the table until what it had is given back.
            entry.close();
        }
        let mut effects = Vec::new();
        let given = guard::catch("session", || {
            self.input(&mut effects, Session::on_closed);
            effects
        });
        for effect in given.into_iter().flatten() {
            match effect {
                SessionEffect::GiveBack(ticket) => self.worker.given_back(ticket, self.id),
                SessionEffect::Proven(ticket) => self.worker.proven(ticket),
                SessionEffect::Free(bytes) => self.free(bytes),
                SessionEffect::ReleaseFetch => {
                    if let Some(entry) = &self.entry {
                        self.worker.node.fetch_turns.release(entry);
                    }
                }
                _ => {}
            }
        }
        self.leave();
        self.flushed();
        if let Some(entry) = &self.entry {
            // What is held still is in the mailbox, at which nobody may look any more.
            if entry.backlog_bytes() > 0 {
                self.worker.session_ended(self.id);
            }
            entry.has_ended();
            // Also where its turn to fetch was not known to the state machine any more.
            self.worker.node.fetch_turns.release(entry);
            if entry.is_behind() {
                self.worker.node.hint_others(entry);
            }
        }
    }
}

impl Drop for SessionShell {
    fn drop(&mut self) {
        self.end();
    }
}
