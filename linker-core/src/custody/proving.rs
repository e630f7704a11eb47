//! What sessions answer: proof, and messages given back.

use std::sync::Arc;

use super::dedupe::Progress;
use super::delivery::Ticket;
use super::effect::{CustodyEffect, Origin, Outcome, Settlement};
use super::pending::Row;
use super::router::{Custody, CustodyContext, count, settle, trace};
use super::sessions::LocalSessions;
use super::storing::tell_diverted;
use super::upstream::report;
use crate::envelope::{Envelope, Feature, Kind};
use crate::id::{MessageId, SessionId};
use crate::trace::Fate;
use crate::upstream::UpstreamEvent;

impl<S: Clone> Custody<S> {
    /// A session has proven it.
    pub fn on_proven<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(mut pending) = self.take(ticket) else {
            return;
        };
        let envelope = Arc::clone(&pending.envelope);
        if let Some(home) = pending.diverted_forward.take() {
            // Its recipient lives here by now.
            cx.sessions.forward_is_stored(&home);
        }
        if pending.sought {
            self.proven_while_sought(ticket, &envelope);
        }
        trace(&self.shared, &pending, Fate::Delivered, cx);
        if let Origin::Guest(node, theirs) = pending.origin {
            self.guest_proven(&envelope, node, theirs, &pending.diverted, cx);
            return;
        }
        if envelope.kind.counts() {
            let latency = cx.now.elapsed.saturating_sub(pending.taken_at);
            count(cx, envelope.feature, Outcome::Delivered, Some(latency));
            if self.shared.reports.delivered {
                report(UpstreamEvent::Delivered, &envelope, cx);
            }
        }
        if let Some(key) = pending.key.or_else(|| self.shared.dedupe.key(&envelope)) {
            if self.shared.config.several_nodes {
                // Taken by another node, and fetched here: its sender may come here too, and send it again.
                self.shared.dedupe.begin(key, envelope.id, cx.now.elapsed);
            }
            self.shared.dedupe.advance(key, envelope.id, Progress::Proven);
        }
        // The receipt for what came from another domain is owed until the confirmation is as safe.
        let arrived = matches!(pending.origin, Origin::Arrival(_));
        let owed = match envelope.confirm {
            true => pending.take_owed_receipt(),
            false => Origin::Node,
        };
        settle(&mut pending, Settlement::Delivered, envelope.id, cx);
        tell_diverted(&pending.diverted, cx);
        let elsewhere = pending.row.is_stored() || pending.holders.iter().any(|holder| holder.is_node());
        if arrived || (self.shared.config.several_nodes && elsewhere) {
            // Another node may be about to hand over what a session here has had from the store, or to tell of a proof of its own.
            self.shared.proven_lately().insert(&envelope, cx.now.elapsed);
        }
        if let Some(answered) = pending.replaces {
            cx.effects.push(CustodyEffect::Delete {
                user: envelope.from,
                id: answered,
                forwarded: None,
            });
        }
        let stored = pending.row != Row::None;
        if envelope.confirm {
            self.confirm(
                &envelope,
                envelope.id.of_confirmation(),
                stored.then_some(envelope.id),
                owed,
                cx,
            );
        } else if stored {
            cx.effects.push(CustodyEffect::Delete {
                user: envelope.to,
                id: envelope.id,
                forwarded: None,
            });
        }
    }

    pub(super) fn confirm<L: LocalSessions<Session = S>>(
        &mut self,
        proven: &Envelope,
        id: MessageId,
        replaces: Option<MessageId>,
        origin: Origin<S>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let confirmation = Envelope {
            id,
            kind: Kind::Confirmation,
            feature: Feature::Reliable,
            from: proven.to,
            to: proven.from,
            reference: proven.reference.clone(),
            confirm: false,
            timestamp_ms: cx.now.unix_ms,
            content: bytes::Bytes::new(),
            trail: None,
        };
        let ticket = self.admit(
            Arc::new(confirmation),
            origin,
            false,
            None,
            replaces,
            cx.now.elapsed,
        );
        self.route(ticket, cx);
    }

    /// A session will not prove it.
    pub fn on_given_back<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        session: SessionId,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let before = pending.holders.len();
        pending.holders.retain(|holder| *holder != session);
        // Who does not have it cannot give it back: it was told otherwise already.
        if before == pending.holders.len() || pending.is_held() {
            return;
        }
        match pending.envelope.feature {
            Feature::Reliable => self.route(ticket, cx),
            // At most once: whoever was there has been offered it.
            Feature::Fast if pending.row.is_guest() => self.send_guest_away(ticket, cx),
            Feature::Fast => {
                if let Some(pending) = self.take(ticket) {
                    trace(&self.shared, &pending, Fate::Dropped, cx);
                }
                count(cx, Feature::Fast, Outcome::Dropped, None);
            }
        }
    }

    /// A session has ended, and something may have been lost between here and there: whatever it has not given back goes another way.
    pub fn on_session_ended<L: LocalSessions<Session = S>>(
        &mut self,
        session: SessionId,
        cx: &mut CustodyContext<'_, L>,
    ) {
        for ticket in self.pending.tickets() {
            self.on_given_back(ticket, session, cx);
        }
    }
}
