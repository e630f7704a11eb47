//! Handing messages to the store, and its answers.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::dedupe::Progress;
use super::delivery::Ticket;
use super::effect::{CustodyEffect, NodeWord, Origin, Outcome, Settlement};
use super::pending::{Diverted, Pending, Row};
use super::router::{Custody, CustodyContext, Submission, count, settle, trace};
use super::sessions::{Elsewhere, LocalSessions};
use super::upstream::report;
use crate::code::{ErrorCode, FrameError};
use crate::envelope::{Envelope, Feature, Kind};
use crate::frame::error_content;
use crate::id::{MessageId, SessionId, UserId};
use crate::port::{InsertOutcome, WaitReason};
use crate::trace::Fate;
use crate::upstream::UpstreamEvent;

impl<S: Clone> Custody<S> {
    /// Hands a message to the store, behind those to the same recipient that were taken before it: a replay keeps their order.
    pub(super) fn store<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        reason: WaitReason,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(to) = self.pending.get_mut(ticket).map(|pending| pending.envelope.to) else {
            return;
        };
        if self.windowed.remove(&to) {
            // In the order they were taken, this one in its own place among them.
            let taken: Vec<Ticket> = self.window.iter().map(|(_, taken)| *taken).collect();
            for taken in taken {
                let unsaved = |p: &mut Pending<S>| p.row == Row::None && p.envelope.to == to;
                if self.pending.get_mut(taken).is_some_and(unsaved) {
                    // Each for its own domain, or for none.
                    let reason = match reason {
                        WaitReason::Forward => self.reason_in_flight(taken),
                        other => other,
                    };
                    self.insert_row(taken, reason, cx);
                }
            }
        }
        if self
            .pending
            .get_mut(ticket)
            .is_some_and(|pending| pending.row == Row::None)
        {
            self.insert_row(ticket, reason, cx);
        }
    }

    pub(super) fn insert_row<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        reason: WaitReason,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        pending.row = Row::Queued(reason);
        pending.parked = false;
        let home = pending.home.clone().filter(|_| reason == WaitReason::Forward);
        if let Some(home) = &home
            && pending.diverted_forward.is_none()
        {
            pending.diverted_forward = Some(home.clone());
            cx.sessions.divert_forward(home, true);
        }
        let envelope = Arc::clone(&pending.envelope);
        let held = pending.is_held();
        self.shared.claims().write(envelope.to, envelope.id, held);
        cx.effects.push(CustodyEffect::Insert {
            ticket,
            envelope,
            reason,
            home,
            replaces: pending.replaces,
        });
    }

    /// The store has answered an insert.
    pub fn on_stored<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        outcome: InsertOutcome,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let reason = match pending.row {
            Row::Queued(reason) => reason,
            Row::Asked(original) => return self.on_asked(ticket, original, outcome, cx),
            Row::None | Row::Stored(_) | Row::Guest { .. } => return,
        };
        let diverted = std::mem::take(&mut pending.diverted);
        let diverted_forward = pending.diverted_forward.take();
        match outcome {
            InsertOutcome::Stored => {
                pending.row = Row::Stored(reason);
                pending.stored_at = cx.now.elapsed;
                if let Some(replaced) = pending.replaces.take() {
                    let author = pending.envelope.from;
                    self.shared
                        .claims()
                        .deleted(author, replaced, None, cx.now.elapsed);
                }
                if !pending.settled {
                    trace(&self.shared, pending, Fate::Stored, cx);
                    if pending.envelope.kind.counts() {
                        count(cx, Feature::Reliable, Outcome::Stored, None);
                        if self.shared.reports.stored {
                            report(UpstreamEvent::Stored, &pending.envelope, cx);
                        }
                    }
                }
                if let Some(key) = pending.key {
                    self.shared
                        .dedupe
                        .advance(key, pending.envelope.id, Progress::Stored);
                }
                settle(pending, Settlement::Stored, pending.envelope.id, cx);
            }
            InsertOutcome::Duplicate(first) => {
                trace(&self.shared, pending, Fate::Duplicate, cx);
                count(cx, Feature::Reliable, Outcome::Duplicate, None);
                settle(pending, Settlement::Stored, first, cx);
                if let Some(key) = pending.key {
                    // The first was forgotten here, not there: it is what repetitions are told of, for as long as the store would find it.
                    let age = Duration::from_millis(cx.now.unix_ms.saturating_sub(first.unix_ms()));
                    self.shared.dedupe.forget(key, pending.envelope.id);
                    self.shared.dedupe.recall(key, first, age, cx.now.elapsed);
                }
                pending.holders.clear();
                self.release(ticket, cx);
            }
            InsertOutcome::InboxFull => self.inbox_full(ticket, cx),
        }
        if let Some(home) = diverted_forward {
            self.leave_stored_forward(ticket, reason == WaitReason::Forward, cx);
            cx.sessions.forward_is_stored(&home);
            return;
        }
        if self.is_to_be_behind(ticket) {
            if let Some(pending) = self.pending.get_mut(ticket) {
                pending.diverted = diverted;
            }
            self.mark_behind(ticket, cx);
            return;
        }
        tell_diverted(&diverted, cx);
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if !pending.row.is_stored() || pending.is_held() {
            self.strip(ticket);
            return;
        }
        let user = pending.envelope.to;
        if reason == WaitReason::Behind
            && !(self.shared.config.several_nodes && has_moved(&user, &diverted, cx))
        {
            self.reroute_behind(ticket, &diverted, cx);
        } else {
            // Who logged in meanwhile gets it at once.
            self.route(ticket, cx);
        }
    }

    /// Whether sessions of another node that are behind could not find its row among those they look for.
    fn is_to_be_behind(&mut self, ticket: Ticket) -> bool {
        self.pending.get_mut(ticket).is_some_and(|pending| {
            let wanted = std::mem::take(&mut pending.wants_behind) && !pending.is_held();
            wanted && matches!(pending.row, Row::Stored(WaitReason::Absent | WaitReason::Fault))
        })
    }

    /// Its row is to say that it waits for sessions that are behind.
    pub(super) fn mark_behind<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        pending.row = Row::Queued(WaitReason::Behind);
        let (user, id) = (pending.envelope.to, pending.envelope.id);
        self.shared.claims().write(user, id, false);
        cx.effects.push(CustodyEffect::Behind { ticket, id });
    }

    /// The recipient's inbox is full. A message that sessions have may still be proven; else its sender is told.
    fn inbox_full<L: LocalSessions<Session = S>>(&mut self, ticket: Ticket, cx: &mut CustodyContext<'_, L>) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        self.shared
            .claims()
            .release(&pending.envelope.to, &pending.envelope.id);
        pending.row = Row::None;
        if pending.is_held() {
            return;
        }
        let Some(mut pending) = self.take(ticket) else {
            return;
        };
        if let Some(key) = pending.key {
            self.shared.dedupe.forget(key, pending.envelope.id);
        }
        trace(&self.shared, &pending, Fate::Refused, cx);
        count(cx, Feature::Reliable, Outcome::Refused, None);
        let whose = match pending.envelope.kind.is_upstream() {
            true => "the application".to_owned(),
            false => pending.envelope.to.to_string(),
        };
        let error = FrameError::new(
            ErrorCode::InboxFull,
            format!("too many messages wait for {whose}"),
        );
        let by_call = matches!(pending.origin, Origin::Call(_));
        // The receipt for what came from another domain is owed until the refusal is safe.
        let origin = pending.take_owed_receipt();
        let refusal = refusal_of(&pending.envelope, &error, (cx.new_id)(), cx.now.unix_ms);
        let id = pending.envelope.id;
        settle(&mut pending, Settlement::Refused(error), id, cx);
        if !by_call {
            self.submit(
                Submission {
                    envelope: refusal,
                    origin,
                    accepted: false,
                },
                cx,
            );
        }
    }
}

/// What the sender of a message is told that was taken and is refused after all.
pub(super) fn refusal_of(refused: &Envelope, error: &FrameError, id: MessageId, now_ms: u64) -> Envelope {
    Envelope {
        id,
        kind: Kind::Refusal,
        feature: Feature::Reliable,
        from: refused.to,
        to: refused.from,
        reference: refused.reference.clone(),
        confirm: false,
        timestamp_ms: now_ms,
        content: error_content(error),
        trail: None,
    }
}

/// Whether the sessions that were to find a row may have ended, or may not be all there are elsewhere.
fn has_moved<L: LocalSessions>(
    user: &UserId,
    diverted: &[Diverted<L::Session>],
    cx: &CustodyContext<'_, L>,
) -> bool {
    let nodes: SmallVec<[SessionId; 2]> = diverted
        .iter()
        .filter_map(|diverted| match diverted {
            Diverted::Guest(node, _) => Some(cx.sessions.id(node)),
            Diverted::Session(_) => None,
        })
        .collect();
    if nodes.is_empty() {
        // Sessions of this node: the last of them may be on another one by now.
        return cx.sessions.of(user).is_empty();
    }
    match cx.sessions.elsewhere(user) {
        Elsewhere::Nodes(found) => {
            let told = |node: &L::Session| nodes.contains(&cx.sessions.id(node));
            !found.iter().any(told) || !found.iter().all(told)
        }
        Elsewhere::Asked => true,
        Elsewhere::Unknown => false,
    }
}

/// Those of them that are sessions of this node.
pub(super) fn diverted_sessions<L: LocalSessions>(
    diverted: &[Diverted<L::Session>],
    cx: &CustodyContext<'_, L>,
) -> SmallVec<[SessionId; 2]> {
    let session = |diverted: &Diverted<L::Session>| match diverted {
        Diverted::Session(session) => Some(cx.sessions.id(session)),
        Diverted::Guest(..) => None,
    };
    diverted.iter().filter_map(session).collect()
}

/// The row is in the store, or will not be: sessions that were told to expect it look, and may go live again.
pub(super) fn tell_diverted<L: LocalSessions>(
    diverted: &[Diverted<L::Session>],
    cx: &mut CustodyContext<'_, L>,
) {
    for diverted in diverted {
        match diverted {
            Diverted::Session(session) => cx.sessions.hint(session, true),
            Diverted::Guest(node, guest) => cx.effects.push(CustodyEffect::Tell {
                node: node.clone(),
                word: NodeWord::Stored(*guest),
            }),
        }
    }
}
