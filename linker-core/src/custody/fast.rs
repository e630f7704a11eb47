//! FAST: offered once, to whoever is there.

use std::sync::Arc;

use smallvec::SmallVec;

use super::delivery::{Delivery, Ticket};
use super::effect::{CustodyEffect, Origin, Outcome, Settlement};
use super::forwarding::forwarded_fast;
use super::router::{Custody, CustodyContext, Submission, count, settle, trace, trace_at_once};
use super::sessions::{Elsewhere, LocalSessions, NodeOffer, Offer};
use crate::envelope::{Envelope, Feature};
use crate::id::SessionId;
use crate::trace::{Fate, Role};

impl<S: Clone> Custody<S> {
    pub(super) fn submit_fast<L: LocalSessions<Session = S>>(
        &mut self,
        submission: Submission<S>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Submission { envelope, origin, .. } = submission;
        let user = envelope.to;
        if let Some(home) = cx.sessions.home(&envelope, None) {
            let envelope = Arc::new(envelope);
            let became = forwarded_fast(cx.sessions.forward_fast(&home, &envelope));
            self.settle_at_once(&envelope, origin, became, cx);
            return;
        }
        let elsewhere = self.elsewhere_for_fast(&user, cx);
        let nowhere_else = matches!(&elsewhere, Elsewhere::Nodes(nodes) if nodes.is_empty());
        if envelope.confirm || !nowhere_else {
            let ticket = self.admit(Arc::new(envelope), origin, false, None, None, cx.now.elapsed);
            let Some(pending) = self.pending.get_mut(ticket) else {
                return;
            };
            let proof = pending.envelope.confirm.then_some(ticket);
            pending.holders = offer_fast(&pending.envelope, proof, cx);
            match elsewhere {
                Elsewhere::Nodes(nodes) => self.send_fast(ticket, &nodes, cx),
                Elsewhere::Asked if !self.shared.is_full() => {
                    pending.sought = true;
                    self.seek_fast(user, ticket, cx.now.elapsed);
                }
                Elsewhere::Asked | Elsewhere::Unknown => self.send_fast(ticket, &[], cx),
            }
            return;
        }
        let envelope = Arc::new(envelope);
        let became = match offer_fast(&envelope, None, cx).is_empty() {
            false => (Outcome::Delivered, Settlement::Delivered, Fate::Delivered),
            true => (Outcome::Dropped, Settlement::Dropped, Fate::Dropped),
        };
        self.settle_at_once(&envelope, origin, became, cx);
    }

    /// Tells what became of a FAST message that was never held here.
    fn settle_at_once<L: LocalSessions<Session = S>>(
        &self,
        envelope: &Arc<Envelope>,
        origin: Origin<S>,
        (outcome, settlement, fate): (Outcome, Settlement, Fate),
        cx: &mut CustodyContext<'_, L>,
    ) {
        trace_at_once(&self.shared, envelope, Role::New, fate, cx);
        count(cx, Feature::Fast, outcome, None);
        cx.effects.push(CustodyEffect::Settled {
            origin,
            accepted: false,
            confirm: false,
            id: envelope.id,
            reference: envelope.reference.clone(),
            cost: envelope.cost(),
            settlement,
        });
    }

    /// Sends a FAST message, which sessions of this node may have, to other nodes too; it stays only where somebody is to prove it.
    pub(super) fn send_fast<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        nodes: &[S],
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let confirm = pending.envelope.confirm;
        let here = !pending.holders.is_empty();
        let mut sent = false;
        for node in nodes {
            let proof = confirm.then_some(ticket);
            if cx.sessions.offer_node(node, &pending.envelope, proof) == NodeOffer::Sent {
                sent = true;
                if confirm {
                    pending.holders.push(cx.sessions.id(node));
                }
            }
        }
        let id = pending.envelope.id;
        let fate = match (here, sent) {
            (true, _) => Fate::Delivered,
            (false, true) => Fate::HandedOn,
            (false, false) => Fate::Dropped,
        };
        trace(&self.shared, pending, fate, cx);
        let settlement = match here || sent {
            true => Settlement::Delivered,
            false => Settlement::Dropped,
        };
        settle(pending, settlement, id, cx);
        if sent && confirm {
            self.note_fast_handed(cx.now.elapsed);
        }
        if !confirm || !(here || sent) {
            drop(self.take(ticket));
            match (here, sent) {
                (true, _) => count(cx, Feature::Fast, Outcome::Delivered, None),
                // The other node counts it.
                (false, true) => {}
                (false, false) => count(cx, Feature::Fast, Outcome::Dropped, None),
            }
        }
    }
}

/// Offers to the sessions of this node; answers which have taken it.
pub(super) fn offer_fast<L: LocalSessions>(
    envelope: &Arc<Envelope>,
    ticket: Option<Ticket>,
    cx: &CustodyContext<'_, L>,
) -> SmallVec<[SessionId; 2]> {
    let mut holders = SmallVec::new();
    for session in &cx.sessions.of(&envelope.to) {
        let delivery = |courtesy| Delivery {
            envelope: Arc::clone(envelope),
            ticket,
            courtesy,
        };
        // To a session that is being replayed to it goes after that: as a courtesy. A slow one goes without.
        let mut offer = cx.sessions.offer(session, delivery(false), false);
        if offer == (Offer::Behind { replaying: true }) {
            offer = cx.sessions.offer(session, delivery(true), false);
        }
        if offer == Offer::Taken {
            holders.push(cx.sessions.id(session));
        }
    }
    holders
}
