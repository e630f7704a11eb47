//! The order of what is on its way to one recipient. Where a message is to go to a node that those before it were not offered to, they go there first: their
//! recipient has moved, and what is newer must not overtake them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use smallvec::SmallVec;

use super::delivery::Ticket;
use super::elsewhere::offer_to_nodes;
use super::pending::Pending;
use super::router::{Custody, CustodyContext};
use super::sessions::LocalSessions;
use crate::id::{SessionId, UserId};

/// How many tickets of messages that have left a line may keep, besides as many as it has others.
const HOLES_MAX: usize = 16;

/// Unproven messages to one recipient, oldest first.
#[derive(Debug, Default)]
struct Line {
    /// Some of them may have left.
    tickets: VecDeque<Ticket>,
    left: usize,
    /// Nodes to which all of them were offered.
    nodes: SmallVec<[SessionId; 2]>,
}

/// The lines of one router.
#[derive(Debug, Default)]
pub(super) struct Lines {
    of: HashMap<UserId, Line>,
}

impl Lines {
    pub(super) fn join(&mut self, user: UserId, ticket: Ticket) {
        let line = self.of.entry(user).or_default();
        line.tickets.push_back(ticket);
        line.left += 1;
    }

    /// One of them is proven, or somebody else's by now. `is_there`: whether one has not left.
    pub(super) fn leave(&mut self, user: &UserId, is_there: impl FnMut(&Ticket) -> bool) {
        let Some(line) = self.of.get_mut(user) else {
            return;
        };
        line.left = line.left.saturating_sub(1);
        if line.left == 0 {
            self.of.remove(user);
        } else if line.tickets.len() > 2 * line.left + HOLES_MAX {
            line.tickets.retain(is_there);
        }
        if self.of.is_empty() && self.of.capacity() > 1024 {
            self.of = HashMap::new();
        }
    }

    /// These nodes do not have one of them (any more), and may yet come to have its recipient.
    pub(super) fn refused(&mut self, user: &UserId, nodes: &[SessionId]) {
        if nodes.is_empty() {
            return;
        }
        if let Some(line) = self.of.get_mut(user) {
            line.nodes.retain(|known| !nodes.contains(known));
        }
    }

    /// Those of `nodes` to which not all of the line were offered. From now on they count as having been.
    fn newcomers(
        &mut self,
        user: &UserId,
        nodes: impl Iterator<Item = SessionId>,
    ) -> SmallVec<[SessionId; 2]> {
        let Some(line) = self.of.get_mut(user) else {
            return SmallVec::new();
        };
        let new: SmallVec<[SessionId; 2]> = nodes.filter(|node| !line.nodes.contains(node)).collect();
        line.nodes.extend(new.iter().copied());
        new
    }

    fn at(&self, user: &UserId, place: usize) -> Option<Ticket> {
        self.of.get(user)?.tickets.get(place).copied()
    }

    pub(super) fn clear(&mut self) {
        self.of.clear();
    }
}

/// What became of a message that was to go ahead of another.
enum Ahead {
    /// Offered, or gone.
    Done,
    /// A session has it from the store, and answers for it there.
    Elsewhere,
    /// A fault keeps it, and what comes after it.
    Kept,
}

impl<S: Clone> Custody<S> {
    /// A message is about to be offered to these nodes: those before it go there first.
    pub(super) fn offer_earlier<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        user: UserId,
        nodes: &[S],
        cx: &mut CustodyContext<'_, L>,
    ) {
        let new = self
            .lines
            .newcomers(&user, nodes.iter().map(|node| cx.sessions.id(node)));
        if new.is_empty() {
            return;
        }
        let is_new = |node: &&S| new.contains(&cx.sessions.id(node));
        let new_nodes: SmallVec<[S; 2]> = nodes.iter().filter(is_new).cloned().collect();
        let mut elsewhere: SmallVec<[Ticket; 4]> = SmallVec::new();
        let mut place = 0;
        while let Some(earlier) = self.lines.at(&user, place).filter(|earlier| *earlier != ticket) {
            match self.offer_ahead(earlier, &new_nodes, &new, cx) {
                Ahead::Done => {}
                Ahead::Elsewhere => elsewhere.push(earlier),
                Ahead::Kept => break,
            }
            place += 1;
        }
        for ticket in elsewhere {
            drop(self.take(ticket));
        }
    }

    fn offer_ahead<L: LocalSessions<Session = S>>(
        &mut self,
        ticket: Ticket,
        nodes: &[S],
        ids: &[SessionId],
        cx: &mut CustodyContext<'_, L>,
    ) -> Ahead {
        let shared = Arc::clone(&self.shared);
        let Some(pending) = self.pending.get_mut(ticket) else {
            return Ahead::Done;
        };
        let (user, id) = (pending.envelope.to, pending.envelope.id);
        let was_free = pending.is_stuck();
        if was_free && !shared.claims().take_kept(&user, &id) {
            return Ahead::Elsewhere;
        }
        pending.refused_by.retain(|node| !ids.contains(node));
        let offering = offer_to_nodes(pending, ticket, nodes, cx);
        self.lines.refused(&user, &offering.without);
        match offering.sent {
            true => self.mark_held(ticket),
            false if was_free => shared.claims().keep(user, id),
            false => {}
        }
        self.note_handed(offering.sent, cx.now.elapsed);
        if offering.fault { Ahead::Kept } else { Ahead::Done }
    }
}

impl<S> Pending<S> {
    /// It is in the store, a fault keeps it from being moved, and whoever asks the store may have it.
    pub(super) fn is_stuck(&self) -> bool {
        self.row.is_stored() && !self.is_held()
    }
}
