//! Where much is pending, what is safe in the store and only waits for a proof is not kept in memory as well. The clients of a node that has more to do than it can prove late: their
//! pongs are behind what they send. If all that is unproven stayed in memory, there would soon be no room to read on, and no pong would come any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::delivery::Ticket;
use super::pending::{Pending, Row};
use super::router::{Custody, CustodyContext};
use super::sessions::LocalSessions;
use crate::envelope::Envelope;

impl<S: Clone> Custody<S> {
    /// Forgets the content of a message that the store has, while sessions here have it unproven.
    pub(super) fn strip(&mut self, ticket: Ticket) {
        // Among several nodes the order of one pair hangs on what a router has in line.
        if self.shared.config.several_nodes || !self.shared.holds_enough() {
            return;
        }
        let may = |pending: &&mut Pending<S>| {
            let waits_for_proof = pending.row.is_stored() && !pending.holders.is_empty();
            let here = !pending.stripped && pending.home.is_none();
            waits_for_proof && here && !pending.envelope.content.is_empty()
        };
        let Some(pending) = self.pending.get_mut(ticket).filter(may) else {
            return;
        };
        let bare = Envelope {
            content: Bytes::new(),
            ..Envelope::clone(&pending.envelope)
        };
        let less = pending.envelope.cost().saturating_sub(bare.cost());
        pending.envelope = Arc::new(bare);
        pending.stripped = true;
        self.shared.pending_bytes.fetch_sub(less, Ordering::Relaxed);
    }

    /// Whether it is in the store alone. Nobody has it any more then, and its row is left to whoever asks; sessions of the recipient that are there are told to.
    pub(super) fn leaves_stripped<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let Some(pending) = self.pending.get_mut(ticket).filter(|pending| pending.stripped) else {
            return false;
        };
        if !pending.row.is_stored() || pending.is_held() {
            return true;
        }
        let user = pending.envelope.to;
        match cx.sessions.of(&user).is_empty() {
            true => self.release(ticket, cx),
            // They look for rows that say so.
            false => self.mark_behind(ticket, cx),
        }
        true
    }

    /// The row of a stripped message says that it waits for sessions that are behind: that is what they are from now on.
    pub(super) fn left_to_sessions<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let stripped = |pending: &&mut Pending<S>| pending.stripped && pending.row.is_stored();
        let Some(pending) = self.pending.get_mut(ticket).filter(stripped) else {
            return false;
        };
        let user = pending.envelope.to;
        self.release(ticket, cx);
        for session in cx.sessions.of(&user) {
            cx.sessions.hint(&session, false);
        }
        true
    }

    /// Another router has this from one that ended, which had told the store and not heard of it. Its content is there.
    pub(super) fn resumes_stripped<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let queued = |pending: &&mut Pending<S>| pending.stripped && matches!(pending.row, Row::Queued(_));
        if self.pending.get_mut(ticket).filter(queued).is_none() {
            return false;
        }
        self.mark_behind(ticket, cx);
        true
    }
}
