//! Messages for users whose sessions are on other nodes: looking for those, handing messages over, and what becomes of that.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smallvec::SmallVec;

use super::delivery::Ticket;
use super::effect::{CustodyEffect, NodeWord, Origin};
use super::pending::{Pending, Row};
use super::router::{Custody, CustodyContext};
use super::sessions::{Elsewhere, LocalSessions, NodeOffer};
use crate::envelope::{Envelope, Feature};
use crate::id::{SessionId, UserId};
use crate::port::WaitReason;

/// A node that has a message for so long without a word is asked whether it still has it: the bus may have lost the one or the other.
const ASK_AFTER: Duration = Duration::from_secs(2);
/// How often it is looked for such messages, and for those that a fault keeps in memory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A message that waits to learn where else its recipient is.
#[derive(Debug)]
enum Waiting {
    Pending(Ticket),
    /// A session here has proven it meanwhile. Those elsewhere get it all the same; what they answer goes to nobody.
    Proven(Ticket, Arc<Envelope>),
}

/// A user whom presence is asked about.
#[derive(Debug, Default)]
struct Sought {
    waiting: VecDeque<Waiting>,
    /// No session here had taken one of them: what comes after it must not overtake it.
    unheld: bool,
    /// The answer that is awaited may be too old.
    again: bool,
    /// The question was not asked before this.
    asked_at: Duration,
}

impl Sought {
    fn asked_at(now: Duration) -> Self {
        Self {
            asked_at: now,
            ..Self::default()
        }
    }
}

/// What a router remembers of its dealings with other nodes.
#[derive(Debug)]
pub(super) struct ElsewhereState<S> {
    /// Messages that wait to learn where else their recipient is, in the order taken.
    sought: HashMap<UserId, Sought>,
    /// The answer that is being acted upon.
    answer: Option<(UserId, Elsewhere<S>)>,
    /// It is true of this time, or of a later one.
    answer_as_of: Duration,
    /// Stored messages that a fault keeps from being moved, and whose row does not say so.
    pub(super) stuck: Vec<Ticket>,
    /// Something was handed to another node since it was last looked.
    handed: bool,
    look_at: Duration,
}

impl<S> Default for ElsewhereState<S> {
    fn default() -> Self {
        Self {
            sought: HashMap::new(),
            answer: None,
            answer_as_of: Duration::ZERO,
            stuck: Vec::new(),
            handed: false,
            look_at: Duration::ZERO,
        }
    }
}

impl<S: Clone> Custody<S> {
    /// Hands a message to the other nodes that have its recipient, or has them looked for. True where a fault keeps it from that.
    pub(super) fn offer_elsewhere<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let Some(user) = self.pending.get_mut(ticket).map(|pending| pending.envelope.to) else {
            return false;
        };
        let answered = self.elsewhere.answer.as_ref().filter(|(of, _)| *of == user);
        let elsewhere = match answered {
            Some((_, answer)) => answer.clone(),
            // What came before waits for the answer: it must not be overtaken.
            None if self.elsewhere.sought.contains_key(&user) => Elsewhere::Asked,
            None => cx.sessions.elsewhere(&user),
        };
        if let Elsewhere::Nodes(nodes) = &elsewhere
            && !nodes.is_empty()
        {
            self.offer_earlier(ticket, user, nodes, cx);
        }
        let Some(pending) = self.pending.get_mut(ticket) else {
            return false;
        };
        match elsewhere {
            Elsewhere::Nodes(nodes) => {
                let offering = offer_to_nodes(pending, ticket, &nodes, cx);
                self.lines.refused(&user, &offering.without);
                self.note_handed(offering.sent, cx.now.elapsed);
                offering.fault
            }
            Elsewhere::Asked => {
                if !pending.sought {
                    pending.sought = true;
                    let sought = self
                        .elsewhere
                        .sought
                        .entry(user)
                        .or_insert_with(|| Sought::asked_at(cx.now.elapsed));
                    sought.unheld |= pending.holders.is_empty();
                    sought.waiting.push_back(Waiting::Pending(ticket));
                }
                false
            }
            Elsewhere::Unknown => true,
        }
    }

    /// Whether a message that nobody has yet must wait with those before it, to learn where else their recipient is: a session here that takes messages
    /// by now was behind when they came.
    pub(super) fn waits_in_line(&mut self, ticket: Ticket) -> bool {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return false;
        };
        let fresh = pending.row == Row::None && pending.feature_is_reliable() && !pending.is_held();
        let sought = self.elsewhere.sought.get_mut(&pending.envelope.to);
        match sought.filter(|sought| fresh && sought.unheld) {
            Some(sought) => {
                pending.sought = true;
                sought.waiting.push_back(Waiting::Pending(ticket));
                true
            }
            None => false,
        }
    }

    pub(super) fn note_handed(&mut self, sent: bool, now: Duration) {
        if sent && !self.elsewhere.handed {
            self.elsewhere.handed = true;
            self.elsewhere.look_at = now + LOOK_EVERY;
        }
    }

    /// Presence has answered where else a user is; what waited for that goes on.
    pub fn on_located<L: LocalSessions<Session = S>>(
        &mut self,
        user: UserId,
        elsewhere: Elsewhere<S>,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(sought) = self.elsewhere.sought.get_mut(&user) else {
            return;
        };
        let mut elsewhere = elsewhere;
        if std::mem::take(&mut sought.again) {
            elsewhere = cx.sessions.elsewhere(&user);
            sought.asked_at = cx.now.elapsed;
            if matches!(elsewhere, Elsewhere::Asked) {
                return;
            }
        }
        let Some(Sought {
            waiting, asked_at, ..
        }) = self.elsewhere.sought.remove(&user)
        else {
            return;
        };
        self.elsewhere.answer_as_of = asked_at;
        self.elsewhere.answer = Some((user, elsewhere));
        for waiting in waiting {
            let ticket = match waiting {
                Waiting::Pending(ticket) => ticket,
                Waiting::Proven(ticket, envelope) => {
                    self.hand_over_proven(ticket, &envelope, cx);
                    continue;
                }
            };
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            pending.sought = false;
            if pending.envelope.feature == Feature::Fast && !matches!(pending.origin, Origin::Guest(..)) {
                self.locate_fast(ticket, cx);
            } else {
                self.route(ticket, cx);
            }
        }
        self.elsewhere.answer = None;
    }

    /// A session here has proven a message before it was known where else its recipient is.
    pub(super) fn proven_while_sought(&mut self, ticket: Ticket, envelope: &Arc<Envelope>) {
        if self.shared.is_full() {
            return;
        }
        let sought = self.elsewhere.sought.get_mut(&envelope.to);
        let mut waiting = sought.into_iter().flat_map(|sought| &mut sought.waiting);
        let of_ticket = |waiting: &&mut Waiting| matches!(waiting, Waiting::Pending(of) if *of == ticket);
        if let Some(waiting) = waiting.find(of_ticket) {
            *waiting = Waiting::Proven(ticket, Arc::clone(envelope));
        }
    }

    fn hand_over_proven<L: LocalSessions<Session = S>>(
        &self,
        ticket: Ticket,
        envelope: &Arc<Envelope>,
        cx: &CustodyContext<'_, L>,
    ) {
        if let Some((_, Elsewhere::Nodes(nodes))) = &self.elsewhere.answer {
            let ticket = (envelope.feature == Feature::Reliable).then_some(ticket);
            if ticket.is_some() && !nodes.is_empty() {
                // Their sessions will prove what is confirmed already.
                self.shared.proven_lately().insert(envelope, cx.now.elapsed);
            }
            for node in nodes {
                cx.sessions.offer_node(node, envelope, ticket);
            }
        }
    }

    /// A stored message that nobody has is about to be left to the store: whether presence was not asked since it was stored, and is asked now.
    pub(super) fn looks_once_more<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        if !self.shared.config.several_nodes {
            return false;
        }
        let Some(pending) = self.pending.get_mut(ticket) else {
            return false;
        };
        if std::mem::replace(&mut pending.looked_once_more, true) {
            return false;
        }
        let user = pending.envelope.to;
        let answered = self.elsewhere.answer.as_ref().is_some_and(|(of, _)| *of == user);
        if answered && pending.refused_by.is_empty() && self.elsewhere.answer_as_of >= pending.stored_at {
            return false;
        }
        pending.refused_by.clear();
        if answered {
            self.elsewhere.answer = None;
        }
        if let Some(sought) = self.elsewhere.sought.get_mut(&user) {
            sought.again = true;
        }
        cx.sessions.forget_elsewhere(&user);
        true
    }

    /// A fault keeps a stored message from being moved. It stays here, in line, so that nothing newer overtakes it when the fault ends. Where too many wait so, it
    /// is left to the store, for whoever takes over then.
    pub(super) fn wait_for_fault(&mut self, ticket: Ticket) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        let (user, id) = (pending.envelope.to, pending.envelope.id);
        if pending.row == Row::Stored(WaitReason::Fault) && self.shared.holds_enough() {
            drop(self.take(ticket));
            self.shared.has_faults.store(true, Ordering::Release);
            self.shared.claims().release(&user, &id);
        } else {
            self.elsewhere.stuck.push(ticket);
            self.shared.claims().keep(user, id);
        }
    }

    /// The node stops: what is in the store, and in no session's hands here, is left to the others.
    pub fn let_go_of_stored(&mut self) {
        for ticket in self.pending.tickets() {
            let let_go = |pending: &mut Pending<S>| {
                let elsewhere = pending
                    .holders
                    .iter()
                    .all(|holder| holder.is_node() || holder.is_link());
                elsewhere && (pending.row.is_stored() || pending.envelope.feature == Feature::Fast)
            };
            if self.pending.get_mut(ticket).is_some_and(let_go) {
                // Rows stay marked as ours: whoever sees that we are gone takes them over.
                drop(self.take(ticket));
            }
        }
    }

    pub(super) fn elsewhere_deadline(&self) -> Option<Duration> {
        let waits = self.elsewhere.handed || !self.elsewhere.stuck.is_empty() || self.guests.any_waits();
        waits.then_some(self.elsewhere.look_at)
    }

    /// Asks other nodes for what they have had for long, and tries again what a fault kept.
    pub(super) fn look_elsewhere<L: LocalSessions<Session = S>>(&mut self, cx: &mut CustodyContext<'_, L>) {
        let now = cx.now.elapsed;
        if self.elsewhere.look_at > now || self.elsewhere_deadline().is_none() {
            return;
        }
        self.elsewhere.look_at = now + LOOK_EVERY;
        let mut stuck = std::mem::take(&mut self.elsewhere.stuck);
        stuck.sort_unstable_by_key(|ticket| ticket.generation);
        for ticket in stuck {
            self.try_again(ticket, cx);
        }
        self.forget_late_guests(cx);
        let mut handed = false;
        for ticket in self.pending.tickets() {
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            let nodes: SmallVec<[SessionId; 2]> = pending
                .holders
                .iter()
                .copied()
                .filter(|id| id.is_node())
                .collect();
            handed |= !nodes.is_empty();
            if nodes.is_empty() || pending.asked_at + ASK_AFTER > now {
                continue;
            }
            pending.asked_at = now;
            pending.asked = true;
            let word = NodeWord::Ask(ticket, pending.envelope.id);
            for id in nodes {
                match cx.sessions.node(id) {
                    Some(node) => cx.effects.push(CustodyEffect::Tell { node, word }),
                    None => self.on_given_back(ticket, id, cx),
                }
            }
        }
        self.elsewhere.handed = handed;
    }

    /// Routes what a fault kept, unless a session has got it from the store meanwhile: then that one answers for it.
    pub(super) fn try_again<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if !pending.is_stuck() {
            // A newer one has taken it along.
            return;
        }
        let (user, id) = (pending.envelope.to, pending.envelope.id);
        let kept = self.shared.claims().take_kept(&user, &id);
        match kept {
            true => self.route(ticket, cx),
            false => drop(self.take(ticket)),
        }
    }

    /// Forgets what was asked of presence: another router will ask anew.
    pub(super) fn forget_elsewhere(&mut self) {
        self.elsewhere = ElsewhereState::default();
    }

    /// Sends FAST to where its recipient was found, and is done with it unless a proof is awaited.
    fn locate_fast<L: LocalSessions<Session = S>>(&mut self, ticket: Ticket, cx: &mut CustodyContext<'_, L>) {
        let answer = self.elsewhere.answer.as_ref().map(|(_, answer)| answer.clone());
        let nodes = match answer {
            Some(Elsewhere::Nodes(nodes)) => nodes,
            _ => SmallVec::new(),
        };
        self.send_fast(ticket, &nodes, cx);
    }

    pub(super) fn seek_fast(&mut self, user: UserId, ticket: Ticket, now: Duration) {
        self.elsewhere
            .sought
            .entry(user)
            .or_insert_with(|| Sought::asked_at(now))
            .waiting
            .push_back(Waiting::Pending(ticket));
    }

    /// Where else the recipient of a FAST message is, unless what came before waits to learn that.
    pub(super) fn elsewhere_for_fast<L: LocalSessions<Session = S>>(
        &self,
        user: &UserId,
        cx: &CustodyContext<'_, L>,
    ) -> Elsewhere<S> {
        match self.elsewhere.sought.contains_key(user) {
            true => Elsewhere::Asked,
            false => cx.sessions.elsewhere(user),
        }
    }

    pub(super) fn note_fast_handed(&mut self, now: Duration) {
        self.note_handed(true, now);
    }
}

/// What came of offering a message to nodes.
#[derive(Debug, Default)]
pub(super) struct Offering {
    /// One was sent it now.
    pub(super) sent: bool,
    /// A fault kept it from one.
    pub(super) fault: bool,
    /// Those that do not have it.
    pub(super) without: SmallVec<[SessionId; 2]>,
}

pub(super) fn offer_to_nodes<L: LocalSessions>(
    pending: &mut Pending<L::Session>,
    ticket: Ticket,
    nodes: &[L::Session],
    cx: &CustodyContext<'_, L>,
) -> Offering {
    let mut offering = Offering::default();
    for node in nodes {
        let id = cx.sessions.id(node);
        if pending.holders.contains(&id) {
            continue;
        }
        if pending.refused_by.contains(&id) {
            offering.without.push(id);
            continue;
        }
        match cx.sessions.offer_node(node, &pending.envelope, Some(ticket)) {
            NodeOffer::Sent => {
                pending.holders.push(id);
                pending.asked_at = cx.now.elapsed;
                pending.asked = false;
                offering.sent = true;
            }
            NodeOffer::Gone => offering.without.push(id),
            NodeOffer::Away => {
                offering.without.push(id);
                offering.fault = true;
            }
        }
    }
    offering
}
