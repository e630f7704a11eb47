//! A router that ends hands all it answered for to another.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::effect::{CustodyEffect, NodeWord, Origin};
use super::forwarding::Parked;
use super::pending::{Pending, Row};
use super::repetitions::Echo;
use super::router::{Custody, CustodyContext};
use super::sessions::LocalSessions;
use super::storing::tell_diverted;

/// All that a router answered for, on its way to another.
#[derive(Debug)]
pub struct Surrendered<S> {
    /// Oldest first.
    pending: Vec<Pending<S>>,
    echoes: VecDeque<Echo<S>>,
}

impl<S> Default for Surrendered<S> {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            echoes: VecDeque::new(),
        }
    }
}

impl<S> Surrendered<S> {
    /// There was nothing.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.echoes.is_empty()
    }
}

impl<S: Clone> Custody<S> {
    /// Gives up custody of everything: the router ends, and another takes over with [`Custody::take_over`].
    pub fn surrender(&mut self) -> Surrendered<S> {
        self.window.clear();
        self.windowed.clear();
        self.guests.clear();
        self.lines.clear();
        self.parked = Parked::default();
        self.forget_elsewhere();
        let pending = self.pending.drain();
        for pending in &pending {
            let bytes = pending.envelope.cost();
            self.shared.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.shared.pending_messages.fetch_sub(1, Ordering::Relaxed);
        }
        let echoes = std::mem::take(&mut self.echoes);
        Surrendered { pending, echoes }
    }

    /// Goes on with what another router has surrendered, oldest first: rows it had are still claimed, and what it had asked of the store and not heard
    /// of is asked again.
    pub fn take_over<L: LocalSessions<Session = S>>(
        &mut self,
        surrendered: Surrendered<S>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        self.echoes.extend(surrendered.echoes);
        for mut pending in surrendered.pending {
            if matches!(pending.origin, Origin::Guest(..)) {
                // It can be handed over again, by who answers for it.
                self.let_go_of_claim(&pending);
            }
            if let Origin::Guest(node, theirs) = pending.origin {
                if let Some(key) = pending.key {
                    self.shared.dedupe.forget(key, pending.envelope.id);
                }
                tell_diverted(&pending.diverted, cx);
                let word = NodeWord::NotHere(theirs);
                cx.effects.push(CustodyEffect::Tell { node, word });
                continue;
            }
            let bytes = pending.envelope.cost();
            self.shared.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.shared.pending_messages.fetch_add(1, Ordering::Relaxed);
            // Who has it names it by the former router's ticket, which nobody knows any more.
            pending.holders.clear();
            pending.sought = false;
            pending.in_line = false;
            pending.parked = false;
            if let Some(home) = pending.diverted_forward.take() {
                cx.sessions.forward_is_stored(&home);
            }
            let row = pending.row;
            let ticket = self.pending.insert(pending);
            if let Row::Asked(_) = row {
                self.ask_store(ticket, cx);
                continue;
            }
            self.join_line(ticket);
            if let Row::Queued(reason) = row
                && !self.resumes_stripped(ticket, cx)
            {
                self.insert_row(ticket, reason, cx);
            }
            self.route(ticket, cx);
        }
    }
}
