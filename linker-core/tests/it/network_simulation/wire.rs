//! One direction of a link: a connection into the neighbour's ingress, and what can happen to it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use linker_core::custody::Ticket;
use linker_core::envelope::Envelope;
use linker_core::network::LinkState;

use super::plan::Rng;
use super::world::{Event, World, trace};

/// Some messages on their way.
#[derive(Clone)]
pub(crate) struct Payload {
    pub(crate) slot: usize,
    pub(crate) messages: Rc<Vec<Arc<Envelope>>>,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) connection: u64,
    /// The epoch of the sender's outbox, and the run of its node.
    pub(crate) epoch: u64,
    pub(crate) life: u32,
    /// Its connection is gone, and it arrives all the same.
    pub(crate) late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    No,
    /// The connection breaks at once.
    Told,
    /// Nothing arrives, and nobody says so.
    Silent,
}

pub(crate) struct Wire {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) cut: Cut,
    pub(crate) stalled: bool,
    pub(crate) full: bool,
    pub(crate) slow: u32,
    /// Grows with each fault: what was planned for the one before means nothing.
    pub(crate) turn: u64,
    /// 0: none.
    connection: u64,
    /// What a sender that died had written still arrives.
    last_words: u64,
    connections: u64,
    /// The sender believes so.
    open: bool,
    held: VecDeque<Payload>,
    held_back: VecDeque<(Payload, bool)>,
    last: Duration,
    last_back: Duration,
}

impl Wire {
    pub(crate) fn new(from: usize, to: usize) -> Self {
        Self {
            from,
            to,
            cut: Cut::No,
            stalled: false,
            full: false,
            slow: 1,
            turn: 0,
            connection: 0,
            last_words: 0,
            connections: 0,
            open: false,
            held: VecDeque::new(),
            held_back: VecDeque::new(),
            last: Duration::ZERO,
            last_back: Duration::ZERO,
        }
    }

    /// The connection is gone; of what was held up on it some may come through yet.
    fn lose(&mut self, rng: &mut Rng) {
        self.connection = 0;
        self.open = false;
        self.held_back.clear();
        self.held.retain_mut(|payload| {
            payload.late = true;
            rng.percent(30)
        });
    }

    pub(crate) fn lose_sender(&mut self, rng: &mut Rng) {
        self.last_words = self.connection;
        self.lose(rng);
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.cut == Cut::No && !self.stalled && !self.full
    }
}

impl World {
    fn wire_latency(&mut self, wire: usize) -> Duration {
        self.rng.up_to(self.plan.latency) * self.wires[wire].slow
    }

    pub(crate) fn send(&mut self, wire: usize, mut payload: Payload) {
        payload.connection = self.wires[wire].connection;
        let arrives = self.now + self.wire_latency(wire);
        let last = &mut self.wires[wire].last;
        *last = arrives.max(*last);
        let after = *last - self.now;
        self.schedule_in_world(after, Event::WireCarries(wire, payload));
    }

    pub(crate) fn wire_carries(&mut self, place: usize, payload: Payload) {
        let wire = &mut self.wires[place];
        let lives = payload.connection == wire.connection || payload.connection == wire.last_words;
        if !lives && !payload.late || wire.cut == Cut::Told {
            return;
        }
        if wire.cut == Cut::Silent {
            wire.held.push_back(payload);
            return;
        }
        let taken = !wire.full;
        if taken {
            self.ingress_takes(place, &payload);
        }
        let arrives = self.now + self.wire_latency(place);
        let last = &mut self.wires[place].last_back;
        *last = arrives.max(*last);
        let after = *last - self.now;
        self.schedule_in_world(after, Event::WireConfirms(place, payload, taken));
    }

    pub(crate) fn wire_confirms(&mut self, place: usize, payload: Payload, taken: bool) {
        let wire = &mut self.wires[place];
        if payload.connection != wire.connection {
            return;
        }
        if wire.stalled || wire.cut == Cut::Silent {
            wire.held_back.push_back((payload, taken));
            return;
        }
        let from = wire.from;
        if self.domains[from].life != payload.life {
            return;
        }
        self.at = from;
        if self.domains[from].frozen_until > self.now {
            let after = self.domains[from].frozen_until - self.now;
            self.schedule_in_world(after, Event::WireConfirms(place, payload, taken));
            return;
        }
        self.confirmed(self.neighbour_of(place), payload, taken);
    }

    /// Link states are lost where they cannot get through at once.
    pub(crate) fn send_states(&mut self, wire: usize, states: Vec<LinkState>) {
        if self.wires[wire].connection != 0 {
            let after = self.wire_latency(wire);
            self.schedule_in_world(after, Event::WireStates(wire, states));
        }
    }

    pub(crate) fn wire_states(&mut self, place: usize, states: Vec<LinkState>) {
        let wire = &self.wires[place];
        if wire.cut == Cut::No && self.domains[wire.to].node.is_some() {
            let from = wire.from;
            self.at = wire.to;
            self.schedule(Duration::ZERO, Event::Words(from, states));
        }
    }

    pub(crate) fn neighbour_of(&self, wire: usize) -> usize {
        let wires = &self.domains[self.wires[wire].from].wires;
        wires.iter().position(|known| *known == wire).unwrap()
    }

    /// The sender tries to connect, if it knows that it has to.
    pub(crate) fn reconnect(&mut self, place: usize) {
        let wire = &self.wires[place];
        let domain = &self.domains[wire.from];
        if !wire.open && wire.cut == Cut::No && domain.node.is_some() {
            let life = domain.life;
            let after = Duration::from_millis(20) + self.rng.up_to(Duration::from_millis(500));
            self.schedule_in_world(after, Event::WireConnects(place, life));
        }
    }

    pub(crate) fn wire_connects(&mut self, place: usize, life: u32) {
        let wire = &mut self.wires[place];
        if wire.open || wire.cut != Cut::No || self.domains[wire.from].life != life {
            return;
        }
        wire.open = true;
        wire.connections += 1;
        wire.connection = wire.connections;
        let connection = wire.connection;
        self.schedule_in_world(Duration::from_millis(300), Event::WireSteady(place, connection));
    }

    pub(crate) fn wire_steady(&mut self, place: usize, connection: u64) {
        let wire = &self.wires[place];
        if wire.connection != connection || !wire.open {
            return;
        }
        self.at = wire.from;
        let neighbour = self.neighbour_of(place);
        let is_losing = self.node().net.neighbours[neighbour].losing.get();
        if is_losing || self.domains[self.at].frozen_until > self.now {
            self.schedule_in_world(Duration::from_millis(10), Event::WireSteady(place, connection));
            return;
        }
        self.go_up(neighbour);
        self.watch_silence(place);
    }

    /// Where nothing is confirmed the sender notices after a while.
    fn watch_silence(&mut self, place: usize) {
        let wire = &self.wires[place];
        if wire.stalled || wire.cut == Cut::Silent {
            let turn = wire.turn;
            let after = Duration::from_secs(2) + self.rng.up_to(Duration::from_millis(500));
            self.schedule_in_world(after, Event::WireSilent(place, turn));
        }
    }

    pub(crate) fn wire_silent(&mut self, place: usize, turn: u64) {
        let wire = &mut self.wires[place];
        if wire.turn != turn || wire.is_healthy() || !wire.open {
            return;
        }
        let from = wire.from;
        if self.domains[from].node.is_none() {
            return;
        }
        if self.domains[from].frozen_until > self.now {
            self.schedule_in_world(Duration::from_millis(500), Event::WireSilent(place, turn));
            return;
        }
        self.at = from;
        wire.lose(&mut self.rng);
        self.go_down(self.neighbour_of(place), "does not answer");
        self.reconnect(place);
    }

    /// The sender hears that its connection has ended.
    pub(crate) fn wire_ends(&mut self, place: usize, connection: u64) {
        let wire = &mut self.wires[place];
        if !wire.open || wire.connections != connection || self.domains[wire.from].node.is_none() {
            return;
        }
        self.at = wire.from;
        if self.domains[self.at].frozen_until > self.now {
            self.schedule_in_world(Duration::from_millis(20), Event::WireEnds(place, connection));
            return;
        }
        wire.open = false;
        self.go_down(self.neighbour_of(place), "connection lost");
        self.reconnect(place);
    }

    pub(crate) fn cut(&mut self, place: usize, cut: Cut) {
        trace!(
            self,
            "cut {} -> {}: {cut:?}", self.wires[place].from, self.wires[place].to
        );
        let wire = &mut self.wires[place];
        wire.turn += 1;
        wire.cut = cut;
        if cut == Cut::Told {
            let former = std::mem::take(&mut wire.connection);
            wire.held.clear();
            wire.held_back.clear();
            let after = self.rng.up_to(Duration::from_millis(50));
            self.schedule_in_world(after, Event::WireEnds(place, former));
        }
        self.watch_silence(place);
    }

    pub(crate) fn stall(&mut self, place: usize) {
        trace!(
            self,
            "stall {} -> {}", self.wires[place].from, self.wires[place].to
        );
        self.wires[place].turn += 1;
        self.wires[place].stalled = true;
        self.watch_silence(place);
    }

    /// All is well with it, from now on.
    pub(crate) fn heal(&mut self, place: usize) {
        let wire = &mut self.wires[place];
        trace!(self, "heal {} -> {}", wire.from, wire.to);
        wire.turn += 1;
        wire.cut = Cut::No;
        wire.stalled = false;
        wire.full = false;
        wire.slow = 1;
        let (held, back) = (
            std::mem::take(&mut wire.held),
            std::mem::take(&mut wire.held_back),
        );
        for payload in held {
            let slow = self.rng.up_to(Duration::from_secs(1));
            let after = if payload.late { slow } else { Duration::ZERO };
            self.schedule_in_world(after, Event::WireCarries(place, payload));
        }
        for (payload, taken) in back {
            self.schedule_in_world(Duration::ZERO, Event::WireConfirms(place, payload, taken));
        }
        self.reconnect(place);
    }
}
