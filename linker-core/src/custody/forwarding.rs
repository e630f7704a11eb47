//! Messages for users who live in another domain: handed to the link on the way there, or left in the store until it can take them.
//!
//! For each such domain there is a *way* that is open or shut, shared by the routers of the node. While it is open, messages go to the link at once, and are stored only where
//! its confirmation takes longer than the commit window. While it is shut (no link is up, or messages wait in the store) whatever comes is stored behind what
//! waits, and [`Custody::adopt_forward`] hands the rows over in their order. When none is left it opens, after a moment in which what comes is *parked*.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::claims::Taken;
use super::delivery::Ticket;
use super::effect::{CustodyEffect, Origin, Outcome, Settlement};
use super::pending::{Pending, Row};
use super::router::{Custody, CustodyContext, count, settle, trace};
use super::sessions::{Forwarding, LocalSessions};
use crate::envelope::{Envelope, Feature, Trail};
use crate::id::{DomainName, SessionId};
use crate::port::{StoredRow, WaitReason};
use crate::trace::Fate;

/// How often a way that changes its mind is tried; then the message is stored.
const TRIES_MAX: usize = 3;

/// Messages that wait for a way to open, by the domain they are for, in the order taken.
pub(super) type Parked = HashMap<DomainName, VecDeque<Ticket>>;

/// What came of rows that wait to be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AdoptedForward {
    /// Sequence of the last row that was taken or passed over.
    pub last_seq: Option<u64>,
    /// How many were handed over now.
    pub handed: usize,
    /// The last rows were left for later: the link takes no more now, or somebody has one of them.
    pub stopped: bool,
}

impl AdoptedForward {
    /// The row is done with, and the next page begins behind it: unless one `before` it has to be looked at again.
    fn pass(&mut self, seq: u64, before: bool) {
        if !before {
            self.last_seq = Some(seq);
        }
    }
}

impl<S> Pending<S> {
    /// Takes out whom a receipt is owed that has not been given: whoever gets it owes it from now on. [`Origin::Node`] where none is owed.
    pub(super) fn take_owed_receipt(&mut self) -> Origin<S> {
        match self.origin {
            Origin::Arrival(id) if !self.settled => {
                self.origin = Origin::Node;
                Origin::Arrival(id)
            }
            _ => Origin::Node,
        }
    }
}

impl<S: Clone> Custody<S> {
    /// Whether a message is for another domain; then it is on its way there, or to the store.
    pub(super) fn goes_away<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) -> bool {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return false;
        };
        let before = pending.home.as_ref().filter(|_| !pending.parked);
        let Some(home) = cx.sessions.home(&pending.envelope, before) else {
            return false;
        };
        if pending.row.is_guest() {
            // Who answers for it finds out the same.
            self.send_guest_away(ticket, cx);
            return true;
        }
        if pending.envelope.feature == Feature::Fast {
            let Some(mut pending) = self.take(ticket) else {
                return true;
            };
            let sent = cx.sessions.forward_fast(&home, &pending.envelope);
            let (outcome, settlement, fate) = forwarded_fast(sent);
            trace(&self.shared, &pending, fate, cx);
            count(cx, Feature::Fast, outcome, None);
            let id = pending.envelope.id;
            settle(&mut pending, settlement, id, cx);
            return true;
        }
        self.leave_line(ticket);
        self.forward(ticket, home, cx);
        true
    }

    fn forward<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        home: DomainName,
        cx: &mut CustodyContext<'_, L>,
    ) {
        self.on_way_changed(&home, cx);
        if home.is_upstream() && !self.parked.is_empty() {
            // What its sender sent before may wait for another way there.
            let others: Vec<DomainName> = self
                .parked
                .keys()
                .filter(|home| home.is_upstream())
                .cloned()
                .collect();
            others.iter().for_each(|home| self.on_way_changed(home, cx));
        }
        let waits = self.parked.contains_key(&home);
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if pending.home.as_ref() != Some(&home) {
            pending.home = Some(home.clone());
            pending.row = pending.row.of_another_home();
            pending.parked = false;
        }
        if waits && pending.row == Row::None {
            self.park(ticket, home, cx);
            return;
        }
        self.try_forward(ticket, &home, cx);
    }

    fn try_forward<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        home: &DomainName,
        cx: &mut CustodyContext<'_, L>,
    ) {
        for _ in 0..TRIES_MAX {
            let Some(pending) = self.pending.get_mut(ticket) else {
                return;
            };
            match (
                cx.sessions.forward(home, &pending.envelope, ticket, false),
                pending.row,
            ) {
                (Forwarding::Sent(link), _) => {
                    pending.parked = false;
                    pending.holders.push(link);
                    self.open_window(ticket, cx.now.elapsed);
                    return;
                }
                (Forwarding::Parked, Row::None) => {
                    self.park(ticket, home.clone(), cx);
                    return;
                }
                (_, Row::Queued(_) | Row::Guest { .. } | Row::Asked(_)) => return,
                // Whoever hands over what is stored waits for it.
                (_, Row::Stored(_)) => {
                    self.leave_stored_forward(ticket, false, cx);
                    return;
                }
                (Forwarding::Shut, Row::None) => {
                    if cx.sessions.divert_forward(home, false) {
                        pending.diverted_forward = Some(home.clone());
                        self.store(ticket, WaitReason::Forward, cx);
                        return;
                    }
                }
            }
        }
        match self.pending.get_mut(ticket).map(|pending| pending.row) {
            Some(Row::None) => self.store(ticket, WaitReason::Forward, cx),
            Some(Row::Stored(_)) => self.leave_stored_forward(ticket, false, cx),
            Some(Row::Queued(_) | Row::Guest { .. } | Row::Asked(_)) | None => {}
        }
    }

    fn park<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        home: DomainName,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if std::mem::replace(&mut pending.parked, true) {
            // It has its place.
            return;
        }
        self.parked.entry(home).or_default().push_back(ticket);
        self.open_window(ticket, cx.now.elapsed);
    }

    /// The way to `home` has opened, or is shut after all: what was parked goes on.
    pub fn on_way_changed<L: LocalSessions<Session = S>>(
        &mut self,
        home: &DomainName,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(mut parked) = self.parked.remove(home) else {
            return;
        };
        while let Some(ticket) = parked.pop_front() {
            let is_parked = |p: &Pending<S>| p.parked && p.home.as_ref() == Some(home);
            let Some(pending) = self.pending.get_mut(ticket).filter(|p| is_parked(p)) else {
                continue;
            };
            let lives = cx.sessions.home(&pending.envelope, None);
            match lives.filter(|lives| lives.is_upstream() && lives != home) {
                Some(lives) => {
                    pending.home = Some(lives.clone());
                    pending.parked = false;
                    self.try_forward(ticket, &lives, cx);
                }
                None => self.try_forward(ticket, home, cx),
            }
            self.mark_held(ticket);
            if self.pending.get_mut(ticket).is_some_and(|p| is_parked(p)) {
                // It stays so, as do those behind it.
                parked.push_front(ticket);
                break;
            }
        }
        if !parked.is_empty() {
            self.parked.insert(home.clone(), parked);
        }
    }

    /// Its row is in the store, where it waits for the way to its domain; nobody here has it any more. `fresh`: it was just written, or redirected.
    pub(super) fn leave_stored_forward<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        fresh: bool,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(pending) = self.pending.get_mut(ticket) else {
            return;
        };
        if pending.is_held() {
            self.mark_held(ticket);
            return;
        }
        // What has just been written to wait for everybody's way to the application was never handed over.
        let of_all = |home: &DomainName| home.aside_sender().is_none();
        let before = pending.home.as_ref().filter(|home| !fresh || !of_all(home));
        let lives = cx.sessions.home(&pending.envelope, before);
        let as_it_says = pending.row == Row::Stored(WaitReason::Forward) && lives == pending.home;
        if !as_it_says
            && pending.envelope.kind.is_upstream()
            && let Some(home) = lives
        {
            self.redirect(ticket, home, cx);
            return;
        }
        let Some(pending) = self.take(ticket) else { return };
        let (user, id) = (&pending.envelope.to, pending.envelope.id);
        self.shared.claims().release(user, &id);
        match &pending.home {
            Some(home) if as_it_says => cx.sessions.shut_way(home),
            // Its row says something else.
            _ => cx.sessions.stray(user),
        }
    }

    /// The next domain has confirmed that it has it.
    pub fn on_forwarded<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        cx: &mut CustodyContext<'_, L>,
    ) {
        let Some(mut pending) = self.take(ticket) else {
            return;
        };
        let diverted = pending.diverted_forward.take();
        let envelope = Arc::clone(&pending.envelope);
        trace(&self.shared, &pending, Fate::Forwarded, cx);
        if let Some(home) = pending.home.take().filter(|_| !envelope.kind.is_upstream()) {
            let now = cx.now.elapsed;
            self.shared.forwarded_lately().insert(&envelope, home, now);
        }
        if envelope.kind.counts() {
            count(cx, Feature::Reliable, Outcome::Forwarded, None);
        }
        if let Some(key) = self.shared.dedupe.key(&envelope) {
            // It was known here if its recipient lived here when it came. Should it come back, it is no repetition.
            self.shared.dedupe.forget(key, envelope.id);
        }
        settle(&mut pending, Settlement::Forwarded, envelope.id, cx);
        if let Some(answered) = pending.replaces {
            let user = envelope.from;
            cx.effects.push(CustodyEffect::Delete {
                user,
                id: answered,
                forwarded: None,
            });
        }
        if pending.row != Row::None {
            cx.effects.push(CustodyEffect::Delete {
                user: envelope.to,
                id: envelope.id,
                forwarded: Some(envelope.hops()),
            });
        }
        if let Some(home) = diverted {
            cx.sessions.forward_is_stored(&home);
        }
    }

    /// A link was lost, or takes no more for now: what it had and has not confirmed goes another way, or waits.
    pub fn on_link_lost<L: LocalSessions<Session = S>>(
        &mut self,
        link: SessionId,
        cx: &mut CustodyContext<'_, L>,
    ) {
        self.on_session_ended(link, cx);
    }

    /// Hands rows that wait to be forwarded to `home` to the link on the way there, in order.
    pub fn adopt_forward<L: LocalSessions<Session = S>>(
        &mut self,
        rows: Vec<StoredRow>,
        home: &DomainName,
        cx: &mut CustodyContext<'_, L>,
    ) -> AdoptedForward {
        let mut adopted = AdoptedForward::default();
        // What another link has may have to be given back yet: it is waited for, as what anybody else has.
        let Some(holder) = cx.sessions.next_link(home) else {
            adopted.stopped = true;
            return adopted;
        };
        let mut redirects = false;
        for row in rows {
            let (user, id) = (row.envelope.to, row.envelope.id);
            let lives = cx.sessions.home(&row.envelope, Some(home));
            let taken = self.shared.claims().adopt(&row.envelope, holder);
            match taken {
                Taken::Yes => {}
                Taken::Passed => {
                    adopted.pass(row.seq, redirects);
                    continue;
                }
                Taken::Held | Taken::Undecided => {
                    adopted.stopped = true;
                    break;
                }
            }
            let ticket = self.hold(row.envelope, Origin::Node, false, None, None, cx.now.elapsed);
            let Some(pending) = self.pending.get_mut(ticket) else {
                continue;
            };
            pending.settled = true;
            pending.row = Row::Stored(row.reason);
            if let Some(lives) = lives
                .as_ref()
                .filter(|lives| lives.is_upstream() && *lives != home)
            {
                // Pages are read no faster than rows are redirected: the next one begins with this.
                redirects = true;
                adopted.stopped = true;
                self.redirect(ticket, lives.clone(), cx);
                continue;
            }
            if lives.as_ref() != Some(home) {
                // Whose home has changed meanwhile goes where it is now.
                adopted.pass(row.seq, redirects);
                pending.row = Row::Stored(WaitReason::Fault);
                self.join_line(ticket);
                self.route(ticket, cx);
                continue;
            }
            pending.home = Some(home.clone());
            match cx.sessions.forward(home, &pending.envelope, ticket, true) {
                Forwarding::Sent(link) => {
                    pending.holders.push(link);
                    adopted.handed += 1;
                    adopted.pass(row.seq, redirects);
                }
                Forwarding::Parked | Forwarding::Shut => {
                    drop(self.take(ticket));
                    self.shared.claims().release(&user, &id);
                    adopted.stopped = true;
                    break;
                }
            }
        }
        adopted
    }
}

/// A message that leaves the domain it was sent in says which one it must not overtake. Whether it is for another domain.
pub(super) fn note_predecessor<L: LocalSessions>(
    envelope: &mut Envelope,
    cx: &CustodyContext<'_, L>,
) -> bool {
    if envelope.kind.is_upstream() {
        // It leaves for no other domain.
        return false;
    }
    let is_away = cx.sessions.home(envelope, None).is_some();
    if is_away && envelope.trail.is_none() && envelope.kind.counts() {
        let after = cx.sessions.predecessor(envelope);
        let path = Vec::new();
        envelope.trail = Some(Box::new(Trail { path, after }));
    }
    is_away
}

/// What becomes of a FAST message for another domain: it was handed to a link, or is gone.
pub(super) fn forwarded_fast(sent: bool) -> (Outcome, Settlement, Fate) {
    match sent {
        true => (Outcome::Forwarded, Settlement::Forwarded, Fate::Forwarded),
        false => (Outcome::Dropped, Settlement::Dropped, Fate::Dropped),
    }
}
