//! Messages for the application: on their way there as others are to another domain (`forwarding`), proven when it has them, or refused by it.

use std::sync::Arc;

use super::delivery::Ticket;
use super::effect::{CustodyEffect, Outcome, Settlement};
use super::pending::Row;
use super::router::{Custody, CustodyContext, count, settle};
use super::sessions::LocalSessions;
use super::storing::refusal_of;
use crate::code::FrameError;
use crate::envelope::{Envelope, Feature, Kind};
use crate::id::DomainName;
use crate::port::WaitReason;
use crate::upstream::UpstreamEvent;

impl<S: Clone> Custody<S> {
    /// The row of a message is to say that it waits for another way to the application: its sender's own, or everybody's again.
    pub(super) fn redirect<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        home: DomainName,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let (user, id) = (pending.envelope.to, pending.envelope.id);
        pending.home = Some(home.clone());
        pending.row = Row::Queued(WaitReason::Forward);
        pending.diverted_forward = Some(home.clone());
        cx.sessions.divert_forward(&home, true);
        self.shared.claims().write(user, id, false);
        cx.effects.push(CustodyEffect::Redirect { ticket, id, home });
    }

    /// The application does not want it. Its sender is told by a refusal, which takes the place of the message in the store: one of them is always safe.
    pub fn on_upstream_refused<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        error: FrameError,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(mut pending) = self.take(ticket) else {
            return;
        };
        if let Some(home) = pending.diverted_forward.take() {
            cx.sessions.forward_is_stored(&home);
        }
        let refused = Arc::clone(&pending.envelope);
        if let Some(key) = pending.key.or_else(|| self.shared.dedupe.key(&refused)) {
            // Sent again it may be another question.
            self.shared.dedupe.forget(key, refused.id);
        }
        let stored = pending.row != Row::None;
        if refused.kind != Kind::Upstream {
            // Nobody sent it.
            if stored {
                cx.effects.push(CustodyEffect::Delete {
                    user: refused.to,
                    id: refused.id,
                    forwarded: None,
                });
            }
            return;
        }
        count(cx, Feature::Reliable, Outcome::Refused, None);
        let refusal = refusal_of(&refused, &error, (cx.new_id)(), cx.now.unix_ms);
        let origin = pending.take_owed_receipt();
        settle(&mut pending, Settlement::Refused(error), refused.id, cx);
        let replaces = stored.then_some(refused.id);
        let ticket = self.admit(Arc::new(refusal), origin, false, None, replaces, cx.now.elapsed);
        self.route(ticket, cx);
    }
}

/// The application is to learn of it; of what is for itself it knows.
pub(super) fn report<L: LocalSessions>(
    event: UpstreamEvent,
    message: &Arc<Envelope>,
    cx: &mut CustodyContext<'_, L>,
) {
    if !message.kind.is_upstream() {
        cx.effects.push(CustodyEffect::Happened {
            message: Arc::clone(message),
            event,
        });
    }
}
