//! Finding somebody who takes a message.

use std::sync::Arc;

use smallvec::SmallVec;

use super::delivery::{Delivery, Ticket};
use super::effect::{CustodyEffect, Outcome};
use super::pending::{Diverted, Pending, Row};
use super::router::{Custody, CustodyContext, count, trace};
use super::sessions::{LocalSessions, Offer};
use super::storing::diverted_sessions;
use crate::envelope::Feature;
use crate::port::WaitReason;
use crate::trace::Fate;

/// How often a session that is behind is tried again when it changes its mind in between; then the message is stored.
const OFFERS_MAX: usize = 3;

impl<S: Clone> Custody<S> {
    /// Offers a message to its recipient's sessions; where none takes it, it goes to the store.
    pub(super) fn route<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        self.find_way(ticket, cx);
        self.mark_held(ticket);
    }

    fn find_way<L: LocalSessions<Session = S>>(&mut self, ticket: Ticket, cx: &mut CustodyContext<'_, L>) {
        if self.leaves_stripped(ticket, cx) || self.goes_away(ticket, cx) {
            return;
        }
        let in_line = self.waits_in_line(ticket);
        for _ in 0..OFFERS_MAX {
            let Some(pending) = self.pending.get_mut(ticket) else {
                return;
            };
            let sessions = cx.sessions.of(&pending.envelope.to);
            let behind = match in_line {
                true => SmallVec::new(),
                false => offer_to_all(pending, ticket, &sessions, cx),
            };
            if pending.row.is_guest() {
                if self.place_guest(ticket, behind, cx) {
                    return;
                }
                continue;
            }
            let fault = self.offer_elsewhere(ticket, cx);
            let Some(pending) = self.pending.get_mut(ticket) else {
                return;
            };
            let reliable = pending.envelope.feature == Feature::Reliable;
            if pending.is_held() {
                if reliable {
                    self.open_window(ticket, cx.now.elapsed);
                }
                return;
            }
            if !reliable {
                if let Some(pending) = self.take(ticket) {
                    trace(&self.shared, &pending, Fate::Dropped, cx);
                }
                count(cx, Feature::Fast, Outcome::Dropped, None);
                return;
            }
            let row = pending.row;
            match row {
                Row::Queued(_) | Row::Guest { .. } | Row::Asked(_) => return,
                Row::Stored(_) if fault => {
                    self.wait_for_fault(ticket);
                    return;
                }
                Row::Stored(_) if behind.is_empty() && self.looks_once_more(ticket, cx) => {}
                Row::Stored(_) => {
                    if self.let_wait(ticket, &behind, cx) {
                        return;
                    }
                }
                Row::None if behind.is_empty() => {
                    let reason = if fault {
                        WaitReason::Fault
                    } else {
                        WaitReason::Absent
                    };
                    self.store(ticket, reason, cx);
                    self.look_again(ticket, cx);
                    return;
                }
                Row::None => {
                    let diverted = divert_all(behind, cx);
                    if !diverted.is_empty() {
                        if let Some(pending) = self.pending.get_mut(ticket) {
                            pending.diverted.extend(diverted);
                        }
                        self.store(ticket, WaitReason::Behind, cx);
                        return;
                    }
                    // All of them went live in between.
                }
            }
        }
        match self.pending.get_mut(ticket).map(|pending| pending.row) {
            Some(Row::Stored(_)) => self.release(ticket, cx),
            Some(Row::Guest { .. }) => self.send_guest_away(ticket, cx),
            Some(Row::None | Row::Queued(_)) => self.store(ticket, WaitReason::Absent, cx),
            Some(Row::Asked(_)) | None => {}
        }
    }

    /// A session that logged in on another thread just after nobody was found has not seen that something is being written for it: it gets that now, or
    /// waits for it, before anything newer.
    fn look_again<L: LocalSessions<Session = S>>(&mut self, ticket: Ticket, cx: &mut CustodyContext<'_, L>) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let sessions = cx.sessions.of(&pending.envelope.to);
        for _ in 0..OFFERS_MAX {
            let behind = offer_to_all(pending, ticket, &sessions, cx);
            if behind.is_empty() || !pending.holders.is_empty() {
                return;
            }
            let diverted = divert_all(behind, cx);
            if !diverted.is_empty() {
                pending.diverted.extend(diverted);
                return;
            }
            // All of them went live in between.
        }
    }

    /// A stored message that no live session takes waits in the store; sessions that are behind learn of it. False when one of them went live in between.
    fn let_wait<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        behind: &[(S, bool)],
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return true;
        };
        let mut noted = SmallVec::<[&S; 2]>::new();
        let mut all_behind = true;
        for (session, replaying) in behind {
            if *replaying {
                // Noted, so that it cannot go live before it has looked for this row, whatever it waits for.
                match cx.sessions.divert(session) {
                    true => noted.push(session),
                    false => all_behind = false,
                }
                continue;
            }
            let delivery = Delivery {
                envelope: Arc::clone(&pending.envelope),
                ticket: Some(ticket),
                courtesy: true,
            };
            if cx.sessions.offer(session, delivery, true) == Offer::Taken {
                pending.holders.push(cx.sessions.id(session));
            }
        }
        let held = !pending.holders.is_empty();
        if !held && all_behind {
            self.release(ticket, cx);
        }
        // Only now: whoever looks at once has to find it free. It may be anywhere among what waits.
        for session in noted {
            cx.sessions.hint(session, false);
            cx.sessions.hint(session, true);
        }
        held || all_behind
    }

    /// The row waits in the store, and nobody here answers for it any more.
    pub(super) fn release<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if let Some(pending) = self.take(ticket) {
            let (user, id) = (&pending.envelope.to, pending.envelope.id);
            self.shared.claims().release(user, &id);
            if matches!(pending.row, Row::Stored(WaitReason::Fault | WaitReason::Forward)) {
                cx.effects.push(CustodyEffect::Absent { id });
            }
        }
    }

    /// A message for sessions that are behind was stored: they feed themselves, unless another has become live.
    pub(super) fn reroute_behind<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        diverted: &[Diverted<S>],
        cx: &mut CustodyContext<'_, L>,
    ) {
        if self.left_to_sessions(ticket, cx) {
            return;
        }
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let sessions = cx.sessions.of(&pending.envelope.to);
        let behind = offer_to_all(pending, ticket, &sessions, cx);
        if pending.holders.is_empty() {
            self.release(ticket, cx);
            let told = diverted_sessions(diverted, cx);
            for (session, _) in behind {
                if !told.contains(&cx.sessions.id(&session)) {
                    cx.sessions.hint(&session, false);
                }
            }
        } else {
            self.mark_held(ticket);
        }
    }

    /// Notes whether a session has a message whose row is written or being written.
    pub(super) fn mark_held(&mut self, ticket: Ticket) {
        if let Some(pending) = self.pending.get_mut(ticket)
            && matches!(pending.row, Row::Queued(_) | Row::Stored(_))
        {
            let held = pending.is_held();
            self.shared
                .claims()
                .set_held(&pending.envelope.to, &pending.envelope.id, held);
        }
    }

    /// The store is away: messages that wait for it and for nobody else are offered again, in case their recipients have come.
    pub fn retry_queued<L: LocalSessions<Session = S>>(&mut self, cx: &mut CustodyContext<'_, L>) {
        for ticket in self.pending.tickets() {
            let stuck =
                |pending: &mut Pending<S>| matches!(pending.row, Row::Queued(_)) && !pending.is_held();
            if self.pending.get_mut(ticket).is_some_and(stuck) {
                self.route(ticket, cx);
            }
        }
    }
}

/// Offers to live sessions first; once one has it, those that are behind get it as a courtesy. Answers who is behind, and whether it is being
/// replayed to.
fn offer_to_all<L: LocalSessions>(
    pending: &mut Pending<L::Session>,
    ticket: Ticket,
    sessions: &[L::Session],
    cx: &CustodyContext<'_, L>,
) -> SmallVec<[(L::Session, bool); 2]> {
    let mut behind = SmallVec::new();
    let delivery = |courtesy| Delivery {
        envelope: Arc::clone(&pending.envelope),
        ticket: Some(ticket),
        courtesy,
    };
    let mut holders = std::mem::take(&mut pending.holders);
    for session in sessions {
        let id = cx.sessions.id(session);
        if holders.contains(&id) {
            continue;
        }
        match cx.sessions.offer(session, delivery(false), false) {
            Offer::Taken => holders.push(id),
            Offer::Behind { replaying } => behind.push((session.clone(), replaying)),
            Offer::Gone => {}
        }
    }
    if !holders.is_empty() {
        for (session, _) in &behind {
            if cx.sessions.offer(session, delivery(true), false) == Offer::Taken {
                holders.push(cx.sessions.id(session));
            }
        }
    }
    pending.holders = holders;
    behind
}

/// Those of the sessions that are still behind, and are told to expect something from the store.
pub(super) fn divert_all<L: LocalSessions>(
    behind: SmallVec<[(L::Session, bool); 2]>,
    cx: &CustodyContext<'_, L>,
) -> SmallVec<[Diverted<L::Session>; 1]> {
    let still_behind = behind
        .into_iter()
        .filter(|(session, _)| cx.sessions.divert(session));
    still_behind
        .map(|(session, _)| Diverted::Session(session))
        .collect()
}
