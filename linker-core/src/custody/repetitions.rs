//! Messages sent again under their reference.

use std::sync::Arc;

use super::dedupe::{DedupeKey, Known, Progress};
use super::delivery::Ticket;
use super::effect::{CustodyEffect, NodeWord, Origin, Outcome, Settlement};
use super::pending::Row;
use super::router::{Custody, CustodyContext, count, settle, trace_at_once};
use super::sessions::LocalSessions;
use crate::envelope::{Envelope, Feature};
use crate::id::MessageId;
use crate::port::{InsertOutcome, WaitReason};
use crate::trace::{Fate, Role};

/// Repetitions that wait to learn what becomes of their original; beyond that they are counted and get no word of their own.
const ECHOES_MAX: usize = 10_000;

/// A repetition that waits for word of its original.
#[derive(Debug)]
pub(super) struct Echo<S> {
    key: DedupeKey,
    id: MessageId,
    origin: Origin<S>,
    confirm: bool,
    reference: Option<Box<str>>,
    cost: usize,
    /// The repetition's own id, where another node answers for it.
    guest: MessageId,
}

impl<S: Clone> Custody<S> {
    pub(super) fn repeated<L: LocalSessions<Session = S>>(
        &mut self,
        key: DedupeKey,
        known: Known,
        envelope: Envelope,
        origin: Origin<S>,
        accepted: bool,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if self.shared.sampling.takes(&envelope.id) {
            // The very same, come twice, has had its first time.
            let role = match known.id == envelope.id {
                true => Role::Again,
                false => Role::New,
            };
            let envelope = Arc::new(envelope.clone());
            trace_at_once(&self.shared, &envelope, role, Fate::Duplicate, cx);
        }
        count(cx, Feature::Reliable, Outcome::Duplicate, None);
        // The very same, come twice from another domain, is where it was stored: asking by inserting it would remove it.
        let is_another = known.id != envelope.id;
        if known.progress == Progress::Stored && self.shared.config.several_nodes && is_another {
            // Another node may have moved it on, and have told nobody here.
            let own_row = Some(envelope.id);
            let envelope = Arc::new(envelope);
            let ticket = self.hold(envelope, origin, accepted, Some(key), own_row, cx.now.elapsed);
            if let Some(pending) = self.pending.get_mut(ticket) {
                pending.row = Row::Asked(known.id);
            }
            self.ask_store(ticket, cx);
            return;
        }
        if known.progress == Progress::Proven && envelope.confirm {
            // A new one: the sender may have got the first, and lost it.
            let id = (cx.new_id)();
            self.confirm(&envelope, id, None, Origin::Node, cx);
        }
        let settlement = match known.progress {
            Progress::Stored => Settlement::Stored,
            Progress::Proven => Settlement::Delivered,
            Progress::Pending if self.echoes.len() < ECHOES_MAX => {
                let (confirm, cost, guest) = (envelope.confirm, envelope.cost(), envelope.id);
                let reference = envelope.reference;
                self.echoes.push_back(Echo {
                    key,
                    id: known.id,
                    origin,
                    confirm,
                    reference,
                    cost,
                    guest,
                });
                return;
            }
            Progress::Pending => Settlement::Repeated,
        };
        cx.effects.push(CustodyEffect::Settled {
            origin,
            accepted: true,
            confirm: envelope.confirm,
            id: known.id,
            cost: envelope.cost(),
            reference: envelope.reference,
            settlement,
        });
    }

    /// Asks the store whether what this message repeats waits there: by inserting it in a transaction that removes it again.
    pub(super) fn ask_store<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        cx.effects.push(CustodyEffect::Insert {
            ticket,
            envelope: Arc::clone(&pending.envelope),
            reason: WaitReason::Absent,
            home: None,
            replaces: pending.replaces,
        });
    }

    /// The store has answered whether what a message repeats waits there. What was stored and waits no more was proven, and is confirmed once more.
    pub(super) fn on_asked<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        original: MessageId,
        outcome: InsertOutcome,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(mut pending) = self.take(ticket) else {
            return;
        };
        let settlement = match outcome {
            InsertOutcome::Duplicate(_) => Settlement::Stored,
            InsertOutcome::Stored | InsertOutcome::InboxFull => Settlement::Delivered,
        };
        if settlement == Settlement::Delivered {
            if let Some(key) = pending.key {
                self.shared.dedupe.advance(key, original, Progress::Proven);
            }
            if pending.envelope.confirm {
                let id = (cx.new_id)();
                let owed = pending.take_owed_receipt();
                self.confirm(&pending.envelope, id, None, owed, cx);
            }
        }
        settle(&mut pending, settlement, original, cx);
    }

    /// A guest that its sender had sent before, by another node, waits for word of that.
    pub(super) fn wait_for_original(
        &mut self,
        key: DedupeKey,
        id: MessageId,
        node: S,
        theirs: Ticket,
        envelope: &Envelope,
    ) {
        if self.echoes.len() < ECHOES_MAX {
            self.echoes.push_back(Echo {
                key,
                id,
                origin: Origin::Guest(node, theirs),
                confirm: envelope.confirm,
                reference: None,
                cost: 0,
                guest: envelope.id,
            });
        }
    }

    /// Whether a guest waits for word of the message that it repeats. One that is the older of the two waits no longer: on its own node the other may
    /// wait for it.
    pub(super) fn is_awaited_by<L: LocalSessions<Session = S>>(
        &mut self,
        node: &S,
        theirs: Ticket,
        id: MessageId,
        cx: &CustodyContext<'_, L>,
    ) -> bool {
        let node = cx.sessions.id(node);
        let is_it = |echo: &Echo<S>| match &echo.origin {
            Origin::Guest(of, ticket) => *ticket == theirs && cx.sessions.id(of) == node,
            _ => false,
        };
        self.echoes.retain(|echo| !is_it(echo) || echo.id < id);
        self.echoes.iter().any(is_it)
    }

    pub(super) fn answer_echoes<L: LocalSessions<Session = S>>(&mut self, cx: &mut CustodyContext<'_, L>) {
        let now = cx.now.elapsed;
        let dedupe = &self.shared.dedupe;
        self.echoes.retain_mut(|echo| {
            let settlement = match dedupe.find(echo.key, now).filter(|known| known.id == echo.id) {
                Some(Known {
                    progress: Progress::Pending,
                    ..
                }) => return true,
                Some(Known {
                    progress: Progress::Stored,
                    ..
                }) => Settlement::Stored,
                Some(Known {
                    progress: Progress::Proven,
                    ..
                }) => Settlement::Delivered,
                // Refused, or forgotten: the original's sender was told.
                None => Settlement::Repeated,
            };
            if let Origin::Guest(node, theirs) = &echo.origin {
                let word = match settlement {
                    Settlement::Delivered => NodeWord::Proven(*theirs, echo.guest),
                    _ => NodeWord::NotHere(*theirs),
                };
                let node = node.clone();
                cx.effects.push(CustodyEffect::Tell { node, word });
                return false;
            }
            cx.effects.push(CustodyEffect::Settled {
                origin: echo.origin.clone(),
                accepted: true,
                confirm: echo.confirm,
                id: echo.id,
                reference: echo.reference.take(),
                cost: echo.cost,
                settlement,
            });
            false
        });
    }
}
