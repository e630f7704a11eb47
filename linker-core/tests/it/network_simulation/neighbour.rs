//! A neighbour as linker-actors keeps it: what it is handed, and what happens when its link is lost.

use std::rc::Rc;
use std::time::Duration;

use super::node::Ring;
use super::wire::Payload;
use super::world::{Event, Mail, World, trace};

/// A neighbour that takes no more is tried again after this.
const FULL_FOR: Duration = Duration::from_millis(500);

impl World {
    pub(crate) fn go_up(&mut self, place: usize) {
        let neighbour = &self.node().net.neighbours[place];
        if neighbour.up.replace(true) {
            return;
        }
        let to = neighbour.to;
        trace!(self, "link to {to} is up");
        let node = self.node();
        node.keeper.came_up.push(place);
        node.net.ring(Ring::Look);
    }

    /// What was handed over and not confirmed is given back, in order, before anything else is taken.
    pub(crate) fn go_down(&mut self, place: usize, why: &str) {
        let net = &self.node().net;
        let neighbour = &net.neighbours[place];
        if !neighbour.up.get() {
            return;
        }
        neighbour.losing.set(true);
        neighbour.up.set(false);
        neighbour.epoch.set(neighbour.epoch.get() + 1);
        neighbour
            .outbox
            .borrow_mut()
            .iter_mut()
            .for_each(|slot| slot.clear());
        neighbour.payloads.set(0);
        neighbour.unconfirmed.set(0);
        for way in 0..net.ways.len() {
            if net.ways[way].hop.get() == Some(place) {
                net.set_hop(way, None);
            }
        }
        let to = neighbour.to;
        trace!(self, "link to {to} is down: {why}");
        self.mail(Mail::LinkLost(place));
        self.answer_bell();
    }

    /// The router has what it had.
    pub(crate) fn link_gone(&mut self, place: usize) {
        let net = &self.node().net;
        net.neighbours[place].losing.set(false);
        net.ring(Ring::Look);
    }

    /// Hands over what is collected, as much as may be under way.
    pub(crate) fn flush(&mut self, place: usize) {
        self.node().net.neighbours[place].flushing.set(false);
        let (window, batch) = (self.plan.window, self.plan.batch);
        let life = self.domains[self.at].life;
        loop {
            let neighbour = &self.node().net.neighbours[place];
            if !neighbour.up.get() || neighbour.payloads.get() >= window {
                return;
            }
            let mut outbox = neighbour.outbox.borrow_mut();
            let slots = outbox.len();
            let turns = (0..slots).map(|step| (neighbour.turn.get() + step) % slots);
            let Some(slot) = turns.into_iter().find(|slot| !outbox[*slot].is_empty()) else {
                return;
            };
            neighbour.turn.set(slot + 1);
            let count = outbox[slot].len().min(batch);
            let (messages, tickets): (Vec<_>, Vec<_>) = outbox[slot].drain(..count).unzip();
            drop(outbox);
            neighbour.payloads.set(neighbour.payloads.get() + 1);
            neighbour.unconfirmed.set(neighbour.unconfirmed.get() + count);
            let payload = Payload {
                slot,
                messages: Rc::new(messages),
                tickets,
                connection: 0,
                epoch: neighbour.epoch.get(),
                life,
                late: false,
            };
            let wire = neighbour.wire;
            self.send(wire, payload);
        }
    }

    /// The neighbour's broker has answered.
    pub(crate) fn confirmed(&mut self, place: usize, payload: Payload, taken: bool) {
        let neighbour = &self.node().net.neighbours[place];
        if neighbour.epoch.get() != payload.epoch {
            return;
        }
        let wire = neighbour.wire;
        if !taken {
            self.go_down(place, "takes no more");
            self.schedule_in_world(FULL_FOR, Event::WireSteady(wire, payload.connection));
            return;
        }
        neighbour.payloads.set(neighbour.payloads.get() - 1);
        let left = neighbour.unconfirmed.get() - payload.tickets.len();
        neighbour.unconfirmed.set(left);
        self.mail(Mail::Forwarded(payload.tickets));
        self.flush(place);
    }

    /// Wakes what was rung for.
    pub(crate) fn answer_bell(&mut self) {
        let Some(node) = &mut self.domains[self.at].node else {
            return;
        };
        let rung = std::mem::take(node.net.bell.get_mut());
        for ring in rung {
            match ring {
                Ring::Outbox(place) => {
                    if !self.node().net.neighbours[place].flushing.replace(true) {
                        self.hop(10 + place as u8, Event::Flush(place));
                    }
                }
                Ring::Way(place) => {
                    if !self.node().pumps[place].busy {
                        self.node().pumps[place].busy = true;
                        self.hop(2, Event::PumpRuns(place));
                    }
                }
                Ring::Look => {
                    if !std::mem::replace(&mut self.node().keeper.looking, true) {
                        // In a large network a node has more to do.
                        let after = Duration::from_millis(self.plan.domains as u64 / 4);
                        let after = after + self.rng.up_to(self.plan.hop);
                        self.schedule(after, Event::Look);
                    }
                }
                Ring::Strays => {
                    let strays = self.node().net.strays.get_mut();
                    if !std::mem::replace(&mut strays.busy, true) {
                        self.schedule(Duration::from_millis(200), Event::Strays);
                    }
                }
                Ring::Session(session) => self.wake_session(session),
            }
        }
    }
}
