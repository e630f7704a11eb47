//! What custody sees of the node: its sessions, and the ways to other domains.

use std::sync::Arc;

use linker_core::clock::Now;
use linker_core::custody::{Delivery, Forwarding, LocalSessions, Offer, Ticket};
use linker_core::envelope::{Envelope, Trail};
use linker_core::id::{DomainName, MessageId, SessionId, UserId};
use linker_core::link::GateMode;
use linker_core::link::settling::left;
use linker_core::port::slot_of;
use smallvec::SmallVec;

use super::node::{Neighbour, Net, Ring, Way};
use super::world::place_of;

/// Messages that wait for one link; then they wait in the store.
const OUTBOX_MAX: usize = 200;

pub(crate) struct Targets<'a> {
    pub(crate) net: &'a Net,
    pub(crate) now: Now,
}

impl Net {
    pub(crate) fn ring(&self, ring: Ring) {
        let mut bell = self.bell.borrow_mut();
        if !bell.contains(&ring) {
            bell.push(ring);
        }
    }

    pub(crate) fn way(&self, place: usize) -> &Way {
        let way = &self.ways[place];
        if !way.known.replace(true) {
            self.ring(Ring::Look);
        }
        way
    }

    pub(crate) fn set_hop(&self, place: usize, hop: Option<usize>) {
        let way = &self.ways[place];
        if way.hop.replace(hop) == hop {
            return;
        }
        way.turns.set(way.turns.get() + 1);
        if hop.is_none() {
            way.gate.shut();
        }
        self.tell_pump(place);
    }

    pub(crate) fn tell_pump(&self, place: usize) {
        self.ways[place].changed.set(true);
        self.ring(Ring::Way(place));
    }

    pub(crate) fn shut(&self, place: usize) {
        if self.way(place).gate.shut() {
            self.tell_pump(place);
        }
    }

    fn hop(&self, place: usize) -> Option<&Neighbour> {
        self.way(place).hop.get().map(|hop| &self.neighbours[hop])
    }

    /// Takes a message for a neighbour, unless the router does not know yet what became of those before it.
    fn offer(&self, place: usize, envelope: &Arc<Envelope>, ticket: Ticket) -> Option<SessionId> {
        let hop = self.way(place).hop.get()?;
        let neighbour = &self.neighbours[hop];
        let mut epochs = self.epochs.borrow_mut();
        let epoch = *epochs
            .entry(neighbour.id)
            .or_insert_with(|| neighbour.epoch.get());
        let is_full = neighbour
            .outbox
            .borrow()
            .iter()
            .map(|slot| slot.len())
            .sum::<usize>()
            > OUTBOX_MAX;
        if !neighbour.up.get() || neighbour.epoch.get() != epoch || is_full {
            return None;
        }
        let former = envelope.trail.as_deref();
        let path = left(former.map_or(&[], |trail| &trail.path), &self.own);
        let after = former.and_then(|trail| trail.after);
        let leaving = Envelope {
            trail: Some(Box::new(Trail { path, after })),
            ..Envelope::clone(envelope)
        };
        let slot = usize::from(slot_of(&envelope.from, &envelope.to));
        neighbour.outbox.borrow_mut()[slot].push_back((Arc::new(leaving), ticket));
        self.ring(Ring::Outbox(hop));
        Some(neighbour.id)
    }

    pub(crate) fn stray(&self, user: UserId) {
        let mut strays = self.strays.borrow_mut();
        strays.some.insert(user);
        strays.wanted = true;
        drop(strays);
        self.ring(Ring::Strays);
    }

    pub(crate) fn stray_all(&self) {
        let mut strays = self.strays.borrow_mut();
        strays.all = true;
        strays.wanted = true;
        drop(strays);
        self.ring(Ring::Strays);
    }
}

impl LocalSessions for Targets<'_> {
    type Session = SessionId;

    fn of(&self, user: &UserId) -> SmallVec<[SessionId; 2]> {
        let sessions = self.net.sessions.borrow();
        sessions.get(user).map(|session| session.id).into_iter().collect()
    }

    fn id(&self, session: &SessionId) -> SessionId {
        *session
    }

    fn offer(&self, session: &SessionId, delivery: Delivery, _forced: bool) -> Offer {
        let mut sessions = self.net.sessions.borrow_mut();
        let Some(session) = sessions
            .get_mut(&delivery.envelope.to)
            .filter(|found| found.id == *session)
        else {
            return Offer::Gone;
        };
        session.coming.push_back(delivery);
        self.net.ring(Ring::Session(session.id));
        Offer::Taken
    }

    fn divert(&self, _session: &SessionId) -> bool {
        false
    }

    fn hint(&self, _session: &SessionId, _diverted: bool) {}

    fn home(&self, envelope: &Envelope, _: Option<&DomainName>) -> Option<DomainName> {
        let directory = self.net.directory.borrow();
        directory.home_away_of(&envelope.to).cloned()
    }

    fn predecessor(&self, envelope: &Envelope) -> Option<MessageId> {
        let mut tails = self.net.tails.borrow_mut();
        tails.next(envelope.from, envelope.to, envelope.id, self.now.elapsed)
    }

    fn next_link(&self, home: &DomainName) -> Option<SessionId> {
        self.net.hop(place_of(home)).map(|hop| hop.id)
    }

    fn forward(
        &self,
        home: &DomainName,
        envelope: &Arc<Envelope>,
        ticket: Ticket,
        first: bool,
    ) -> Forwarding {
        let place = place_of(home);
        match self.net.way(place).gate.mode() {
            GateMode::Shut if !first => return Forwarding::Shut,
            GateMode::Parking if !first => return Forwarding::Parked,
            GateMode::Open | GateMode::Shut | GateMode::Parking => {}
        }
        match self.net.offer(place, envelope, ticket) {
            Some(id) => Forwarding::Sent(id),
            None => {
                self.net.shut(place);
                Forwarding::Shut
            }
        }
    }

    fn divert_forward(&self, home: &DomainName, anyhow: bool) -> bool {
        self.net.way(place_of(home)).gate.divert(anyhow)
    }

    fn forward_is_stored(&self, home: &DomainName) {
        self.net.way(place_of(home)).gate.stored();
        self.net.tell_pump(place_of(home));
    }

    fn shut_way(&self, home: &DomainName) {
        self.net.shut(place_of(home));
    }

    fn stray(&self, user: &UserId) {
        self.net.stray(*user);
    }
}
