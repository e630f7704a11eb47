//! What goes wrong, and when it ends.

use std::time::Duration;

use super::wire::Cut;
use super::world::{Event, World, trace};

pub(crate) enum Fault {
    Cut,
    Flap(usize, u64),
    Partition,
    /// So many links one after the other.
    OneAtATime(u64),
    Slow,
    Stall,
    Full,
    /// The fault of this turn is over.
    Heal(usize, u64),
    Crash,
    Start(usize),
    LoseIngress,
    StoreAway,
    StoreSlow,
    StoreBack(usize),
    Freeze,
    Move,
    /// A domain hears of a document.
    Document(usize, u32),
}

/// Makes one of its kind.
type MakeFault = fn(&mut World) -> Fault;

impl World {
    pub(crate) fn schedule_faults(&mut self) {
        let faults = self.plan.faults.clone();
        let more = if self.plan.domains > 20 { 4 } else { 1 };
        let kinds: [(u64, MakeFault); 12] = [
            (faults.cuts * more, |_| Fault::Cut),
            (faults.flaps * more, |world| {
                Fault::Flap(world.some_link(), 2 + world.rng.below(6))
            }),
            (faults.partitions, |_| Fault::Partition),
            (faults.slows * more, |_| Fault::Slow),
            (faults.stalls * more, |_| Fault::Stall),
            (faults.fulls * more, |_| Fault::Full),
            (faults.crashes * more, |_| Fault::Crash),
            (faults.ingress_losses, |_| Fault::LoseIngress),
            (faults.stores_away, |_| Fault::StoreAway),
            (faults.stores_slow, |_| Fault::StoreSlow),
            (faults.freezes * more, |_| Fault::Freeze),
            (faults.moves, |_| Fault::Move),
        ];
        if faults.one_at_a_time > 0 {
            let first = Event::Fault(Fault::OneAtATime(faults.one_at_a_time));
            self.schedule_in_world(Duration::from_secs(1), first);
        }
        for (times, fault) in kinds {
            for _ in 0..times {
                let at = Duration::from_micros(self.rng.below(self.plan.length.as_micros() as u64));
                let fault = fault(self);
                self.schedule_in_world(at, Event::Fault(fault));
            }
        }
    }

    /// Mostly one that somebody's messages cross.
    fn some_link(&mut self) -> usize {
        self.rng.below(self.plan.links.len() as u64) as usize
    }

    fn some_wire(&mut self) -> usize {
        self.rng.below(self.wires.len() as u64) as usize
    }

    fn some_domain(&mut self) -> usize {
        match self.rng.percent(60) {
            true => {
                let user = self.rng.below(self.users.len() as u64) as usize;
                self.users[user].home
            }
            false => self.rng.below(self.plan.domains as u64) as usize,
        }
    }

    fn a_while(&mut self) -> Duration {
        let most = self.rng.pick(&[300, 2500, 10_000, 30_000]);
        Duration::from_millis(50) + self.rng.up_to(Duration::from_millis(most))
    }

    fn heal_later(&mut self, wire: usize, after: Duration) {
        let turn = self.wires[wire].turn;
        self.schedule_in_world(after, Event::Fault(Fault::Heal(wire, turn)));
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Document(place, version) => {
                self.new_directory(place, version);
                return;
            }
            _ if self.healed => return,
            _ => {}
        }
        let after = self.a_while();
        match fault {
            Fault::Cut => {
                let link = self.some_link();
                let kind = self.rng.pick(&[Cut::Told, Cut::Told, Cut::Silent]);
                let both = self.rng.percent(70);
                for wire in [2 * link, 2 * link + 1].into_iter().take(1 + usize::from(both)) {
                    self.cut(wire, kind);
                    self.heal_later(wire, after);
                }
            }
            Fault::Flap(link, left) => {
                let quick = self.rng.up_to(Duration::from_millis(1500));
                for wire in [2 * link, 2 * link + 1] {
                    self.cut(wire, Cut::Told);
                    self.heal_later(wire, quick);
                }
                if left > 0 {
                    let again = quick + self.rng.up_to(Duration::from_millis(2500));
                    self.schedule_in_world(again, Event::Fault(Fault::Flap(link, left - 1)));
                }
            }
            Fault::Partition => {
                let inside: Vec<bool> = (0..self.plan.domains).map(|_| self.rng.percent(40)).collect();
                for wire in 0..self.wires.len() {
                    if inside[self.wires[wire].from] != inside[self.wires[wire].to] {
                        self.cut(wire, Cut::Told);
                        self.heal_later(wire, after);
                    }
                }
            }
            Fault::OneAtATime(left) => {
                let link = self.some_link();
                let kind = self.rng.pick(&[Cut::Told, Cut::Told, Cut::Silent]);
                let down = self.rng.up_to(Duration::from_millis(2000));
                for wire in [2 * link, 2 * link + 1] {
                    self.cut(wire, kind);
                    self.heal_later(wire, down);
                }
                if left > 1 {
                    let again = down + Duration::from_millis(1000);
                    self.schedule_in_world(again, Event::Fault(Fault::OneAtATime(left - 1)));
                }
            }
            Fault::Slow => {
                let wire = self.some_wire();
                self.wires[wire].turn += 1;
                self.wires[wire].slow = 1 + self.rng.below(30) as u32;
                self.heal_later(wire, after);
            }
            Fault::Stall => {
                let wire = self.some_wire();
                self.stall(wire);
                self.heal_later(wire, after);
            }
            Fault::Full => {
                let wire = self.some_wire();
                self.wires[wire].turn += 1;
                self.wires[wire].full = true;
                self.heal_later(wire, after);
            }
            Fault::Heal(wire, turn) => {
                if self.wires[wire].turn == turn {
                    self.heal(wire);
                }
            }
            Fault::Crash => {
                let place = self.some_domain();
                if self.domains[place].node.is_some() {
                    self.stop_node(place);
                    self.schedule_in_world(
                        after + Duration::from_millis(500),
                        Event::Fault(Fault::Start(place)),
                    );
                }
            }
            Fault::Start(place) => {
                self.start_node(place);
                self.send_unanswered_again(place);
            }
            Fault::LoseIngress => {
                let place = self.some_domain();
                if self.domains[place].node.is_some() {
                    trace!(self, "{place} loses its ingress");
                    self.at = place;
                    let now = self.now;
                    self.checker.crashes[place].push(now);
                    self.lose_ingress();
                }
            }
            Fault::StoreAway | Fault::StoreSlow => {
                let place = self.some_domain();
                trace!(self, "the store of {place} is slow or away");
                match fault {
                    Fault::StoreAway => self.domains[place].store_is_away = true,
                    _ => self.domains[place].store_is_slow = true,
                }
                self.schedule_in_world(after, Event::Fault(Fault::StoreBack(place)));
            }
            Fault::StoreBack(place) => {
                trace!(self, "the store of {place} is well");
                self.domains[place].store_is_away = false;
                self.domains[place].store_is_slow = false;
            }
            Fault::Freeze => {
                let place = self.some_domain();
                trace!(self, "{place} stands still");
                let after = after.min(Duration::from_secs(4));
                self.domains[place].frozen_until = self.now + after;
            }
            Fault::Move => {
                let user = self.rng.below(self.users.len() as u64) as usize;
                let former = self.users[user].home;
                // Often where the user was before.
                let to = self.some_domain();
                trace!(self, "{} moves from {former} to {to}", self.users[user].id);
                self.users[user].home = to;
                self.homes[user].push(to);
                self.new_document();
            }
            Fault::Document(..) => {}
        }
    }

    fn new_directory(&mut self, place: usize, version: u32) {
        if self.domains[place].version >= version {
            return;
        }
        self.domains[place].version = version;
        if self.domains[place].node.is_none() {
            return;
        }
        self.at = place;
        trace!(self, "{place} reads document {version}");
        let directory = self.directory(place);
        let node = self.node();
        let sessions = node.net.sessions.borrow();
        let gone = sessions.keys().filter(|user| !directory.is_home(user));
        let gone: Vec<_> = gone.copied().collect();
        drop(sessions);
        *node.net.directory.get_mut() = directory;
        node.keeper.directory = true;
        node.net.ring(super::node::Ring::Look);
        for user in gone {
            self.end_session(user);
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn end_faults(&mut self) {
        trace!(self, "everything heals");
        self.healed = true;
        for place in 0..self.domains.len() {
            self.domains[place].store_is_away = false;
            self.domains[place].store_is_slow = false;
            self.domains[place].frozen_until = self.now;
            if self.domains[place].node.is_none() {
                self.start_node(place);
                self.send_unanswered_again(place);
            }
        }
        for wire in 0..self.wires.len() {
            self.heal(wire);
        }
    }
}
