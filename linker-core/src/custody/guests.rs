//! Messages that other nodes answer for, and that sessions of this one are to prove.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::claims::Taken;
use super::dedupe::{DedupeKey, Known, Progress};
use super::delivery::{Delivery, Ticket};
use super::effect::{CustodyEffect, NodeWord, Origin, Outcome};
use super::fast::offer_fast;
use super::pending::{Diverted, Pending, Row};
use super::proven_lately::ProvenLately;
use super::router::{Custody, CustodyContext, count, trace, trace_at_once};
use super::routing::divert_all;
use super::sessions::{LocalSessions, Offer};
use super::storing::{diverted_sessions, tell_diverted};
use crate::envelope::{Envelope, Feature};
use crate::id::{MessageId, SessionId};
use crate::port::WaitReason;
use crate::trace::{Fate, Role};

/// A guest for sessions that are behind is forgotten when its origin has not said within this time that it is stored.
const STORED_WITHIN: Duration = Duration::from_secs(30);

/// How long after a proof its origin may turn out to have been dead: longer than it takes to see that a node is dead.
const PROVEN_KEPT: Duration = Duration::from_secs(10);
/// Proven messages are remembered for that up to so many bytes.
const PROVEN_BYTES_MAX: usize = 4 << 20;

/// Guests of one router.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// By the node that answers for them, and its ticket.
    of: HashMap<(SessionId, Ticket), Ticket>,
    /// Those that wait to be stored by their origin, by when.
    waiting: VecDeque<(Duration, Ticket)>,
    /// Those proven lately, by which node's they were: one that dies now may never have heard of it.
    proven: VecDeque<(Duration, SessionId, Arc<Envelope>)>,
    proven_bytes: usize,
    /// Those of them whose node died, and that were confirmed for it.
    finished: ProvenLately,
}

impl Guests {
    fn forget(&mut self, node: SessionId, theirs: Ticket) {
        self.of.remove(&(node, theirs));
        if self.of.is_empty() && self.of.capacity() > 1024 {
            self.of = HashMap::new();
        }
    }

    fn note_proven(&mut self, node: SessionId, envelope: Arc<Envelope>, now: Duration) {
        self.proven_bytes += envelope.cost();
        self.proven.push_back((now, node, envelope));
        while let Some((at, _, oldest)) = self.proven.front()
            && (self.proven_bytes > PROVEN_BYTES_MAX || *at + PROVEN_KEPT <= now)
        {
            self.proven_bytes -= oldest.cost();
            self.proven.pop_front();
        }
    }

    /// What this node's guests have proven lately, oldest first.
    fn take_proven(&mut self, node: SessionId, now: Duration) -> Vec<Arc<Envelope>> {
        let (mut his, mut others) = (Vec::new(), VecDeque::new());
        for (at, of, envelope) in std::mem::take(&mut self.proven) {
            match of == node {
                true if at + PROVEN_KEPT > now => {
                    self.proven_bytes -= envelope.cost();
                    his.push(envelope);
                }
                true => self.proven_bytes -= envelope.cost(),
                false => others.push_back((at, of, envelope)),
            }
        }
        self.proven = others;
        his
    }

    fn take_proven_one(&mut self, id: &MessageId) -> Option<Arc<Envelope>> {
        let at = self
            .proven
            .iter()
            .position(|(_, _, envelope)| envelope.id == *id)?;
        let (_, _, envelope) = self.proven.remove(at)?;
        self.proven_bytes -= envelope.cost();
        Some(envelope)
    }

    /// Whether its row is being removed by this node, for one that died.
    pub(super) fn is_finished(&self, id: &MessageId) -> bool {
        self.finished.contains(id)
    }

    pub(super) fn any_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<S: Clone> Custody<S> {
    /// Another node hands over a message for a session of this one. `theirs`: where it wants to hear of it.
    pub fn on_guest<L: LocalSessions<Session = S>>(
        &mut self,
        node: &S,
        theirs: Option<Ticket>,
        envelope: Arc<Envelope>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(theirs) = theirs else {
            let holders = offer_fast(&envelope, None, cx);
            let (outcome, fate) = match holders.is_empty() {
                true => (Outcome::Dropped, Fate::Dropped),
                false => (Outcome::Delivered, Fate::Delivered),
            };
            trace_at_once(&self.shared, &envelope, Role::Guest, fate, cx);
            count(cx, Feature::Fast, outcome, None);
            return;
        };
        let key = (cx.sessions.id(node), theirs);
        if self.guests.of.contains_key(&key) {
            return;
        }
        let mut reference = None;
        if envelope.feature == Feature::Reliable {
            if self.shared.proven_lately().contains(&envelope.id) {
                tell(node, NodeWord::Proven(theirs, envelope.id), cx);
                return;
            }
            if self.shared.claims().take(&envelope) != Taken::Yes {
                // A session here has it from the store, and answers for it there.
                tell(node, NodeWord::NotHere(theirs), cx);
                return;
            }
            reference = self.shared.dedupe.key(&envelope);
            if let Some(reference) = reference
                && self.is_repeated_guest(reference, node, theirs, &envelope, cx)
            {
                self.shared.claims().release(&envelope.to, &envelope.id);
                return;
            }
        }
        let origin = Origin::Guest(node.clone(), theirs);
        let ticket = self.admit(envelope, origin, false, reference, None, cx.now.elapsed);
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.settled = true;
            pending.row = Row::Guest {
                claimed: pending.envelope.feature == Feature::Reliable,
            };
        }
        self.guests.of.insert(key, ticket);
        self.route(ticket, cx);
    }

    /// Whether the sender had sent it before, by another node: then the origin is told what became of that, now or later.
    fn is_repeated_guest<L: LocalSessions<Session = S>>(
        &mut self,
        reference: DedupeKey,
        node: &S,
        theirs: Ticket,
        envelope: &Envelope,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let known = self.shared.dedupe.begin(reference, envelope.id, cx.now.elapsed);
        // The very same may be handed over by one that took its origin, this node, for dead.
        let repeated = |known: &Known| known.id != envelope.id || known.progress == Progress::Proven;
        let Some(known) = known.filter(repeated) else {
            return false;
        };
        match known.progress {
            Progress::Proven => tell(node, NodeWord::Proven(theirs, envelope.id), cx),
            // Where it is stored, the origin finds it when it stores its own. Where it does not, another node has moved that one on, and the origin comes with its own again.
            Progress::Stored => {
                if !self.shared.claims().is_known_here(&envelope.to, &known.id) {
                    self.shared.dedupe.rename(reference, known.id, envelope.id);
                }
                tell(node, NodeWord::NotHere(theirs), cx);
            }
            Progress::Pending => self.wait_for_original(reference, known.id, node.clone(), theirs, envelope),
        }
        true
    }

    /// What becomes of a guest that no session has taken. False when one of those that were behind went live in between.
    pub(super) fn place_guest<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        behind: SmallVec<[(S, bool); 2]>,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return true;
        };
        if !pending.holders.is_empty() {
            return true;
        }
        let Origin::Guest(node, theirs) = &pending.origin else {
            return true;
        };
        let (node, theirs) = (node.clone(), *theirs);
        if behind.is_empty() || pending.envelope.feature == Feature::Fast {
            self.send_guest_away(ticket, cx);
            return true;
        }
        let replaying = behind.iter().any(|(_, replaying)| *replaying);
        pending.diverted.extend(divert_all(behind, cx));
        if pending.diverted.is_empty() {
            return false;
        }
        // Sessions here may find its row as soon as it is there.
        pending.row = Row::Guest { claimed: false };
        let (user, id) = (pending.envelope.to, pending.envelope.id);
        self.shared.claims().expect(user, id);
        self.guests
            .waiting
            .push_back((cx.now.elapsed + STORED_WITHIN, ticket));
        tell(
            &node,
            NodeWord::Behind {
                ticket: theirs,
                guest: ticket,
                replaying,
            },
            cx,
        );
        true
    }

    /// A guest is here no more: its row, if it has one, waits for whoever asks.
    pub(super) fn let_go_of_claim(&self, guest: &Pending<S>) {
        let (user, id) = (&guest.envelope.to, &guest.envelope.id);
        match guest.row {
            Row::Guest { claimed: true } => self.shared.claims().release(user, id),
            _ => self.shared.claims().expect_no_more(user, id),
        }
    }

    /// Nobody here has it (any more): its origin is told.
    pub(super) fn send_guest_away<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.take(ticket) else { return };
        trace(&self.shared, &pending, Fate::GivenBack, cx);
        self.let_go_of_claim(&pending);
        let Origin::Guest(node, theirs) = pending.origin else {
            return;
        };
        self.guests.forget(cx.sessions.id(&node), theirs);
        if let Some(key) = pending.key {
            self.shared.dedupe.forget(key, pending.envelope.id);
        }
        tell_diverted(&pending.diverted, cx);
        tell(&node, NodeWord::NotHere(theirs), cx);
    }

    pub(super) fn guest_proven<L: LocalSessions<Session = S>>(
        &mut self,
        envelope: &Arc<Envelope>,
        node: S,
        theirs: Ticket,
        diverted: &[Diverted<S>],
        cx: &mut CustodyContext<'_, L>,
    ) {
        let origin = cx.sessions.id(&node);
        self.guests.forget(origin, theirs);
        if envelope.feature == Feature::Reliable {
            let now = cx.now.elapsed;
            self.guests.note_proven(origin, Arc::clone(envelope), now);
            self.shared.proven_lately().insert(envelope, now);
            // Its row may still be seen until the origin has removed it.
            self.shared.claims().deleted(envelope.to, envelope.id, None, now);
            if let Some(key) = self.shared.dedupe.key(envelope) {
                self.shared.dedupe.advance(key, envelope.id, Progress::Proven);
            }
        }
        tell_diverted(diverted, cx);
        tell(&node, NodeWord::Proven(theirs, envelope.id), cx);
    }

    /// Its origin has stored it: sessions that are behind find it there. Where one of them has ended meanwhile, others look too: nobody else gives it to them.
    pub(super) fn on_guest_stored<L: LocalSessions<Session = S>>(
        &mut self,
        guest: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if !self.is_diverted_guest(guest) {
            return;
        }
        if let Some(pending) = self.pending.get_mut(guest) {
            let present = cx.sessions.of(&pending.envelope.to);
            let diverted = diverted_sessions(&pending.diverted, cx);
            let is_here = |id: &SessionId| present.iter().any(|session| cx.sessions.id(session) == *id);
            let all_here = diverted.iter().all(is_here);
            for session in &present {
                if !all_here || diverted.contains(&cx.sessions.id(session)) {
                    // It may be anywhere among what waits.
                    cx.sessions.hint(session, false);
                }
            }
        }
        self.forget_guest(guest, cx);
    }

    /// Sessions that are behind get it all the same, as far as their bound allows.
    pub(super) fn give_to_behind<L: LocalSessions<Session = S>>(
        &mut self,
        guest: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if !self.is_diverted_guest(guest) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let Some(pending) = self.pending.get_mut(guest) else {
            return;
        };
        let diverted = std::mem::take(&mut pending.diverted);
        // Unless a page has shown it to one of them meanwhile.
        if shared.claims().take(&pending.envelope) == Taken::Yes {
            pending.row = Row::Guest { claimed: true };
            for diverted in &diverted {
                if let Diverted::Session(session) = diverted {
                    let delivery = Delivery {
                        envelope: Arc::clone(&pending.envelope),
                        ticket: Some(guest),
                        courtesy: true,
                    };
                    if cx.sessions.offer(session, delivery, false) == Offer::Taken {
                        pending.holders.push(cx.sessions.id(session));
                    }
                }
            }
        }
        let taken = !pending.holders.is_empty();
        tell_diverted(&diverted, cx);
        if !taken {
            self.send_guest_away(guest, cx);
        }
    }

    fn is_diverted_guest(&mut self, guest: Ticket) -> bool {
        let pending = self.pending.get_mut(guest);
        pending.is_some_and(|pending| pending.row.is_guest() && !pending.diverted.is_empty())
    }

    /// Forgets a guest without a word to its origin, which knows.
    fn forget_guest<L: LocalSessions<Session = S>>(&mut self, guest: Ticket, cx: &mut CustodyContext<'_, L>) {
        let Some(pending) = self.take(guest) else { return };
        trace(&self.shared, &pending, Fate::Stored, cx);
        self.shared
            .claims()
            .expect_no_more(&pending.envelope.to, &pending.envelope.id);
        if let Origin::Guest(node, theirs) = &pending.origin {
            self.guests.forget(cx.sessions.id(node), *theirs);
        }
        if let Some(key) = pending.key {
            self.shared.dedupe.forget(key, pending.envelope.id);
        }
        tell_diverted(&pending.diverted, cx);
    }

    /// A node asks whether something of its own is still under way here.
    pub(super) fn on_ask<L: LocalSessions<Session = S>>(
        &mut self,
        node: &S,
        theirs: Ticket,
        id: MessageId,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if self.guests.of.contains_key(&(cx.sessions.id(node), theirs)) {
            return;
        }
        if self.is_awaited_by(node, theirs, id, cx) {
            return;
        }
        let proven = self.shared.proven_lately().contains(&id);
        let word = match proven {
            true => NodeWord::Proven(theirs, id),
            false => NodeWord::NotHere(theirs),
        };
        tell(node, word, cx);
    }

    /// The node that answered for it had given it up before it heard that it was proven.
    pub(super) fn finish_guest<L: LocalSessions<Session = S>>(
        &mut self,
        id: MessageId,
        cx: &mut CustodyContext<'_, L>,
    ) {
        if let Some(proven) = self.guests.take_proven_one(&id) {
            self.finish(&proven, cx);
        }
    }

    /// Does what is owed for a guest that was proven: its row goes, and the confirmation has the same id whoever owes it.
    fn finish<L: LocalSessions<Session = S>>(&mut self, proven: &Envelope, cx: &mut CustodyContext<'_, L>) {
        self.guests.finished.insert(proven, cx.now.elapsed);
        if proven.confirm {
            self.confirm(
                proven,
                proven.id.of_confirmation(),
                Some(proven.id),
                Origin::Node,
                cx,
            );
        } else {
            let (user, id) = (proven.to, proven.id);
            cx.effects.push(CustodyEffect::Delete {
                user,
                id,
                forwarded: None,
            });
        }
    }

    /// The node that answered for them is gone: this one does from now on. Their rows may be there already, which inserting them finds out.
    pub(super) fn inherit_guests<L: LocalSessions<Session = S>>(
        &mut self,
        node: SessionId,
        cx: &mut CustodyContext<'_, L>,
    ) {
        for proven in self.guests.take_proven(node, cx.now.elapsed) {
            // It may have heard of it, and may not.
            self.finish(&proven, cx);
        }
        let mut inherited: Vec<Ticket> = Vec::new();
        self.guests.of.retain(|(of, _), ticket| {
            let his = *of == node;
            if his {
                inherited.push(*ticket);
            }
            !his
        });
        inherited.sort_by_key(|ticket| ticket.generation);
        for ticket in inherited {
            let in_flight = self.reason_in_flight(ticket);
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            let free = pending.row == (Row::Guest { claimed: false }) && pending.feature_is_reliable();
            if free && self.shared.claims().take(&pending.envelope) != Taken::Yes {
                // A session has it from the store, and answers for it there.
                self.forget_guest(ticket, cx);
                continue;
            }
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            pending.origin = Origin::Node;
            pending.row = Row::None;
            if pending.envelope.feature == Feature::Fast {
                continue;
            }
            self.join_line(ticket);
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            let reason = match pending.is_held() {
                true => in_flight,
                false => WaitReason::Behind,
            };
            self.insert_row(ticket, reason, cx);
        }
    }

    /// Guests whose origin never said that they are stored: it has lost them, or found another way.
    pub(super) fn forget_late_guests<L: LocalSessions<Session = S>>(
        &mut self,
        cx: &mut CustodyContext<'_, L>,
    ) {
        while let Some(&(by, guest)) = self.guests.waiting.front() {
            if by > cx.now.elapsed {
                break;
            }
            self.guests.waiting.pop_front();
            // It may be in the store all the same.
            self.on_guest_stored(guest, cx);
        }
    }
}

fn tell<L: LocalSessions>(node: &L::Session, word: NodeWord, cx: &mut CustodyContext<'_, L>) {
    let node = node.clone();
    cx.effects.push(CustodyEffect::Tell { node, word });
}
