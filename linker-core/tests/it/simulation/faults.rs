//! What goes wrong, and when.

use std::time::Duration;

use super::plan::Rng;
use super::registry::NODE_TIMEOUT;
use super::sim::{Event, Sim, trace};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Crash(usize),
    /// A node that was killed starts again.
    Restart(usize),
    RouterPanics(usize, u16),
    StoreAway(bool),
    /// The lane from one node to another.
    BusAway(usize, usize, bool),
    BusLoses(bool),
    PresenceAway(bool),
    /// A node stands still for so long.
    Freeze(usize, Duration),
    /// Presence is away for one node for so long.
    CutOff(usize, Duration),
}

impl Sim {
    /// The faults of this world, spread over the time in which clients act.
    pub(crate) fn schedule_faults(&mut self) {
        let (length, nodes) = (self.plan.length, self.plan.nodes as u64);
        let share = |rng: &mut Rng| length.mul_f64(rng.below(1000) as f64 / 1000.0);
        let place = |rng: &mut Rng| match nodes {
            1 => 0,
            _ => rng.below(nodes) as usize,
        };
        for _ in 0..self.plan.crashes {
            let at = share(&mut self.rng);
            let place = place(&mut self.rng);
            self.schedule_in_world(at, Event::Fault(Fault::Crash(place)));
        }
        for _ in 0..self.plan.store_faults {
            let (at, long) = (share(&mut self.rng), share(&mut self.rng));
            self.schedule_in_world(at, Event::Fault(Fault::StoreAway(true)));
            self.schedule_in_world(at + long / 2, Event::Fault(Fault::StoreAway(false)));
        }
        for _ in 0..self.plan.router_faults {
            let (at, shard) = (share(&mut self.rng), self.rng.below(2) as u16);
            let place = place(&mut self.rng);
            self.schedule_in_world(at, Event::Fault(Fault::RouterPanics(place, shard)));
        }
        for _ in 0..self.plan.bus_aways {
            let (at, long) = (share(&mut self.rng), share(&mut self.rng));
            let from = place(&mut self.rng);
            let to = (from + 1 + self.rng.below(nodes - 1) as usize) % nodes as usize;
            self.schedule_in_world(at, Event::Fault(Fault::BusAway(from, to, true)));
            self.schedule_in_world(at + long / 2, Event::Fault(Fault::BusAway(from, to, false)));
        }
        for _ in 0..self.plan.bus_losses {
            let (at, long) = (share(&mut self.rng), share(&mut self.rng));
            self.schedule_in_world(at, Event::Fault(Fault::BusLoses(true)));
            self.schedule_in_world(at + long / 4, Event::Fault(Fault::BusLoses(false)));
        }
        for _ in 0..self.plan.presence_faults {
            let (at, long) = (share(&mut self.rng), share(&mut self.rng));
            self.schedule_in_world(at, Event::Fault(Fault::PresenceAway(true)));
            self.schedule_in_world(at + long / 2, Event::Fault(Fault::PresenceAway(false)));
        }
        for _ in 0..self.plan.freezes {
            let (at, place) = (share(&mut self.rng), place(&mut self.rng));
            let long = self.rng.up_to(2 * NODE_TIMEOUT) + NODE_TIMEOUT / 2;
            self.schedule_in_world(at, Event::Fault(Fault::Freeze(place, long)));
        }
        for _ in 0..self.plan.cut_offs {
            let (at, place) = (share(&mut self.rng), place(&mut self.rng));
            let long = self.rng.up_to(2 * NODE_TIMEOUT) + NODE_TIMEOUT / 2;
            self.schedule_in_world(at, Event::Fault(Fault::CutOff(place, long)));
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        trace!(self, "FAULT: {fault:?}");
        match fault {
            Fault::Crash(place) => self.crash(place),
            Fault::Restart(place) => self.start_node(place),
            Fault::RouterPanics(place, shard) => self.router_panics(place, shard),
            Fault::StoreAway(away) => self.store_is_away = away,
            Fault::BusAway(from, to, away) => {
                let downs = self.bus.away.entry((from, to)).or_default();
                *downs = if away { *downs + 1 } else { *downs - 1 };
                self.bus.away.retain(|_, downs| *downs > 0);
            }
            Fault::BusLoses(loses) => match loses {
                true => self.bus.losing += 1,
                false => self.bus.losing -= 1,
            },
            Fault::PresenceAway(away) => self.registry.away = away,
            Fault::Freeze(place, long) => self.freeze(place, self.now + long),
            Fault::CutOff(place, long) => self.nodes[place].cut_off_until = self.now + long,
        }
    }

    fn crash(&mut self, place: usize) {
        if self.nodes[place].life == 0 {
            return;
        }
        self.at = place;
        self.commit_or_lose_in_flight();
        let its = |number: usize, sim: &Self| sim.connections[number].place == place;
        let connections: Vec<usize> = (0..self.connections.len())
            .filter(|number| its(*number, self))
            .collect();
        self.checker.crashed(place, &connections);
        for number in connections {
            self.server_dies(number);
        }
        if self.plan.nodes == 1 {
            self.registry.forget_life(self.nodes[place].life);
            self.start_node(place);
            return;
        }
        self.stop_node(place);
        let after = self.rng.up_to(3 * NODE_TIMEOUT);
        self.schedule_in_world(after, Event::Fault(Fault::Restart(place)));
    }

    /// What was asked of the store before may be done meanwhile.
    fn freeze(&mut self, place: usize, until: Duration) {
        self.at = place;
        self.nodes[place].frozen_until = until;
        if self.rng.percent(50) {
            self.commit_in_flight();
        }
    }

    fn router_panics(&mut self, place: usize, shard: u16) {
        if self.nodes[place].life == 0 {
            return;
        }
        self.at = place;
        self.checker.a_router_panicked = true;
        for node in &self.nodes {
            node.table.audit.borrow_mut().lenient = true;
        }
        self.restart_router(shard);
    }

    /// Nothing goes wrong any more.
    pub(crate) fn end_faults(&mut self) {
        self.healed = true;
        self.store_is_away = false;
        self.registry.away = false;
        self.bus = Default::default();
        for place in 0..self.nodes.len() {
            self.nodes[place].frozen_until = Duration::ZERO;
            self.nodes[place].cut_off_until = Duration::ZERO;
            if self.nodes[place].life == 0 {
                self.start_node(place);
            }
        }
    }
}
